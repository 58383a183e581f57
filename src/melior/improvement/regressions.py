"""What became worse though the score did not: classes, slices, calibration and cost of the improved model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from melior.data.table import Floats, Rows, Table
from melior.metrics import Predictions, paired_difference
from melior.metrics.registry import metric
from melior.predictor import Predictor
from melior.trials.cost import UNITS, cost_of
from melior.trials.where import differences

MARGIN = 0.02  # of a share of right answers, and of the calibration error
DEARER = 2.0  # times the time of a row or the size, and
LEAST = {"latency": 1.0, "size": 1.0}  # milliseconds and megabytes more
FALSE_RATE = 0.05  # of all classes and slices together
FEWEST = 30  # rows of a slice
MOST_VALUES = 12  # of a column that are looked at, the most frequent ones
RESAMPLES = 500


@dataclass(frozen=True)
class Regression:
    """Something that is worse with the improved model.

    what    in words: the right answers of a class or a slice, the calibration error, the time of a row, the size
    before, after  with the plain recipe and with the improved one, on the sealed rows
    unit    of before and after; empty for shares
    rows    that tell it; 0 where it is no matter of rows
    """

    what: str
    before: float
    after: float
    unit: str = ""
    rows: int = 0

    def said(self) -> str:
        """In one line.

        >>> Regression("right answers where city is 'Rome'", 0.91, 0.84, rows=120).said()
        "worse: right answers where city is 'Rome' 0.910 -> 0.840 (120 rows)"
        """
        many = f" ({self.rows:,} rows)" if self.rows else ""
        if self.unit:
            return f"dearer: {self.what} {self.before:.2g} -> {self.after:.2g} {self.unit}{many}"
        return f"worse: {self.what} {self.before:.3f} -> {self.after:.3f}{many}"


def regressions(
    sealed: Table, truth: Floats, plain: Predictor, final: Predictor, seed: int, groups: Rows | None = None
) -> tuple[Regression, ...]:
    """What is worse with `final` than with `plain` on the sealed rows, beyond a margin.

    - The share of right answers of a class, or where a column of categories has a value, is lower by MARGIN or more,
      and more rows turned wrong than right: by flipping signs of rows, or of whole groups of them, 5 % over all of them
      together (`melior.trials.where`).
    - The expected calibration error is higher by MARGIN or more, and surely higher (paired bootstrap, 95 %).
    - A row by itself takes twice as long and a millisecond more, or the saved predictor is twice as large and by a
      megabyte.

    Classes and slices are of rows with one answer each. truth: the label weights that scores are taken against.
    groups: (rows,) rows of one group are not independent.
    """
    found = []
    if not sealed.multilabel:
        scores = [predictor.scores(sealed) for predictor in (plain, final)]
        answers = [predictor.decided(each) for predictor, each in zip((plain, final), scores, strict=True)]
        found += _slices(sealed, answers[0], answers[1], groups, seed)
        found += _calibration(truth, scores, answers, seed, groups)
    costs = [cost_of(predictor, sealed) for predictor in (plain, final)]
    for name, unit in UNITS.items():
        before, after = (float(getattr(cost, name)) for cost in costs)
        if after >= DEARER * before and after >= before + LEAST[name]:
            what = {"latency": "the time of a row by itself", "size": "the size of the saved predictor"}[name]
            found.append(Regression(what, before, after, unit))
    return tuple(found)


def _slices(
    sealed: Table, before: NDArray[Any], after: NDArray[Any], groups: Rows | None, seed: int
) -> list[Regression]:
    labels = sealed.given_labels()
    looked = [(what, rows) for what, rows in _parts(sealed) if rows.sum() >= FEWEST]
    if not looked:
        return []
    inside = np.column_stack([rows for _, rows in looked]).astype(np.float64)
    was, now = (inside * (said == labels)[:, None] for said in (before, after))
    compared = differences(
        [what for what, _ in looked],
        [int(rows.sum()) for _, rows in looked],
        sparse.csr_matrix(inside),
        sparse.csr_matrix(was),
        sparse.csr_matrix(now),
        np.arange(sealed.rows) if groups is None else groups,
        seed=seed,
        worse=True,
    )
    worse = [
        one
        for one in compared
        if one.p_adjusted is not None and one.p_adjusted < FALSE_RATE and one.difference.value <= -MARGIN
    ]
    worse.sort(key=lambda one: one.difference.high)
    return [Regression(one.name, one.a, one.b, rows=one.rows) for one in worse]


def _parts(sealed: Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Classes, and values of the columns of categories and languages, with their rows that have an answer."""
    labels = sealed.given_labels()
    for code, name in enumerate(sealed.classes):
        yield f"right answers of {name!r}", labels == code
    for column in sealed.of_kind("category", "language"):
        values = sealed.column(column).cast(str)
        counts = values.drop_nulls().value_counts(sort=True)
        for value in counts.get_column(column).to_list()[:MOST_VALUES]:
            yield (
                f"right answers where {column!r} is {value!r}",
                (values == value).fill_null(False).to_numpy() & (labels >= 0),
            )


def _calibration(
    truth: Floats, scores: list[Floats], answers: list[NDArray[Any]], seed: int, groups: Rows | None
) -> list[Regression]:
    measure = metric("expected_calibration_error", [str(code) for code in range(scores[0].shape[1])])
    before, after = (Predictions(truth, each, said) for each, said in zip(scores, answers, strict=True))
    difference = paired_difference(measure, before, after, resamples=RESAMPLES, seed=seed, groups=groups)
    if difference.value > -MARGIN or difference.high >= 0:
        return []
    was, now = (measure.measure(truth, each, said) for each, said in zip(scores, answers, strict=True))
    return [Regression("the calibration error", was, now)]
