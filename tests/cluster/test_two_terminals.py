"""The same study from two terminals: no trial is fitted twice, both come to one end, and a killed one is replaced."""

import json
import signal
import subprocess
import time

import pytest
from counting import Counted, environment, improving, judged, write_study

from melior.runs.store import Run

LONG = 900  # seconds: for a machine that has much else to do


def started(folder, run, *more, delay=0.0):
    return subprocess.Popen(
        improving(run, *more), cwd=folder, env=environment(folder / f"{run}.counted", delay),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    try:
        out, err = process.communicate(timeout=LONG)
    finally:
        process.kill()
    return process.returncode, out, err


def told(folder, run):
    return json.loads((folder / f"{run}.json").read_text())


def wait_for(found, process):
    until = time.monotonic() + LONG
    while not found():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process comes to, and how many trials that takes."""
    folder = tmp_path_factory.mktemp("alone")
    write_study(folder)
    code, _, err = ended(started(folder, "run"))
    assert code == 0, err
    return judged(told(folder, "run")), Counted(folder / "run.counted").times()


def test_two_processes_share_the_trials_of_a_study(tmp_path, alone):
    write_study(tmp_path)
    expected, trials = alone
    first = started(tmp_path, "run", delay=0.5)
    wait_for((tmp_path / "run" / "run.json").exists, first)
    second = started(tmp_path, "run", "--json", "second.json", delay=0.5)
    for code, _, err in (ended(first), ended(second)):
        assert code == 0, err
    counted = Counted(tmp_path / "run.counted")
    assert counted.times() == trials, "a trial was fitted twice, or not at all"
    assert set(trials.values()) == {1}
    assert set(counted.by_process()) <= {first.pid, second.pid}
    assert judged(told(tmp_path, "run")) == expected
    assert judged(told(tmp_path, "second")) == expected
    Run.open(tmp_path / "run")  # whole, by its manifest
    assert not list((tmp_path / "run" / "trials" / "claims").iterdir()), "a claim was left behind"
    assert not (tmp_path / "run" / "trials" / "session").exists()


def test_a_killed_process_is_replaced(tmp_path, alone):
    write_study(tmp_path)
    expected, trials = alone
    first = started(tmp_path, "run", delay=0.5)
    wait_for((tmp_path / "run" / "run.json").exists, first)
    second = started(tmp_path, "run", delay=0.5)
    counted = tmp_path / "run.counted"
    wait_for(lambda: Counted(counted).by_process()[first.pid] >= 3, first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    cost = Counted(counted).unfinished(first.pid)
    code, _, err = ended(second)
    assert code == 0, err
    times = Counted(counted).times()
    assert set(times) == set(trials)
    assert {key for key, count in times.items() if count > 1} <= cost, "more was repeated than what the killed one ran"
    assert judged(told(tmp_path, "run")) == expected
    Run.open(tmp_path / "run")


def test_another_budget_or_recipe_is_another_study(tmp_path):
    write_study(tmp_path)
    first = started(tmp_path, "run", delay=1.0)
    wait_for(lambda: list((tmp_path / "run" / "trials" / "claims").glob("process-*")), first)
    code, _, err = ended(started(tmp_path, "run", "--budget", "10m"))
    assert code == 2
    assert "another budget" in err
    assert str(first.pid) in err
    assert "Traceback" not in err
    code, _, err = ended(started(tmp_path, "run", "--seed", "3"))
    assert code == 2
    assert "another run" in err
    first.kill()
    first.communicate()
