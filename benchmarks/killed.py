"""Killed at any moment, a run goes on where it stopped and ends the same.

    python benchmarks/killed.py                     50 kills of improve and 50 of train
    python benchmarks/killed.py --quick

A small generated table. `melior improve` and `melior train` are first run undisturbed, twice: how long they take, what
they leave, and whether two undisturbed runs agree at all. Then, again and again, the command is started, killed
(SIGKILL, its children too) at a moment drawn uniformly over the undisturbed duration, and given once more. It must end
with code 0, with the same bytes of the predictor and the same evidence (seconds set aside) as undisturbed; every trial
that was finished at the kill must still be there, untouched: none lost, none run again. The budget is generous, so that
no decision should depend on the clock.
"""

import argparse
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
from common import Results, Shown, median, number, options

from melior.proofs.tables import TARGET, mixed

CLOCK = {"seconds", "baseline_seconds", "run", "started", "case_seconds"}
MELIOR = str(Path(sys.executable).parent / "melior")
Case = dict[str, Any]


def command(verb: str, data: Path, run: Path, budget: str) -> list[str]:
    more = ["--budget", budget] if verb == "improve" else []
    return [MELIOR, verb, str(data), "--target", TARGET, "--run", str(run), *more]


def started(verb: str, data: Path, run: Path, budget: str) -> "subprocess.Popen[bytes]":
    """In a session of its own, so that it can be killed with its children."""
    asked = command(verb, data, run, budget)
    return subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finished(verb: str, data: Path, run: Path, budget: str) -> tuple[int, str, float]:
    """(exit code, last line of its messages, seconds) of an undisturbed command."""
    begin = time.perf_counter()
    process = started(verb, data, run, budget)
    said = process.communicate()[1].decode(errors="replace").strip()
    return process.returncode, said.splitlines()[-1] if said else "", time.perf_counter() - begin


def left(run: Path) -> Case:
    """What a run left that must not depend on its fate: bytes of the predictor, evidence, scores and recipe."""
    found: Case = {}
    for path in sorted((run / "predictor").glob("*")):
        found[f"predictor/{path.name}"] = path.read_bytes()
    for name in ("evidence.json", "findings.json", "scores.json", "examples.json"):
        if (run / name).exists():
            found[name] = timeless(json.loads((run / name).read_bytes()))
    found["recipe.yaml"] = (run / "recipe.yaml").read_bytes()
    return found


def timeless(value: Any) -> Any:
    """The value without anything that is a duration or a path."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in CLOCK}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return value


def differing(one: Any, other: Any, where: str = "") -> list[str]:
    """The places, as paths of keys, in which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        places = []
        for key in sorted({*one, *other}):
            inside = f"{where}:{key}" if where else key
            places += [inside] if key not in one or key not in other else differing(one[key], other[key], inside)
        return places
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            place for n, (a, b) in enumerate(zip(one, other, strict=True)) for place in differing(a, b, f"{where}:{n}")
        ]
    return [] if one == other else [where]


def trials(run: Path) -> dict[str, int]:
    """Finished trials and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (run / "trials").glob("*.safetensors")}


class Bench:
    """One verb on one table: what it does undisturbed, and what it does after a kill."""

    def __init__(self, verb: str, rows: int, budget: str, folder: Path) -> None:
        self.verb, self.budget, self.folder = verb, budget, folder
        self.data = folder / "rows.csv"
        mixed(rows, 2, 0, "small").whole().write_csv(self.data)
        self.whole: Case | None = None
        self.duration = 0.0
        self.names: set[str] = set()

    def undisturbed(self) -> Case:
        runs = [self.folder / f"{self.verb} whole {number}" for number in (1, 2)]
        seconds = []
        for run in runs:
            code, said, took = finished(self.verb, self.data, run, self.budget)
            if code != 0:
                raise RuntimeError(f"undisturbed, {self.verb} ended with code {code}: {said}")
            seconds.append(took)
        self.whole, self.duration, self.names = left(runs[0]), median(seconds), set(trials(runs[0]))
        return {
            "seconds": seconds,
            "trials": len(self.names),
            "differs": differing(self.whole, left(runs[1]))[:20],
            "same_trials": self.names == set(trials(runs[1])),
        }

    def killed(self, share: float, name: str) -> Case:
        """Killed after this share of the undisturbed duration, then given again."""
        assert self.whole is not None
        run = self.folder / f"{self.verb} {name}"
        process = started(self.verb, self.data, run, self.budget)
        try:
            process.communicate(timeout=max(share * self.duration, 0.001))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        alive = process.returncode == -signal.SIGKILL
        before = trials(run)
        aside = len(list(run.rglob("*.aside"))) if run.exists() else 0
        code, said, took = finished(self.verb, self.data, run, self.budget)
        made: Case = {"share": share, "hit": alive, "exit": code, "trials_before": len(before), "seconds": took}
        made["aside_before"] = aside
        if code != 0:
            return {**made, "said": said, "same": False, "lost": 0, "again": 0, "differs": []}
        after = trials(run)
        places = differing(self.whole, left(run))
        made["lost"] = sum(name not in after for name in before)
        made["again"] = sum(name in after and after[name] != written for name, written in before.items())
        made["same"] = not places
        made["differs"] = places[:20]
        made["same_trials"] = set(after) == self.names
        made["aside_after"] = len(list(run.rglob("*.aside")))
        made["opens"] = opens(run)
        return made


def opens(run: Path) -> bool:
    """Whether the run says that it is finished and every file has the hash that its manifest names."""
    from melior.runs.store import Run

    Run.open(run)
    return True


def tables(results: Results) -> list[Shown]:
    verbs = list(dict.fromkeys(key.split(" | ")[0] for key in results.cases))
    rows, whole = [], []
    for verb in verbs:
        own = {key: one for key, one in results.finished().items() if key.startswith(f"{verb} | ")}
        kills = [one for key, one in own.items() if "kill" in key]
        base = own.get(f"{verb} | undisturbed")
        if base is not None:
            said = ", ".join(base["differs"]) or "nothing"
            whole.append((verb, number(median(base["seconds"]), 1), str(base["trials"]), said))
        rows.append(
            (
                verb, str(len(kills)), str(sum(one["hit"] for one in kills)),
                str(sum(one["exit"] == 0 for one in kills)),
                str(sum(one["same"] for one in kills)),
                str(sum(one["trials_before"] for one in kills)),
                str(sum(one["lost"] for one in kills)), str(sum(one["again"] for one in kills)),
                str(sum(one.get("same_trials", False) for one in kills)),
                str(sum(one.get("aside_after", 0) for one in kills)),
            )
        )  # fmt: skip
    headings = ("verb", "kills", "hit it running", "ended with 0", "ended the same", "trials finished before", "lost",
                "run again", "same trials in the end", "left-over files")  # fmt: skip
    wrong = [
        (key, f"{one['share']:.3f}", str(one["exit"]), one.get("said", "")[:120] or ", ".join(one["differs"][:4]))
        for key, one in results.finished().items()
        if "kill" in key and (one["exit"] != 0 or not one["same"] or one["lost"] or one["again"])
    ]
    return [
        Shown("Undisturbed", ("verb", "seconds", "trials", "two runs differ in"), whole),
        Shown("Killed, then given again", headings, rows, "A kill after the end hits nothing; that is counted apart."),
        Shown("Kills that were not survived as they should", ("case", "at share", "code", "what"), wrong),
    ]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=50, help="kills of each verb; more can be added later")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--budget", default="30m", help="generous, so that it is not what binds")
    parser.add_argument("--only", default="", help="improve or train")


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.kills, given.rows = min(given.kills, 3), 200
    settings = {"seed": 0, "rows": given.rows, "budget": given.budget}
    results = Results("killed", "Killed at any moment", given, settings)
    if not given.show:
        for verb in given.only.split(",") if given.only else ("improve", "train"):
            shares = np.random.default_rng([7, len(verb)]).random(given.kills)
            keys = [f"{verb} | kill {number:02d}" for number in range(given.kills)]
            if all(key in results.cases and "failed" not in results.cases[key] for key in keys):
                continue
            with tempfile.TemporaryDirectory() as folder:
                bench = Bench(verb, given.rows, given.budget, Path(folder))
                results.cases.pop(
                    f"{verb} | undisturbed", None
                )  # what later kills are compared with is of this process
                if "failed" in results.case(f"{verb} | undisturbed", bench.undisturbed):
                    continue
                for key, share in zip(keys, shares, strict=True):
                    results.case(key, lambda b=bench, s=float(share), k=key: b.killed(s, k.split(" | ")[1]))
    results.show(tables(results))


if __name__ == "__main__":
    main()
