"""What a report draws: the confusion table, the ROC and precision-recall curves, and the reliability curve.

All are plain frozen dataclasses of numbers with `to_dict`. Curves hold at most 200 points, chosen one after the other
where the curve drawn so far is furthest from the whole one, so that no eye sees the difference.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from melior.errors import UserError
from melior.metrics._base import Floats, Predictions, divide
from melior.metrics._bounds import wilson
from melior.metrics.answers import Cells
from melior.metrics.probabilities import equal_mass_bins

POINTS = 200


@dataclass(frozen=True)
class _Drawable:
    def to_dict(self) -> dict[str, Any]:
        """Lists and numbers only, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """What `to_dict` gave, also by way of JSON."""
        return cls(**{name: _tuples(value) for name, value in given.items()})


@dataclass(frozen=True)
class Confusion(_Drawable):
    """Who is taken for whom.

    counts  (classes, classes): rows of class t (down) answered a (across); label weights where rows have them
    rates   the same, divided by the rows of the class; 0 for a class without rows
    worst   (true, answered, rows, rate) of the pairs with the most rows taken for another class, most first
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]
    rates: tuple[tuple[float, ...], ...]
    worst: tuple[tuple[str, str, float, float], ...]


@dataclass(frozen=True)
class RocCurve(_Drawable):
    """Of one class: false and true positive rate at falling thresholds, from (0, 0) to (1, 1)."""

    label: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class PrecisionRecallCurve(_Drawable):
    """Of one class: recall and precision at falling thresholds, from recall 0 to recall 1."""

    label: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class ReliabilityCurve(_Drawable):
    """Of bins of equal mass by probability: the mean probability claimed, the share that is so, its Wilson interval.

    rows is the effective number of rows of the bin, the square of the sum of weights over the sum of squares.
    """

    label: str | None
    claimed: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rows: tuple[float, ...]


def confusion(predictions: Predictions, classes: Sequence[str], *, worst: int = 10) -> Confusion:
    """The confusion table of the answers, and its `worst` pairs of classes.

    >>> table = confusion(Predictions.of([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), ["no", "yes"])
    >>> table.counts, table.worst
    (((1.0, 0.0), (1.0, 1.0)), (('yes', 'no', 1.0, 0.5),))
    """
    kernel = Cells().prepare(predictions.truth, None, predictions.answers)
    counts = kernel(np.ones((1, predictions.rows)))[0]
    rates = divide(counts, counts.sum(axis=1, keepdims=True), 0.0)
    mistaken = counts - np.diag(np.diag(counts))
    order = np.argsort(-mistaken, axis=None, kind="stable")[:worst]
    pairs = [divmod(int(place), len(counts)) for place in order if mistaken.flat[place] > 0]
    named = tuple((str(classes[t]), str(classes[a]), float(counts[t, a]), float(rates[t, a])) for t, a in pairs)
    return Confusion(tuple(map(str, classes)), _nested(counts), _nested(rates), named)


def roc_curve(predictions: Predictions, code: int, label: str) -> RocCurve:
    """The ROC curve of the class with this code against the rest; without points if either side has no rows.

    Fawcett, An introduction to ROC analysis, 2006.

    >>> curve = roc_curve(Predictions.of([0, 1], [[0.9, 0.1], [0.4, 0.6]]), 1, "yes")
    >>> curve.false_positive_rate, curve.true_positive_rate
    ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0))
    """
    thresholds, inside, outside = _cumulative(predictions, code)
    if not len(inside) or inside[-1] <= 0 or outside[-1] <= 0:
        return RocCurve(label, (), (), ())
    right = np.concatenate([[0.0], inside / inside[-1]])
    wrong = np.concatenate([[0.0], outside / outside[-1]])
    kept = thin(wrong, right)
    limits = np.concatenate([[thresholds[0]], thresholds])
    return RocCurve(label, _flat(wrong[kept]), _flat(right[kept]), _flat(limits[kept]))


def precision_recall_curve(predictions: Predictions, code: int, label: str) -> PrecisionRecallCurve:
    """The precision-recall curve of the class with this code; without points if it has no rows.

    It starts at recall 0 with the precision of the highest threshold. Davis and Goadrich, ICML 2006.

    >>> curve = precision_recall_curve(Predictions.of([0, 1], [[0.9, 0.1], [0.4, 0.6]]), 1, "yes")
    >>> curve.recall, curve.precision
    ((0.0, 1.0, 1.0), (1.0, 1.0, 0.5))
    """
    thresholds, inside, outside = _cumulative(predictions, code)
    if not len(inside) or inside[-1] <= 0:
        return PrecisionRecallCurve(label, (), (), ())
    precision = divide(inside, inside + outside, 0.0)
    recall = np.concatenate([[0.0], inside / inside[-1]])
    precision = np.concatenate([precision[:1], precision])
    limits = np.concatenate([thresholds[:1], thresholds])
    kept = thin(recall, precision)
    return PrecisionRecallCurve(label, _flat(recall[kept]), _flat(precision[kept]), _flat(limits[kept]))


def reliability_curve(
    predictions: Predictions, code: int | None = None, label: str | None = None, *, bins: int = 15, level: float = 0.95
) -> ReliabilityCurve:
    """Claimed against observed, of the class with this code, or (None) of the likeliest class of every row.

    >>> reliability_curve(Predictions.of([0, 1], [[0.9, 0.1], [0.4, 0.6]]), 1, "yes", bins=2).observed
    (0.0, 1.0)
    """
    scores = _scores(predictions)
    rows = np.arange(len(scores))
    column = scores.argmax(axis=1) if code is None else np.full(len(scores), code)
    claimed, right = scores[rows, column], predictions.truth[rows, column]
    weights = predictions.truth.sum(axis=1)
    places = equal_mass_bins(claimed, weights, bins)
    points = []
    for place in np.unique(places):
        inside = places == place
        weight = float(weights[inside].sum())
        if weight <= 0:
            continue
        share = float(np.clip(right[inside].sum() / weight, 0.0, 1.0))
        effective = weight**2 / float((predictions.truth[inside] ** 2).sum())
        low, high = wilson(share * effective, effective, level)
        points.append((float(weights[inside] @ claimed[inside]) / weight, share, low, high, effective))
    columns = zip(*points, strict=True) if points else [()] * 5
    return ReliabilityCurve(label, *(tuple(column) for column in columns))


def thin(across: Floats, up: Floats, points: int = POINTS) -> NDArray[np.int64]:
    """Which points of a curve to keep, rising (kept,): at most `points`, always the ends.

    From the ends on, the point furthest from the line drawn so far is added next (Douglas and Peucker, 1973), until
    none is off the line.
    """
    kept = {0, len(across) - 1}
    waiting: list[tuple[float, int, int, int]] = []

    def look(start: int, end: int) -> None:
        if end - start < 2:
            return
        x, y = across[start : end + 1] - across[start], up[start : end + 1] - up[start]
        length = float(np.hypot(x[-1], y[-1]))
        distance = np.abs(x * y[-1] - y * x[-1]) / length if length > 0 else np.hypot(x, y)
        furthest = int(distance.argmax())
        if distance[furthest] > 1e-9:
            heapq.heappush(waiting, (-float(distance[furthest]), start, start + furthest, end))

    look(0, len(across) - 1)
    while waiting and len(kept) < points:
        _, start, middle, end = heapq.heappop(waiting)
        kept.add(middle)
        look(start, middle)
        look(middle, end)
    return np.array(sorted(kept), dtype=np.int64)


def _cumulative(predictions: Predictions, code: int) -> tuple[Floats, Floats, Floats]:
    """Falling thresholds, and the weight inside and outside the class that scores at least as high."""
    column = _scores(predictions)[:, code]
    order = np.argsort(-column, kind="stable")
    inside = predictions.truth[order, code]
    outside = predictions.truth[order].sum(axis=1) - inside
    last = np.append(np.flatnonzero(np.diff(column[order])), len(column) - 1) if len(column) else order
    return column[order][last], np.cumsum(inside)[last], np.cumsum(outside)[last]


def _scores(predictions: Predictions) -> Floats:
    if predictions.scores is None:
        raise UserError("This curve needs probabilities, and this model gives answers only.")
    return predictions.scores


def _flat(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _nested(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
