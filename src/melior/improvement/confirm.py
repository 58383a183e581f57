"""What predictors are worth on the sealed rows."""

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Table
from melior.metrics import Interval, Metric, Predictions, bootstrap, paired_difference
from melior.predictor import Predictor


def answers_of(predictor: Predictor, table: Table, truth: Floats) -> Predictions:
    """Scores and answers of the rows, beside the label weights (rows, classes) that they are scored against."""
    scores = predictor.scores(table)
    return Predictions(truth, scores, predictor.decided(scores))


def confirm(
    measure: Metric,
    truth: Floats,
    sealed: Table,
    plain: Predictor,
    final: Predictor,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Interval, Interval, Interval]:
    """Scores of both on the sealed rows with their intervals, and the paired gain."""
    before = answers_of(plain, sealed, truth)
    after = before if final is plain else answers_of(final, sealed, truth)
    baseline = bootstrap([measure], before, seed=seed, groups=groups)[measure.name]
    if after is before:
        return baseline, baseline, Interval(0.0, 0.0, 0.0, baseline.level)
    ended = bootstrap([measure], after, seed=seed, groups=groups)[measure.name]
    difference = paired_difference(measure, before, after, seed=seed, groups=groups)
    return baseline, ended, Interval(difference.value, difference.low, difference.high, difference.level)
