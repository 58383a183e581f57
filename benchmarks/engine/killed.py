"""A training killed at any moment, or met by other faults, goes on and ends the same.

    python benchmarks/engine/killed.py            30 kills, and each other fault once
    python benchmarks/engine/killed.py --quick

A small network with dropout and an average is trained in a process of its own, undisturbed, twice; the best of its
validations is kept. Then, again and again, that process is killed (SIGKILL) at a moment drawn uniformly between its
first step and its end, and given once more; one is killed up to three times. It must end with the same bytes of weights
and the same losses in the history, and go on from a checkpoint no more than one interval before where it was.

The other faults: the newest checkpoint truncated, all of them; a disk that is full for a while (a limit on the size of
files, for the history too); rows that are no numbers, where the end must equal that of a training that leaves their
steps out.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, median, number, options

EVERY = 10  # steps between checkpoints
Case = dict[str, Any]


def training(folder: str, steps: int, fault: str) -> None:
    """The process that is killed: trains, prints each step that is done, and last what it ended with."""
    import resource

    import torch
    from rows import Numbers, dense
    from torch import nn

    from melior.engine.loop import train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training

    torch.set_num_threads(1)
    source = Numbers(2048, 32)
    if fault in ("nan", "left out"):
        source.x[77] = float("nan")
    module = nn.Sequential(nn.Dropout(0.1), dense(32, 128))
    settings = Training(
        steps=steps, batch_rows=32, learning_rate=1e-3, precision="float32", average=0.99, checkpoint_every=EVERY,
        validate_every=25, keep="best", schedule="cosine", warmup=0.1, log_every=1,
        non_finite="skip" if fault == "left out" else "lower",
    )  # fmt: skip

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        if fault == "full disk":  # for a while no file may grow
            small = 25 <= done < 48
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (20_000 if small else resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
        print(int(done), flush=True)

    if fault == "full disk":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    trained = train(
        module, source, class_loss, settings, valid=Numbers(256, 32, seed=1), folder=Path(folder), progress=progress
    )
    bytes_ = b"".join(one.detach().numpy().tobytes() for one in module.state_dict().values())
    steps_done = [[line["step"], line["loss"], line["rate"]] for line in trained.history if line["kind"] == "step"]
    print(json.dumps({
        "weights": hashlib.sha256(bytes_).hexdigest(),
        "history": hashlib.sha256(json.dumps(steps_done).encode()).hexdigest(),
        "stopped": trained.stopped, "finite": all(bool(one.isfinite().all()) for one in module.state_dict().values()),
        "notes": trained.notes[1:],
    }))  # fmt: skip


def started(folder: Path, steps: int, fault: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--training", str(folder), str(steps), fault]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finished(folder: Path, steps: int, fault: str = "") -> Case:
    """What an undisturbed process ended with, its first step, and its seconds from the first step to the end."""
    process = started(folder, steps, fault)
    said, begin = [], 0.0
    assert process.stdout is not None
    for line in process.stdout:
        begin = begin or time.perf_counter()
        said.append(line)
    seconds = time.perf_counter() - begin
    wrong = process.communicate()[1]
    if process.returncode != 0:
        raise RuntimeError((wrong.strip() or "no message").splitlines()[-1])
    return {**json.loads(said[-1]), "first": int(said[0]) if len(said) > 1 else None, "seconds": seconds}


def killed_after(folder: Path, steps: int, seconds: float) -> tuple[list[int], bool]:
    """The steps that a process did until it was killed, so many seconds after its first; whether that hit it."""
    process = started(folder, steps)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    said = [first, *process.communicate()[0].splitlines()]
    return [int(line) for line in said if line.strip().isdigit()], process.returncode == -signal.SIGKILL


class Bench:
    def __init__(self, steps: int, folder: Path) -> None:
        self.steps, self.folder = steps, folder
        self.whole: Case = {}

    def undisturbed(self) -> Case:
        runs = [finished(self.folder / f"whole {number}", self.steps) for number in (1, 2)]
        self.whole = runs[0]
        same = all(runs[0][key] == runs[1][key] for key in ("weights", "history"))
        return {"same": same, "seconds": median([one["seconds"] for one in runs]), "steps": self.steps}

    def killed(self, name: str, shares: list[float]) -> Case:
        """Killed after these shares of the undisturbed duration in turn, then let to its end."""
        run = self.folder / name
        done, hits, lost = 0, 0, []
        for share in shares:
            numbers, hit = killed_after(run, self.steps, share * self.whole["seconds"])
            hits += hit
            if numbers and done:
                lost.append(done - numbers[0] + 1)  # steps done again
            done = max([done, *numbers])
        last = finished(run, self.steps)
        if last["first"] is not None and done:
            lost.append(done - last["first"] + 1)
        return {
            **self.as_whole(last),
            "hits": hits,
            "killed_at": done,
            "again": max(lost, default=0),
            "left_over": len(list(run.rglob("*.aside"))),
        }

    def as_whole(self, last: Case) -> Case:
        return {
            "same_weights": last["weights"] == self.whole["weights"],
            "same_history": last["history"] == self.whole["history"],
            "finite": last["finite"],
            "notes": last["notes"],
        }

    def truncated(self, all_of_them: bool) -> Case:
        run = self.folder / f"truncated {all_of_them}"
        process = started(run, self.steps)
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == str(self.steps // 2):
                break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        there = sorted(path for path in (run / "checkpoints").iterdir() if path.name.isdigit())
        for path in there if all_of_them else there[-1:]:
            shard = next(path.glob("*.safetensors"))
            os.truncate(shard, shard.stat().st_size // 3)
        return self.as_whole(finished(run, self.steps))

    def full_disk(self) -> Case:
        return self.as_whole(finished(self.folder / "full", self.steps, "full disk"))

    def planted(self) -> Case:
        """Rows that are no numbers: `lower` must end as `skip` does, which leaves their steps out."""
        lower, skip = (finished(self.folder / name, self.steps, name) for name in ("nan", "left out"))
        same = {f"same_{key}": lower[key] == skip[key] for key in ("weights", "history")}
        return {**same, "finite": lower["finite"], "notes": lower["notes"]}


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    kills = [one for key, one in cases.items() if key.startswith("kill")]
    first = (
        str(len(kills)), str(sum(one["hits"] for one in kills)), str(sum(one["same_weights"] for one in kills)),
        str(sum(one["same_history"] for one in kills)), str(max((one["again"] for one in kills), default=0)),
        str(sum(one["left_over"] for one in kills)),
    )  # fmt: skip
    headings = ("trainings", "kills that hit them running", "same weights", "same history", "most steps done again",
                "left-over files")  # fmt: skip
    wanted = ("same_weights", "same_history", "finite")
    rows = [
        (key, *("yes" if one[name] else "NO" for name in wanted), "; ".join(one["notes"])[:400])
        for key, one in cases.items()
        if not key.startswith("kill") and key != "undisturbed"
    ]
    whole = cases.get("undisturbed", {})
    note = (
        f"A checkpoint every {EVERY} steps, so that at most {EVERY} steps are done again. Two undisturbed trainings of "
        f"{whole.get('steps')} steps ({number(whole.get('seconds'), 1)} s) are {'' if whole.get('same') else 'NOT '}"
        "alike to the last bit."
    )
    others = ("fault", "same weights", "same history", "weights are numbers", "what was said")
    return [Shown("Killed, then given again", headings, [first], note), Shown("Other faults", others, rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=30, help="trainings that are killed; more can be added later")
    parser.add_argument("--steps", type=int, default=400)


def main() -> None:
    if len(sys.argv) == 5 and sys.argv[1] == "--training":
        training(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.kills, given.steps = 2, 100
    results = Results("engine/killed", "A training killed at any moment", given, {"steps": given.steps})
    if not given.show:
        random = np.random.default_rng(11)
        plans = [list(random.random(1 + number % 3)) for number in range(given.kills)]
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(given.steps, Path(folder))
            results.cases.pop("undisturbed", None)  # what the others are compared with is of this process
            if "failed" not in results.case("undisturbed", bench.undisturbed):
                for count, plan in enumerate(plans):
                    key = f"kill {count:02d}"
                    results.case(key, lambda k=key, p=plan: bench.killed(k, p))
                results.case("newest checkpoint truncated", lambda: bench.truncated(False))
                results.case("all checkpoints truncated", lambda: bench.truncated(True))
                results.case("disk full for a while", bench.full_disk)
                results.case("rows that are no numbers", bench.planted)
    results.show(tables(results))


if __name__ == "__main__":
    main()
