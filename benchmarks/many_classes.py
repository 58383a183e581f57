"""Trees of dozens of classes, beside LightGBM with no bound on what a leaf says.

    python benchmarks/many_classes.py
    python benchmarks/many_classes.py --quick

Places on a map whose squares are the classes, some of them large and some of them rare, among five numbers that say
nothing; and clouds of rows in ten dimensions, one a class. Both learn the same rows with the same settings, the usual
ones and those that are fitted quickly, and are scored on as many others: macro F1, means over the seeds, and the mean
difference with its standard error.
"""

import argparse
from typing import Any

import numpy as np
from common import Results, Shown, number, options

CLASSES = (10, 20, 60, 120)
ROWS_OF_EACH = 30  # in the mean


def places(classes: int, random: np.random.Generator) -> tuple[Any, Any]:
    side = int(np.ceil(np.sqrt(classes)))
    labels = np.repeat(np.arange(classes), random.integers(2, 4 * ROWS_OF_EACH, classes))  # half of them are new rows
    where = np.column_stack([labels % side, labels // side]) + random.uniform(size=(len(labels), 2))
    return np.column_stack([where, random.normal(size=(len(labels), 5))]), labels


def clouds(classes: int, random: np.random.Generator) -> tuple[Any, Any]:
    labels = np.repeat(np.arange(classes), 2 * ROWS_OF_EACH)
    middles = 2 * random.normal(size=(classes, 10))
    return middles[labels] + random.normal(size=(len(labels), 10)), labels


ROWS = {"places": places, "clouds": clouds}


def case(kind: str, classes: int, settings: dict[str, Any], seeds: int) -> dict[str, Any]:
    import lightgbm
    from sklearn.metrics import f1_score

    from melior.features._base import Matrix
    from melior.models.trees import Trees

    family = Trees(**settings)
    found = []
    for seed in range(seeds):
        random = np.random.default_rng([classes, seed, 47])
        values, labels = ROWS[kind](classes, random)
        order = random.permutation(len(labels))
        learned, new = np.array_split(order, 2)
        present, codes = np.unique(labels[learned], return_inverse=True)
        names = [f"x{at}" for at in range(values.shape[1])]
        own = family.fit(
            Matrix(values[learned], names, names), labels[learned].astype(np.int32), None, classes, seed=seed
        )
        answers = [own.scores(Matrix(values[new], names, names)).argmax(axis=1)]
        how = {
            "objective": "multiclass", "num_class": len(present), "num_leaves": family.leaves, "num_threads": 1,
            "learning_rate": family.learning_rate, "seed": seed, "deterministic": True, "force_col_wise": True,
            "min_data_in_leaf": int(np.clip(len(learned) // 50, 2, 20)), "verbosity": -1,
        }  # fmt: skip
        booster = lightgbm.train(how, lightgbm.Dataset(values[learned], codes, params={"verbosity": -1}), family.rounds)
        answers.append(present[np.asarray(booster.predict(values[new])).argmax(axis=1)])
        found.append([float(f1_score(labels[new], each, average="macro")) for each in answers])
    apart = np.subtract(*np.transpose(found))
    own_mean, their_mean = np.mean(found, axis=0)
    return {
        "own": float(own_mean),
        "theirs": float(their_mean),
        "apart": float(apart.mean()),
        "error": float(apart.std(ddof=1) / np.sqrt(seeds)),
    }


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=5)


def main() -> None:
    from melior.models.trees import BRIEF

    given = options(__doc__ or "", more)
    seeds = 2 if given.quick else given.seeds
    results = Results("many_classes", "Trees of dozens of classes", given, {"seeds": seeds})
    for classes in () if given.show else CLASSES[:2] if given.quick else CLASSES:
        for kind in ROWS:
            for said, settings in (("fitted quickly", BRIEF), ("usual", {})):
                name = f"{kind}, {classes} classes, {said}"
                results.case(name, lambda k=kind, c=classes, s=settings: case(k, c, s, seeds))
    shown = [
        (name, number(one["own"]), number(one["theirs"]), f"{one['apart']:+.3f} ± {one['error']:.3f}")
        for name, one in results.finished().items()
    ]
    headings = ("rows, classes, settings", "macro F1", "LightGBM", "difference")
    results.show([Shown("Trees beside LightGBM without a bound", headings, shown)])


if __name__ == "__main__":
    main()
