"""The level of the judge: how often it calls one of two candidates better that are exactly as good.

Candidate and baseline are the same procedure with other random choices, so that neither is better. Two procedures that
depend on their training rows as much as procedures do: a tree of depth 5 that sees half of the features at each split,
and logistic regression on a draw of 70 % of the rows. 400 rows, five folds, accuracy. z is the difference over its
standard error from rows alone; "always widened" divides it by sqrt(1 + k n2 / n1) = 1.5 as Nadeau and Bengio do.
The power is that of seeing a true gain of three standard errors.
"""

import argparse
import warnings
from typing import Any

import numpy as np
from common import Results, Shown, number, options
from scipy.special import ndtr

ROWS, FOLDS, ONE_SIDED = 400, 5, 1.96  # an accepted candidate's 95 % interval lies above zero
WIDER = np.sqrt(1 + FOLDS / (FOLDS - 1))
PROCEDURES = ("tree", "logistic")


def generated(random: np.random.Generator) -> tuple[Any, Any]:
    columns = random.normal(size=(ROWS, 10))
    labels = random.random(ROWS) < 1 / (1 + np.exp(-(columns @ np.linspace(1, 0, 10))))
    return columns, labels.astype(int)


def answers(procedure: str, columns: Any, labels: Any, new: Any, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    if procedure == "tree":
        tree = DecisionTreeClassifier(max_depth=5, max_features=0.5, random_state=seed)
        return tree.fit(columns, labels).predict(new)
    drawn = np.random.default_rng(seed).choice(len(labels), int(0.7 * len(labels)), replace=False)
    return LogisticRegression().fit(columns[drawn], labels[drawn]).predict(new)


def scored(procedure: str, random: np.random.Generator, seed: int) -> tuple[Any, Any, Any]:
    """Right or wrong (rows,) of baseline and candidate, and the fold of each row."""
    columns, labels = generated(random)
    fold = random.permutation(ROWS) % FOLDS
    right = np.zeros((2, ROWS))
    for number_of in range(FOLDS):
        inside, outside = fold != number_of, fold == number_of
        for entry in (0, 1):
            own = seed * 100 + number_of * 2 + entry
            said = answers(procedure, columns[inside], labels[inside], columns[outside], own)
            right[entry, outside] = said == labels[outside]
    return right[0], right[1], fold


def case(procedure: str, runs: int) -> dict[str, float]:
    warnings.simplefilter("ignore")
    found = []
    for seed in range(runs):
        before, after, _ = scored(procedure, np.random.default_rng([seed, 1]), seed)
        gain = after - before
        found.append(gain.mean() / (gain.std(ddof=1) / np.sqrt(ROWS)))
    z = np.array(found)
    return {
        "spread": float(z.std(ddof=1)),
        "rows_alone": float((z > ONE_SIDED).mean()),
        "always_widened": float((z / WIDER > ONE_SIDED).mean()),
        "power_rows_alone": float(ndtr(3 - ONE_SIDED)),
        "power_widened": float(ndtr(3 - ONE_SIDED * WIDER)),
        "runs": runs,
    }


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=1000)


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
            key,
            number(one["spread"]),
            number(one["rows_alone"]),
            number(one["always_widened"]),
            number(one["power_rows_alone"], 2),
            number(one["power_widened"], 2),
        )
        for key, one in results.finished().items()
    ]
    headings = (
        "procedure", "spread of z (1 is right)", "accepted, rows alone (0.025 is right)", "accepted, always widened",
        "power for three standard errors, rows alone", "the same, always widened",
    )  # fmt: skip
    results.show([Shown("Two candidates that are exactly as good", headings, rows)], [])


if __name__ == "__main__":
    main()
