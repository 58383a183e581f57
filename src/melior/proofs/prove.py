"""Runs the experiment of an answer and writes its card.

The seeds of a case are fitted with the change and without it, side by side in two processes of one thread each,
so that what else the machine does weighs on both. Finished sides are kept: an interrupted experiment goes on.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np
from scipy.stats import t as student

from melior.data.table import Floats
from melior.errors import UserError
from melior.metrics import metric as metric_of
from melior.progress import Progress, silent
from melior.proofs import experiments
from melior.proofs._base import Case
from melior.proofs.machine import installed, processor, system
from melior.proofs.one import cases_of, place, proof_of
from melior.proofs.sources import CACHE
from melior.questions.cards import Card, CardCase, Found
from melior.storage import writable_folder, write_atomic
from melior.trials.judge import Scored, compare
from melior.trials.threads import cores

LIBRARIES = ("melior", "numpy", "scikit-learn", "lightgbm", "torch", "transformers")
ROOT = Path(__file__).resolve().parents[1]  # the package
PATIENCE = 600  # seconds of one side of a seed
LOOK = 1.0  # seconds between two looks at how far it is
SIDES = ("plain", "changed")


def names() -> tuple[str, ...]:
    """Every answer that has an experiment."""
    return tuple(sorted(found.name for found in iter_modules(experiments.__path__) if not found.name.startswith("_")))


def digest_of(name: str) -> str:
    """Of the experiment's file."""
    return sha256((Path(experiments.__path__[0]) / f"{name}.py").read_bytes()).hexdigest()[:12]


def prove(name: str, *, out: Path, seeds: int | None = None, progress: Progress = silent) -> Card:
    """Runs an experiment and writes `out/NAME.json`.

    seeds  of each case, where it is to be another number than the experiment says
    """
    if name not in names():
        raise UserError(f"there is no experiment {name!r}; there are {', '.join(names())}.")
    proof = proof_of(name)
    cases = cases_of(proof)
    writable_folder(out)
    total = sum(2 * (seeds or case.seeds) for case, _ in cases)
    done, found = 0, []
    for number, (case, helps) in enumerate(cases):
        count = seeds or case.seeds

        def tell(finished: int, before: int = done, case: Case = case) -> None:
            progress(name, before + finished, total, case.name)

        found.append(judged(case, helps, _both(name, number, case, count, tell)))
        done += 2 * count
    card = Card(
        name,
        proof.question,
        proof.paper,
        digest_of(name),
        time.strftime("%Y-%m-%d"),
        {"processor": processor(), "cores": cores(), "system": system()},
        tuple(found),
        {"python": platform.python_version(), **installed(*LIBRARIES)},
    )
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / f"{name}.json", json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n")
    return card


def _both(name: str, number: int, case: Case, seeds: int, tell: Callable[[int], None]) -> list[list[dict[str, Any]]]:
    """For each seed what comes without the change and with it: side by side where rows are fitted, one after the other
    where a figure is measured, which may need all of the machine."""
    folder = CACHE / "proofs" / f"{name}-{digest_of(name)}-{_code()}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [[place(folder, number, seed, side) for side in SIDES] for seed in range(seeds)]
    turns = [SIDES] if case.figure is None else [(side,) for side in SIDES]
    for turn in turns:
        _run(name, number, turn, folder, seeds, lambda: tell(sum(file.exists() for pair in files for file in pair)))
    return [[dict(np.load(file)) for file in pair] for pair in files]


def _run(name: str, number: int, sides: Sequence[str], folder: Path, seeds: int, tell: Callable[[], None]) -> None:
    # the package that runs here, wherever it lies
    paths = [str(ROOT.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "0"}
    wanted = [str(seed) for seed in range(seeds)]
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", "melior.proofs.one", name, str(number), side, str(folder), *wanted],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=around,
        )
        for side in sides
        if not all(place(folder, number, seed, side).exists() for seed in range(seeds))
    ]  # fmt: skip
    ends = time.monotonic() + PATIENCE * seeds
    try:
        for process in begun:
            said = None
            while said is None:
                tell()
                try:
                    said = process.communicate(timeout=LOOK)[1]
                except subprocess.TimeoutExpired:
                    if time.monotonic() > ends:
                        late = f"not done in {PATIENCE * seeds:,} s; make it smaller"
                        raise UserError(f"{name}, case {number + 1}: {late}.") from None
            if process.returncode:
                last = (said.strip() or "it said nothing").splitlines()[-1]
                raise UserError(f"{name}, case {number + 1}: {last}")
    finally:
        for process in begun:
            with suppress(ProcessLookupError):
                process.kill()
                process.wait()


def judged(case: Case, helps: bool, sides: list[list[dict[str, Any]]]) -> CardCase:
    """What the seeds of a case say. sides: for each seed what came without the change and with it."""
    if case.figure is not None:
        before, after = (np.array([float(pair[side]["value"]) for pair in sides]) for side in (0, 1))
        effect, low, high = of_pairs((before - after) if case.smaller_is_better else (after - before))
        baseline, changed = float(before.mean()), float(after.mean())
    else:
        before, after, baseline, changed, (effect, low, high) = _of_rows(case, sides)
    verdict: Found = "better" if low > 0 else "worse" if high < 0 else "not shown"
    seconds, mib = (
        tuple(float(np.median([float(pair[side][what]) for pair in sides])) for side in (0, 1))
        for what in ("seconds", "mib")
    )
    timed = case.figure is None
    classes = [] if not timed else [str(one) for one in sides[0][0]["classes"]]
    return CardCase(
        name=case.name, helps=helps, model=_said(case.model) if timed else "",
        change=_change(case), measure=case.metric if timed else case.unit,
        smaller_is_better=not metric_of(case.metric, classes).greater_is_better if timed else case.smaller_is_better,
        before=tuple(round(float(one), 6) for one in before), after=tuple(round(float(one), 6) for one in after),
        baseline=round(baseline, 6), changed=round(changed, 6),
        effect=round(effect, 6), low=round(low, 6), high=round(high, 6), found=verdict,
        seconds=(round(seconds[0], 3), round(seconds[1], 3)) if timed else None,
        mib=(round(mib[0], 1), round(mib[1], 1)) if timed else None,
    )  # fmt: skip


def _of_rows(
    case: Case, sides: list[list[dict[str, Any]]]
) -> tuple[Floats, Floats, float, float, tuple[float, float, float]]:
    """Scores of each seed, scores over all rows, and the judge's interval: seeds are its folds, and a row that several
    seeds were scored on is one row."""
    metric = metric_of(case.metric, [str(one) for one in sides[0][0]["classes"]])
    known, which = np.unique(np.concatenate([plain["rows"] for plain, _ in sides]), return_inverse=True)
    labels = np.concatenate([plain["truth"] for plain, _ in sides])
    classes = sides[0][0]["scores"].shape[1]
    truth = np.zeros((len(known), classes))
    truth[which] = np.eye(classes)[labels]
    fold = np.repeat(np.arange(len(sides)), [len(plain["rows"]) for plain, _ in sides])
    scored = [
        Scored(
            which.astype(np.int64),
            np.concatenate([pair[side]["scores"] for pair in sides]),
            np.concatenate([pair[side]["answers"] for pair in sides]).astype(np.int32),
            fold,
        )
        for side in (0, 1)
    ]
    each = np.array(
        [
            [metric.measure(np.eye(classes)[one["truth"]], one["scores"], one["answers"]) for one in pair]
            for pair in sides
        ]
    )
    whole = [metric.measure(truth[which], one.scores, one.answers) for one in scored]
    (found,) = compare(metric, truth, scored[0], [scored[1]])
    return each[:, 0], each[:, 1], float(whole[0]), float(whole[1]), (found.effect, found.low, found.high)


def of_pairs(gains: Floats) -> tuple[float, float, float]:
    """(mean, low, high): a paired t interval of 95 % over the seeds."""
    mean, count = float(gains.mean()), len(gains)
    if count < 2:
        return mean, float("-inf"), float("inf")
    half = float(student.ppf(0.975, count - 1) * gains.std(ddof=1) / np.sqrt(count))
    return mean, mean - half, mean + half


# ---- in words


def _said(choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    ((name, settings),) = choice.items()
    inside = ", ".join(f"{key}={_short(value)}" for key, value in (settings or {}).items())
    return f"{name}({inside})" if inside else str(name)


def _short(value: Any) -> Any:
    """A setting for a card: of a folder its name alone, as it lies elsewhere on every machine."""
    return Path(value).name if isinstance(value, str) and "/" in value else value


def _change(case: Case) -> str:
    made = [_said(one) for one in case.methods]
    if case.baseline_model is not None:
        made.insert(0, f"{_said(case.baseline_model)} → {_said(case.model)}")
    return ", ".join(made)


def _code() -> str:
    """Of the package without experiments and cards: sides of another state of the code are made anew."""
    root = ROOT
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        if "experiments" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]
