"""What a full improve costs, in cross-validations of its own baseline. Wanted: at most 5; at most 3 of 500,000 rows.

    python benchmarks/cost.py
    python benchmarks/cost.py --only mixed --rows 500000 --repeats 1
    python benchmarks/cost.py --quick

Both run in fresh processes, in turn, three times each; medians. improve reads the file, looks for what is wrong, tries
a dozen candidates, and gives a predictor; then the same with a dozen methods, most of which are several candidates,
one for each of their settings. The baseline is measured apart: the recipe that improve started from, on the same
development rows, in the same five folds with the same workers, nothing else.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from common import Results, Shown, fresh, median, number, options, part_asked, peak_mib

from melior.proofs.tables import TARGET, Rows, all_reviews, mixed

WANTED = {20_000: 5.0, 500_000: 3.0}  # rows: the highest ratio that is wanted
DOZEN = 12
DOZENS = ("candidates", "methods")


def rows_of(name: str, rows: int) -> Rows:
    import numpy as np

    if name.startswith("reviews"):
        found = all_reviews()
        chosen = np.sort(np.random.default_rng(0).permutation(len(found.labels))[:rows])
        return found.take(chosen)
    return mixed(rows, 2, 0, name)


def dozen(path: str, of: str) -> tuple[list[str], list[str]]:
    """(methods to try, methods to leave out): twelve that suit the rows, those tried on every table first; or as many
    as have twelve candidates."""
    from melior.data.splits import seal
    from melior.improvement.plan import candidates
    from melior.methods._base import methods
    from melior.trials.family import choose_family
    from melior.verbs.prepare import prepare

    ready = prepare(path, target=TARGET)
    development = ready.table.take(seal(ready.table, ready.recipe.split, ready.recipe.seed)[0])
    recipe = choose_family(ready.recipe, development).recipe
    planned, _ = candidates(recipe, (), development, attempt=list(methods()))
    settings = Counter(one.method.name for one in planned)
    ordered = sorted(settings, key=lambda name: not methods()[name].always)
    counts = [1 if of == "methods" else settings[name] for name in ordered]
    taken = next((place + 1 for place, so_far in enumerate(accumulate(counts)) if so_far >= DOZEN), len(ordered))
    return ordered[:taken], ordered[taken:]


def improve(path: str, of: str, budget: float, workers: int) -> dict[str, Any]:
    """A full improve, timed from the call to its answer. Which dozen is found out before the clock starts."""
    from melior.verbs.improve import improve as verb

    attempt, never = dozen(path, of)
    started = time.perf_counter()
    found = verb(path, target=TARGET, attempt=attempt, never=never, budget=budget, workers=workers)
    return {
        "seconds": time.perf_counter() - started,
        "family": found.recipe.model.name,
        "methods": len({one.methods for one in found.evidence if one.stage != "combine"}),
        "candidates": sum(one.stage != "combine" for one in found.evidence),
        "accepted": list(found.accepted),
        "own_baseline_seconds": found.baseline_seconds,
        "notes": list(found.notes),
        "peak_mib": peak_mib(),
    }


def baseline(path: str, family: str, workers: int) -> dict[str, Any]:
    """The cross-validation of the plain recipe, timed from the folds to the last score."""
    from melior.data.splits import folds, seal
    from melior.trials.run import Trials
    from melior.verbs.prepare import prepare

    ready = prepare(path, target=TARGET, model=family)
    recipe = ready.recipe
    development = ready.table.take(seal(ready.table, recipe.split, recipe.seed)[0])
    started = time.perf_counter()
    trials = Trials(development, folds(development, recipe.split, recipe.seed), workers=workers)
    done = trials.many([(recipe, number) for number in range(len(trials.folds))])
    return {"seconds": time.perf_counter() - started, "folds": len(done), "peak_mib": peak_mib()}


PARTS = {"improve": improve, "baseline": baseline}


def case(name: str, of: str, rows: int, budget: float, repeats: int, workers: int) -> dict[str, Any]:
    whole, plain = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        data = rows_of(name, rows)
        data.whole().write_parquet(path)
        for _ in range(repeats):
            whole.append(fresh("cost", "improve", path=path, of=of, budget=budget, workers=workers))
            plain.append(fresh("cost", "baseline", path=path, family=whole[-1]["family"], workers=workers))
    seconds = [one["seconds"] for one in whole], [one["seconds"] for one in plain]
    return {
        "rows": len(data.labels),
        "improve_seconds": seconds[0],
        "baseline_seconds": seconds[1],
        "ratio": median(seconds[0]) / median(seconds[1]),
        "improve_peak_mib": max(one["peak_mib"] for one in whole),
        "baseline_peak_mib": max(one["peak_mib"] for one in plain),
        **{
            key: whole[-1][key]
            for key in ("family", "methods", "candidates", "accepted", "own_baseline_seconds", "notes")
        },
    }


def wanted(rows: int) -> float:
    return WANTED[min(WANTED, key=lambda size: abs(size - rows))]


def tables(results: Results) -> list[Shown]:
    rows = [
        (
            name.split(" · ")[0],
            f"{one['rows']:,}",
            one["family"],
            str(one["methods"]),
            str(one["candidates"]),
            number(median(one["improve_seconds"]), 1),
            number(median(one["baseline_seconds"]), 2),
            number(one["ratio"], 1),
            number(wanted(one["rows"]), 0),
            ", ".join(one["accepted"]) or "nothing",
            number(one["improve_peak_mib"], 0),
        )
        for name, one in results.finished().items()
    ]
    headings = ("rows from", "rows", "family", "methods", "candidates", "improve, s", "baseline, s", "ratio",
                "wanted", "accepted", "peak, MiB")  # fmt: skip
    note = (
        "Medians; a method may have several candidates (settings). Wanted: the highest ratio, for a dozen candidates."
    )
    return [Shown("improve over one cross-validation of its baseline", headings, rows, note)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--budget", type=float, default=1800, help="seconds; generous, so that it is not what binds")
    parser.add_argument("--workers", type=int, default=0, help="trials side by side; 0 for one a core")
    parser.add_argument("--only", default="", help="mixed or reviews")


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.rows, given.repeats, given.budget, given.only = 800, 1, 60, given.only or "mixed"
    workers = given.workers or len(os.sched_getaffinity(0))
    settings = {"seed": 0, "budget": given.budget, "workers": workers}
    results = Results("cost", "What improve costs", given, settings)
    if not given.show:
        for name in given.only.split(",") if given.only else ("mixed", "reviews"):
            for of in DOZENS:
                key = f"{name} · {given.rows} rows · a dozen {of}"
                results.case(key, lambda n=name, o=of: case(n, o, given.rows, given.budget, given.repeats, workers))
    results.show(tables(results))


if __name__ == "__main__":
    main()
