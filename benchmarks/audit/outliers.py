"""Outliers: how many rows of clean data are named, and how well planted ones are ranked, against scikit-learn.

    python benchmarks/audit/outliers.py
    python benchmarks/audit/outliers.py --quick

Clean rows are drawn in 2, 16 and 64 dimensions; wanted is that at most 1 % of them are named. Planted are 2 % of rows:
`global` far out in a random direction, `shuffled` with values that each occur and together do not, in columns that go
together, `dense` near the middle between groups. Ranked are all rows, by Melior's `unusual` (which its check tests
beside the distances themselves, see `Outliers.far_rows`), and by IsolationForest, the distance to the
tenth neighbour, and the local outlier factor of scikit-learn, on the same embedding. `named` counts the rows of the
findings.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import Results, Shown, mean, number, options

ROWS = 1000
PART = 0.02
DIMENSIONS = (2, 16, 64)
Points = NDArray[np.float64]


def clean(kind: str, dimensions: int, random: np.random.Generator) -> Points:
    """(rows, dimensions): independent columns, or four Gaussian groups, or (`together`) columns that follow a few."""
    shape = (ROWS, dimensions)
    if kind == "gaussian":
        return random.normal(size=shape)
    if kind == "lognormal":
        return np.exp(random.normal(size=shape))
    if kind == "uniform":
        return random.uniform(size=shape)
    if kind == "mixture":
        return 6 * random.normal(size=(4, dimensions))[random.integers(0, 4, ROWS)] + random.normal(size=shape)
    hidden = random.normal(size=(ROWS, max(1, dimensions // 4)))
    return hidden @ random.normal(size=(hidden.shape[1], dimensions)) + 0.2 * random.normal(size=shape)


CLEAN = ("gaussian", "lognormal", "uniform", "mixture", "together")
FAULTS = {"global": "gaussian", "shuffled": "together", "dense": "mixture"}


def planted(fault: str, dimensions: int, random: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
    """(rows with the fault, which they are)."""
    points = clean(FAULTS[fault], dimensions, random)
    which = np.zeros(ROWS, dtype=bool)
    which[random.choice(ROWS, round(PART * ROWS), replace=False)] = True
    many = int(which.sum())
    if fault == "global":
        away = random.normal(size=(many, dimensions))
        radius = np.sqrt(dimensions) + 3
        points[which] = away / np.linalg.norm(away, axis=1, keepdims=True) * radius * random.uniform(1, 1.6, (many, 1))
    elif fault == "shuffled":
        points[which] = np.column_stack([random.permutation(points[:, j])[:many] for j in range(dimensions)])
    else:
        points[which] = points.mean(axis=0) + 1.5 * random.normal(size=(many, dimensions))
    return points, which


def context_of(points: Points, seed: int) -> Any:
    from melior.data.schema import Schema
    from melior.data.table import Table
    from melior.recipe import Recipe
    from melior.trials.context import TableContext

    names = [f"x{number}" for number in range(points.shape[1])]
    table = Table.make(pl.DataFrame(points, schema=names), Schema(dict.fromkeys(names, "number")))
    return TableContext(table, Recipe(seed=seed))


def named(context: Any) -> NDArray[np.int64]:
    from melior.checks.outliers import Outliers

    found = [finding.rows for finding in Outliers().measure(context)]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


def ours(context: Any) -> Points:
    from melior.checks._unusual import NEIGHBOURS, unusual

    return np.asarray(unusual(context.embedding(), *context.neighbours(NEIGHBOURS)))


def peers(points: Points, seed: int) -> dict[str, Points]:
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

    return {
        "forest": -IsolationForest(random_state=seed, n_jobs=1).fit(points).score_samples(points),
        "distance": NearestNeighbors(n_neighbors=10).fit(points).kneighbors()[0][:, -1],
        "factor": -LocalOutlierFactor(n_neighbors=20).fit(points).negative_outlier_factor_,
    }


def clean_case(kind: str, dimensions: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng([seed, dimensions, CLEAN.index(kind), 701])
    return {"named": len(named(context_of(clean(kind, dimensions, random), seed))) / ROWS}


def planted_case(fault: str, dimensions: int, seed: int) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng([seed, dimensions, list(FAULTS).index(fault), 702])
    points, which = planted(fault, dimensions, random)
    context = context_of(points, seed)
    hit = which[named(context)]
    found = {name: float(roc_auc_score(which, score)) for name, score in peers(context.embedding(), seed).items()}
    return {
        "ours": float(roc_auc_score(which, ours(context))),
        **found,
        "named": len(hit),
        "right": int(hit.sum()),
        "planted": int(which.sum()),
    }


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    keys = list(dict.fromkeys(key.rsplit(" | ", 1)[0] for key in cases))
    quiet, ranked = [], []
    for key in keys:
        own = [one for name, one in cases.items() if name.rsplit(" | ", 1)[0] == key]
        if key.startswith("clean"):
            shares = [one["named"] for one in own]
            quiet.append((key, str(len(own)), f"{np.mean(shares):.2%}", f"{max(shares):.2%}"))
            continue
        areas = [number(mean([one[who] for one in own])) for who in ("ours", "forest", "distance", "factor")]
        hits, many = sum(one["right"] for one in own), sum(one["named"] for one in own)
        right = f"{hits} of {many}"
        ranked.append((key, str(len(own)), *areas, right, str(sum(one["planted"] for one in own))))
    shown = []
    if quiet:
        title = "Clean rows named (wanted: at most 1 %)"
        shown.append(Shown(title, ("case", "runs", "mean", "most in a run"), quiet))
    if ranked:
        headings = ("case", "runs", "AUC ours", "forest", "distance", "factor", "right of named", "planted")
        shown.append(Shown("Planted outliers", headings, ranked))
    return shown


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=5)


def main() -> None:
    given = options("Outliers, against scikit-learn", add)
    seeds = 1 if given.quick else given.seeds
    results = Results("audit/outliers", "Outliers, against scikit-learn", given, {"rows": ROWS, "planted": PART})
    if not given.show:
        for seed in range(seeds):
            for d in DIMENSIONS:
                for kind in CLEAN:
                    results.case(f"clean {kind} | {d} | seed {seed}", lambda k=kind, d=d, s=seed: clean_case(k, d, s))
                for fault in FAULTS:
                    results.case(f"{fault} | {d} | seed {seed}", lambda f=fault, d=d, s=seed: planted_case(f, d, s))
    results.show(tables(results))


if __name__ == "__main__":
    main()
