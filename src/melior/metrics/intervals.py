"""How sure a score is: every value with the interval that other rows of the same kind would move it in.

The interval is the bias-corrected and accelerated bootstrap, widened for few rows, which in simulation covers better
than plain percentiles wherever the two differ (high scores, few rows, skewed losses). Shares of independent rows
(accuracy, recall, precision) have Wilson's interval, which is good at any size and does not collapse at 0 or 1; what
resampling cannot show, a class without a single fault, is added to the others in the same way. The calibration error,
which noise can only raise, has an interval of its own that may reach down to 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from melior.errors import UserError
from melior.metrics._base import Floats, Metric, Part, Predictions, evaluate, one_hot
from melior.metrics._bounds import SAME, bca, imagined, unseen_cells, upward, wilson, with_unseen
from melior.metrics._resample import Draws, draws
from melior.metrics.answers import Cells
from melior.metrics.labels import LabelMetric

__all__ = ["Interval", "bootstrap", "wilson"]


@dataclass(frozen=True)
class Interval:
    """A value, and the ends between which it lies at this confidence level; all nan where the value is undefined.

    >>> print(Interval(0.8125, 0.79, 0.8333, 0.95))
    0.812 [0.790, 0.833]
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not defined"
        ends = "unknown" if math.isnan(self.low) else f"{self.low:.3f}, {self.high:.3f}"
        return f"{self.value:.3f} [{ends}]"

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    @property
    def width(self) -> float:
        return self.high - self.low

    def to_dict(self) -> dict[str, Any]:
        """For JSON: undefined numbers are None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high, "level": self.level}
        return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def bootstrap(
    metrics: Sequence[Metric],
    predictions: Predictions,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Every metric with its interval, by name, in the order given.

    groups (rows,): rows of one group are drawn together; by default those of the predictions, else rows are
    independent. Metrics that need only answers are drawn over cells of equal rows and cost nothing; metrics of scores
    cost one pass over the rows per resample and share it.

    >>> from melior.metrics import metric
    >>> predictions = Predictions.of([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    >>> print(bootstrap([metric("accuracy", ["no", "yes"])], predictions)["accuracy"])
    1.000 [0.510, 1.000]
    """
    check_settings(resamples, level)
    data = predictions.with_groups(groups)
    if not data.rows:
        return {metric.name: Interval(math.nan, math.nan, math.nan, level) for metric in metrics}
    found: dict[str, Interval] = {}
    for needs in ("answers", "scores"):
        chosen = [metric for metric in metrics if metric.needs == needs]
        if chosen:
            found |= _intervals(chosen, data, resamples, level, seed)
    return {metric.name: found[metric.name] for metric in metrics}


def _intervals(
    metrics: Sequence[Metric], data: Predictions, resamples: int, level: float, seed: int
) -> dict[str, Interval]:
    needs_scores = metrics[0].needs == "scores"
    drawn = draws([data], resamples, seed, needs_scores=needs_scores)
    entry = drawn.entries[0]
    noises = {metric.name: metric.noise for metric in metrics if metric.noise is not None}
    every = [*metrics, *noises.values()]
    values = evaluate(metrics, entry, [drawn.whole])[:, 0].tolist()
    resampled = evaluate(every, entry, drawn.blocks())
    left_out = evaluate(metrics, entry, drawn.left_out())
    noise = dict(zip(noises, resampled[len(metrics) :], strict=True))

    if data.multilabel:
        return _of_labels(metrics, data, drawn, values, resampled, left_out, level)
    cells: Floats = Cells().prepare(data.truth, None, data.answers)(np.ones((1, data.rows)))[0]
    binomial = _counts_rows(data)
    unseen = np.empty((0, *cells.shape)) if needs_scores else unseen_cells(cells, data, level)

    def ends(place: int, metric: Metric, value: float) -> tuple[float, float]:
        share = metric.proportion(cells) if binomial else None
        many = resampled[place]
        defined = many[~np.isnan(many)]
        if math.isnan(value):
            return math.nan, math.nan
        if share is not None:
            return wilson(*share, level)
        if drawn.units == 1:
            return metric.low, metric.high
        if metric.name in noise:
            return upward(value, many, noise[metric.name], level)
        constant = not len(defined) or float(np.ptp(defined)) <= SAME
        if constant and needs_scores:
            return imagined(metric, data, value, level)
        low, high = bca(value, many, left_out[place], drawn.weights, drawn.units, level)
        return (low, high) if needs_scores else with_unseen(value, low, high, _of_tables(metric, unseen))

    found = {}
    for place, (metric, value) in enumerate(zip(metrics, values, strict=True)):
        low, high = ends(place, metric, value)
        found[metric.name] = Interval(value, max(low, metric.low), min(high, metric.high), level)
    return found


def _of_labels(
    metrics: Sequence[Metric],
    data: Predictions,
    drawn: Draws,
    values: Sequence[float],
    resampled: Floats,
    left_out: Floats,
    level: float,
) -> dict[str, Interval]:
    """The intervals where a row may have several labels."""
    once = np.ones((1, data.rows))
    parts = {part: part.prepare(data.truth, data.scores, data.answers)(once) for part in _parts(metrics)}
    found = {}
    for metric, value, many, left in zip(metrics, values, resampled, left_out, strict=True):
        assert isinstance(metric, LabelMetric)
        own = [parts[part] for part in metric.parts]
        share = metric.shares(own, data) if data.groups is None else None
        if math.isnan(value):
            low = high = math.nan
        elif share is not None:
            low, high = wilson(*share, level)
        elif drawn.units == 1:
            low, high = metric.low, metric.high
        else:
            down, up = metric.unseen(own, data, drawn.units, level)
            low, high = bca(value, many, left, drawn.weights, drawn.units, level)
            low, high = value - math.hypot(value - low, down), value + math.hypot(high - value, up)
        found[metric.name] = Interval(value, max(low, metric.low), min(high, metric.high), level)
    return found


def _of_tables(metric: Metric, tables: Floats) -> Floats:
    """A metric of answers, (tables,), of confusion tables (tables, truth, answer)."""
    if all(isinstance(part, Cells) for part in metric.parts):
        return metric.combine([tables])
    true, said = (each.ravel() for each in np.indices(tables.shape[1:]))  # a function asks for rows: one a cell
    found = [metric.measure(one_hot(true, len(one), one.ravel()), None, said) for one in tables]
    return np.array(found, dtype=np.float64)


def _parts(metrics: Sequence[Metric]) -> list[Part]:
    return list(dict.fromkeys(part for metric in metrics for part in metric.parts))


def _counts_rows(data: Predictions) -> bool:
    """Whether rows are independent and count one each, so that shares of rows are binomial."""
    ordinary = data.groups is None and bool(((data.truth == 0) | (data.truth == 1)).all())
    return ordinary and bool((data.truth.sum(axis=1) == 1).all())


def check_settings(resamples: int, level: float) -> None:
    """Refuses what cannot give an interval."""
    if resamples < 100:
        raise UserError(f"{resamples} resamples say nothing about the ends of an interval; take at least 100.")
    if not 0.5 <= level < 1:
        raise UserError(f"A confidence level lies between 0.5 and 1, for example 0.95; this one is {level}.")
