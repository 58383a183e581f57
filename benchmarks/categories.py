"""Trees on few rows whose answer hangs on categories, beside LightGBM with its own bounds for them.

    python benchmarks/categories.py
    python benchmarks/categories.py --quick

Six numbers and two columns of as many values as named; the answer follows a sum of two numbers, a product, and effects
of the values, which are drawn anew for each seed. Both learn the same rows with the same settings but for the bounds,
and are scored on 4,000 others: means over the seeds, and the mean difference with its standard error. Where categories
tell nothing (strength 0) nothing should be lost.
"""

import argparse
from typing import Any

import numpy as np
from common import Results, Shown, number, options

NAMES = [f"x{number}" for number in range(8)]
ROWS, LEVELS, STRENGTHS, NEW = (150, 400, 700, 1500), (5, 8, 30), (0.0, 1.0), 4000


def drawn(rows: int, levels: int, strength: float, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng([rows, levels, seed, 31])
    values = random.normal(size=(rows + NEW, 6))
    codes = random.integers(0, levels, (rows + NEW, 2))
    effects = strength * random.normal(size=(2, levels))
    logit = values[:, 0] + 0.5 * values[:, 1] * values[:, 2] + effects[0][codes[:, 0]]
    logit += 0.6 * effects[1][codes[:, 1]] * (values[:, 3] > 0) + random.logistic(size=rows + NEW)
    return np.column_stack([values, codes]), (logit > 0).astype(np.int32)


def case(rows: int, levels: int, strength: float, seeds: int) -> dict[str, Any]:
    import lightgbm
    from sklearn.metrics import roc_auc_score

    from melior.features._base import Matrix
    from melior.models.trees import Trees

    found = []
    for seed in range(seeds):
        values, labels = drawn(rows, levels, strength, seed)
        learned, new = (Matrix(part, NAMES, NAMES, (6, 7)) for part in (values[:rows], values[rows:]))
        own = Trees().fit(learned, labels[:rows], None, 2, seed=seed).scores(new)[:, 1]
        data = lightgbm.Dataset(values[:rows], labels[:rows], categorical_feature=[6, 7], params={"verbosity": -1})
        settings = {
            "objective": "binary", "min_data_in_leaf": int(np.clip(rows // 50, 2, 20)), "seed": seed, "num_threads": 1,
            "deterministic": True, "force_col_wise": True, "verbosity": -1,
        }  # fmt: skip
        theirs = lightgbm.train(settings, data, 100).predict(values[rows:])
        found.append([float(roc_auc_score(labels[rows:], scores)) for scores in (own, theirs)])
    apart = np.subtract(*np.transpose(found))
    return {
        "own": float(np.mean(found, axis=0)[0]),
        "theirs": float(np.mean(found, axis=0)[1]),
        "apart": float(apart.mean()),
        "error": float(apart.std(ddof=1) / np.sqrt(seeds)),
    }


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=30)


def main() -> None:
    given = options(__doc__ or "", more)
    seeds = 3 if given.quick else given.seeds
    results = Results("categories", "Trees on few rows with categories", given, {"seeds": seeds})
    for rows in () if given.show else ROWS[:1] if given.quick else ROWS:
        for levels in LEVELS:
            for strength in STRENGTHS:
                name = f"{rows:,} rows, {levels} values, strength {strength:g}"
                results.case(name, lambda r=rows, v=levels, s=strength: case(r, v, s, seeds))
    shown = [
        (name, number(one["own"]), number(one["theirs"]), f"{one['apart']:+.4f} ± {one['error']:.4f}")
        for name, one in results.finished().items()
    ]
    headings = ("rows, values of a category, what they tell", "ROC-AUC", "with LightGBM's own bounds", "difference")
    results.show([Shown("Trees beside LightGBM's own bounds for categories", headings, shown)])


if __name__ == "__main__":
    main()
