"""The level of the judge: how often it calls one of two candidates better that are exactly as good.

The same procedure with other random choices: a tree of depth 5 that sees half of the features at each split, and
logistic regression on a draw of 70 % of the rows; neither is better. Other procedures that are as good on average: each
sees one half of the columns, or all but one of two, and the columns tell as much on either side; on given training rows
one of them may be better all the same, so "accepted though worse" counts the runs in which the candidate, fitted on all
rows, is no better on 20,000 new ones. 400 rows, five folds, accuracy, once and with four repeats of the folds.

z is the difference over its standard error from rows, widened by folds as the judge does; "always widened" divides it
by sqrt(1 + k n2 / n1) = 1.5 as Nadeau and Bengio do. `shorter` is the mean error with repeats over that without.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from common import Results, Shown, number, options
from scipy.special import chdtri

ROWS, FOLDS, REPEATS, NEW, ONE_SIDED = 400, 5, 4, 20_000, 1.96  # an accepted candidate's 95 % interval lies above zero
WIDER = np.sqrt(1 + FOLDS / (FOLDS - 1))
HALVES = (slice(0, 5), slice(5, 10))
ALL_BUT_ONE = ([0, 1, 2, 3, 5, 6, 7, 8, 4], [0, 1, 2, 3, 5, 6, 7, 8, 9])  # 4 and 9 tell as much, and the least
EVERY = (slice(None), slice(None))
PROCEDURES = {
    "tree": EVERY,
    "logistic": EVERY,
    "tree, other half": HALVES,
    "logistic, other half": HALVES,
    "tree, one other column": ALL_BUT_ONE,
    "logistic, one other column": ALL_BUT_ONE,
}


def generated(random: np.random.Generator, rows: int = ROWS) -> tuple[Any, Any]:
    columns = random.normal(size=(rows, 10))
    labels = random.random(rows) < 1 / (1 + np.exp(-(columns @ np.tile(np.linspace(1, 0.2, 5), 2))))
    return columns, labels.astype(int)


def answers(procedure: str, entry: int, columns: Any, labels: Any, new: Any, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    own = PROCEDURES[procedure][entry]
    same = PROCEDURES[procedure] is EVERY
    if procedure.startswith("tree"):
        tree = DecisionTreeClassifier(max_depth=5, max_features=0.5 if same else None, random_state=seed)
        return tree.fit(columns[:, own], labels).predict(new[:, own])
    drawn = np.arange(len(labels))
    if same:
        drawn = np.random.default_rng(seed).choice(len(labels), int(0.7 * len(labels)), replace=False)
    return LogisticRegression().fit(columns[drawn][:, own], labels[drawn]).predict(new[:, own])


def gain(procedure: str, columns: Any, labels: Any, new: Any, truth: Any, seed: int) -> Any:
    """(new rows,) 1 where the candidate alone is right, -1 where the baseline alone is."""
    right = [answers(procedure, entry, columns, labels, new, 2 * seed + entry) == truth for entry in (0, 1)]
    return right[1].astype(float) - right[0]


def judged(procedure: str, seed: int) -> tuple[list[tuple[float, float]], float]:
    """(difference, error) with one and with all repeats, and the true gain of a fit on all rows."""
    random = np.random.default_rng([seed, 1])
    columns, labels = generated(random)
    gains, of_folds = np.zeros((REPEATS, ROWS)), np.zeros((REPEATS, FOLDS))
    for repeat in range(REPEATS):
        fold = random.permutation(ROWS) % FOLDS
        for part in range(FOLDS):
            inside, outside = fold != part, fold == part
            draw = (seed * REPEATS + repeat) * FOLDS + part
            own = gain(procedure, columns[inside], labels[inside], columns[outside], labels[outside], draw)
            gains[repeat, outside], of_folds[repeat, part] = own, own.mean()
    said = [difference_and_error(gains[:times], of_folds[:times]) for times in (1, REPEATS)]
    new, truth = generated(np.random.default_rng([seed, 2]), NEW)
    return said, float(gain(procedure, columns, labels, new, truth, 10**6 + seed).mean())


def difference_and_error(gains: Any, of_folds: Any) -> tuple[float, float]:
    mean = gains.mean(axis=0)
    error = mean.std(ddof=1) / np.sqrt(ROWS)
    usual = chdtri(of_folds.size - 1, 0.05) / (of_folds.size - 1)
    excess = of_folds.var(ddof=1) / of_folds.size / max(error, 1e-12) ** 2 / usual
    return float(mean.mean()), float(error * np.sqrt(max(1.0, excess)))


def case(procedure: str, runs: int) -> dict[str, float]:
    warnings.simplefilter("ignore")
    both = [judged(procedure, seed) for seed in range(runs)]
    truth = np.array([true for _, true in both])
    found: dict[str, float] = {"runs": runs}
    for column, times in enumerate((1, REPEATS)):
        difference, error = np.array([said[column] for said, _ in both]).T
        z = difference / np.maximum(error, 1e-12)
        accepted = z > ONE_SIDED
        found |= {
            f"spread_{times}": float(z.std(ddof=1)),
            f"accepted_{times}": float(accepted.mean()),
            f"wrongly_{times}": float((accepted & (truth <= 0)).mean()),
            f"widened_{times}": float((z / WIDER > ONE_SIDED).mean()),
            f"error_{times}": float(error.mean()),
        }
    return found


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=400)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.runs = 20
    results = Results("level", "The level of the judge", given, {"runs": given.runs, "rows": ROWS, "folds": FOLDS})
    if not given.show:
        for procedure in PROCEDURES:
            results.case(procedure, lambda p=procedure: case(p, given.runs))
    rows = [
        (
            f"{key}, {'once' if times == 1 else f'{times} repeats'}",
            number(one[f"spread_{times}"], 2),
            number(one[f"accepted_{times}"]),
            number(one[f"wrongly_{times}"]),
            number(one[f"widened_{times}"]),
            number(one[f"error_{times}"] / one["error_1"], 2),
        )
        for key, one in results.finished().items()
        for times in (1, REPEATS)
    ]
    headings = (
        "procedure", "spread of z (1 is right)", "accepted (0.025 is right)", "accepted though worse",
        "accepted, always widened", "shorter",
    )  # fmt: skip
    results.show([Shown("Two candidates that are as good", headings, rows)], [])


if __name__ == "__main__":
    main()
