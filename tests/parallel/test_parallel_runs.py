"""`melior train` by several processes, as a user starts it: runs, lost and late processes, bad input."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from started import ended, environment, free_port, start

MELIOR = [sys.executable, "-m", "melior"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """2,000 rows of a table, and a recipe beside it."""
    folder, drawn = tmp_path_factory.mktemp("rows"), random.Random(0)
    lines = ["a,b,c,y"]
    for _ in range(2000):
        a, b, c = (drawn.gauss(0, 1) for _ in range(3))
        lines.append(f"{a:.3f},{b:.3f},{c:.3f},{'yes' if a + b * c > 0 else 'no'}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    recipe(folder)
    return folder


def recipe(folder, name="recipe.yaml", parallel=None, model="tabular_network: {epochs: 8, dropout: 0.0}", target="y"):
    train = "" if parallel is None else f"train: {{parallel: {parallel}}}\n"
    (folder / name).write_text(f"data: {{path: {folder}/rows.csv, target: {target}}}\nmodel:\n  {model}\n{train}")
    return str(folder / name)


def scores(run):
    found = json.loads((run / "scores.json").read_text())
    return {name: one["value"] for name, one in found["metrics"].items()} if "metrics" in found else found


def test_two_processes_leave_the_run_of_one(rows, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    plain = [*MELIOR, "train", recipe(rows)]
    assert subprocess.run([*plain, "--run", str(one)], capture_output=True, timeout=240).returncode == 0
    done = subprocess.run([*plain, "--processes", "2", "--run", str(two)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("macro_f1") == 1  # one process speaks for all
    losses = [
        [line["loss"] for line in map(json.loads, path.open()) if line["kind"] == "step"]
        for path in (run / "training" / "network-1" / "history.jsonl" for run in (one, two))
    ]
    assert max(abs(a - b) for a, b in zip(*losses, strict=True)) < 1e-5  # AdamW, 8 epochs
    answers = [*MELIOR, "predict", str(two), str(rows / "rows.csv"), "--out", str(tmp_path / "out.csv")]
    assert subprocess.run(answers, capture_output=True, timeout=120).returncode == 0


def test_a_killed_process_is_replaced_and_the_end_is_the_same(rows, tmp_path):
    model = "tabular_network: {epochs: 40, dropout: 0.0, checkpoint_every: 20}"
    command = [*MELIOR, "train", recipe(rows, "kill.yaml", model=model), "--processes", "2", "--run"]
    assert subprocess.run([*command, str(tmp_path / "calm")], capture_output=True, timeout=300).returncode == 0
    run = tmp_path / "disturbed"
    process = subprocess.Popen([*command, str(run)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kill_one_of(run)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said[-2000:]
    folders = [tmp_path / name / "predictor" for name in ("calm", "disturbed")]
    weights = [{p.name: p.read_bytes() for p in folder.rglob("*.safetensors")} for folder in folders]
    assert weights[0]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-C", "kill", "terminal"])
def test_a_run_that_is_stopped_works_and_nothing_goes_on(asked, rows, tmp_path):
    model = "tabular_network: {epochs: 2000, dropout: 0.0, checkpoint_every: 50}"
    run = tmp_path / "run"
    command = [*MELIOR, "train", recipe(rows, "stop.yaml", model=model), "--processes", "2", "--run", str(run)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    try:
        until_a_checkpoint(run)
        os.killpg(process.pid, asked)  # as a terminal does, or a scheduler
        _, said = process.communicate(timeout=120)
    finally:
        process.terminate()  # what it started ends with it
    assert process.returncode == 130, said[-2000:]
    assert said.count("melior: interrupted") == 1
    assert "Traceback" not in said
    about = json.loads((run / "run.json").read_text())
    assert about["state"] == "finished"
    assert about["interrupted"].startswith("step ")
    assert not [pid for pid, command in commands() if str(run) in command], "a process was left behind"
    answers = [*MELIOR, "predict", str(run), str(rows / "rows.csv"), "--out", str(tmp_path / "out.csv")]
    assert subprocess.run(answers, capture_output=True, timeout=120).returncode == 0


def hears_ctrl_c():
    """Whatever started the tests: a job in the background of a shell ignores ctrl-C, and so does all that it starts;
    and after nohup the end of the terminal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
@pytest.mark.parametrize("lost", ["the command", "the agent"])
def test_nothing_goes_on_where_what_started_it_is_killed(lost, rows, tmp_path):
    model = "tabular_network: {epochs: 20000, dropout: 0.0, checkpoint_every: 50}"
    run = tmp_path / "run"
    command = [*MELIOR, "train", recipe(rows, "orphans.yaml", model=model), "--processes", "2", "--run", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until_a_checkpoint(run)
    agents = [pid for pid, given in commands() if str(run) in given and "melior.verbs.launch" in given]
    os.kill(process.pid if lost == "the command" else agents[0], signal.SIGKILL)
    process.wait(timeout=120)
    end = time.time() + 120
    while left := [pid for pid, given in commands() if str(run) in given]:
        if time.time() > end:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            pytest.fail("processes go on")
        time.sleep(0.2)
    about = json.loads((run / "run.json").read_text())
    assert about["interrupted"].startswith("step ")  # they ended as after ctrl-C


def until_a_checkpoint(run):
    end = time.time() + 120
    while not list(run.glob("training/*/checkpoints/0*")):
        assert time.time() < end, "no checkpoint was written"
        time.sleep(0.05)


def commands():
    """(process, its command line) of all that run."""
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_text()


def kill_one_of(run):
    """kill -9 of the second process, once there is a checkpoint."""
    until_a_checkpoint(run)
    for pid, command in commands():
        try:
            given = Path(f"/proc/{pid}/environ").read_text().split("\0")
        except OSError:
            continue
        if "RANK=1" in given and str(run) in command and "distributed.run" not in command:
            os.kill(pid, signal.SIGKILL)
            return
    pytest.fail("the second process was not found")


def test_a_process_that_hangs_is_named_with_its_step(rows, tmp_path):
    model = "tabular_network: {epochs: 2000, dropout: 0.0, checkpoint_every: 20}"
    given = recipe(rows, "hang.yaml", parallel="{timeout: 5}", model=model)
    processes = start(2, [*MELIOR, "train", given, "--run", str(tmp_path / "run")])
    until_a_checkpoint(tmp_path / "run")
    processes[1].send_signal(signal.SIGSTOP)
    _, said = processes[0].communicate(timeout=120)
    processes[1].kill()
    assert processes[0].returncode not in (0, None)
    assert "rank 1 was last heard of at step" in said
    assert "Traceback" not in said


NO_MEMORY = """
import importlib.util, os, sys

class Planted:
    def find_spec(self, name, path, target=None):
        if name != "melior.engine.loop":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        whole = spec.loader.exec_module

        def changed(module):
            whole(module)
            before = module.Loop._pass

            def after(loop, batch):
                if loop.place.step >= 5:
                    raise MemoryError("planted")
                return before(loop, batch)

            module.Loop._pass = after

        spec.loader.exec_module = changed
        return spec

if os.environ.get("RANK") == os.environ["PLANTED"]:
    sys.meta_path.insert(0, Planted())
"""


def without_memory(rank, folder):
    """An environment in which a rank runs out of memory at step 5."""
    (folder / "sitecustomize.py").write_text(NO_MEMORY)
    return {"PLANTED": str(rank), "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_memory_that_runs_out_on_another_rank_is_one_sentence_and_nothing_is_started_again(rows, tmp_path):
    command = [*MELIOR, "train", recipe(rows), "--processes", "2", "--run", str(tmp_path / "run")]
    (tmp_path / "temporary").mkdir()
    env = {**os.environ, **without_memory(1, tmp_path), "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2, done.stderr[-2000:]
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("melior: ")]
    assert said.startswith("melior: out of memory on rank 1")
    assert "micro_batch" in said
    assert "SIGTERM" not in done.stderr
    assert "exitcode" not in done.stderr
    assert (done.stdout + done.stderr).count("training") == 1, "it was started again"
    left = [path.name for path in (tmp_path / "temporary").iterdir()]
    assert not [name for name in left if name.startswith(("melior", "torchelastic"))]


@pytest.mark.parametrize("rank", [0, 1])
def test_what_one_rank_says_during_training_ends_all(rank, rows, tmp_path):
    command = [*MELIOR, "train", recipe(rows), "--run", str(tmp_path / "run")]
    codes, _, errors = ended(start(2, command, **without_memory(rank, tmp_path)))
    assert codes == [2, 2], errors
    said = [[line for line in one.splitlines() if line.startswith("melior: ")] for one in errors]
    assert said[0][0].startswith(f"melior: out of memory on rank {rank} "), "the rank is named once"
    assert [len(one) for one in said] == [1, 0]
    assert "Traceback" not in "".join(errors)


def refused(rows, tmp_path, given, ranks=2, **environments):
    codes, _, errors = ended(start(ranks, [*MELIOR, "train", given, "--run", str(tmp_path / "run")], **environments))
    assert codes == [2] * ranks, errors
    assert all(not said for said in errors[1:]), "the others end quietly"
    assert "Traceback" not in errors[0]
    return errors[0]


def test_what_cannot_work_is_refused_by_all_in_one_sentence(rows, tmp_path):
    linear = refused(rows, tmp_path, recipe(rows, "linear.yaml", model="linear"))
    assert "several processes train one network" in linear
    axes = refused(rows, tmp_path, recipe(rows, "axes.yaml", parallel="{tensor: 3}"))
    assert "does not make 2 ranks" in axes
    column = refused(rows, tmp_path, recipe(rows, "column.yaml", target="z"))
    assert "z" in column
    assert not (tmp_path / "run" / "predictor").exists()


def test_ranks_with_other_rows_are_found_at_the_start(rows, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "rows.csv").write_text((rows / "rows.csv").read_text().replace("yes", "yes ").replace("0.1", "0.2"))
    port = free_port()
    given = [recipe(rows), recipe(other)]
    processes = [
        subprocess.Popen([*MELIOR, "train", given[rank], "--run", str(tmp_path / "run")], text=True,
                         env=environment(rank, 2, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in range(2)
    ]  # fmt: skip
    codes, _, errors = ended(processes)
    assert codes == [2, 2], errors
    assert "rank 1 has another content of the rows than rank 0" in errors[0]
    assert not errors[1]


def test_a_port_in_use_and_a_first_rank_that_is_not_there(rows, tmp_path):
    import socket

    command = [*MELIOR, "train", recipe(rows), "--run", str(tmp_path / "run")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = environment(0, 2, port)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "in use" in done.stderr
    command[-3] = recipe(rows, "soon.yaml", parallel="{timeout: 3}")
    done = subprocess.run(command, env=environment(1, 2, free_port()), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2  # the second rank ends quietly
