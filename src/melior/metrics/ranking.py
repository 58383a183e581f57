"""Metrics of order: the area under the ROC curve, and average precision.

Both are bilinear in the label weights: a pair of rows counts with the product of their weights. A row is never paired
with itself as if it were two (a U-statistic), which for one-hot truth changes nothing and for signed weights is what
keeps the estimate unbiased. Rows are sorted once; a resample then costs a cumulative sum.

>>> from melior.metrics import metric, one_hot
>>> scores = [[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]
>>> metric("roc_auc", ["no", "yes"]).measure(one_hot([0, 0, 1, 1], 2), scores, [0, 0, 0, 1])
0.75
>>> round(metric("average_precision", ["no", "yes"]).measure(one_hot([0, 0, 1, 1], 2), scores, [0, 0, 0, 1]), 4)
0.8333
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from melior.metrics._base import NOTHING, Codes, Family, Floats, Kernel, Metric, Part, divide, mean_of_defined


@dataclass(frozen=True, eq=False)
class RocArea(Part):
    """P(a row of the class scores above a row of another class) + P(equal) / 2, (resamples,); nan if one is missing."""

    code: int

    def _key(self) -> tuple[int]:
        return (self.code,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        column = scores[:, self.code]
        inside = truth[:, self.code]
        outside = truth.sum(axis=1) - inside
        order = np.argsort(column, kind="stable")
        positives, negatives = order[inside[order] != 0], order[outside[order] != 0]
        weights_in, weights_out = inside[positives], outside[negatives]
        first = np.searchsorted(column[negatives], column[positives], side="left")
        last = np.searchsorted(column[negatives], column[positives], side="right")
        tied = bool((first != last).any())
        itself = inside * outside  # pairs of a row with itself; 0 for one-hot truth
        signed = bool(itself.any())

        def kernel(counts: Floats) -> Floats:
            below = np.zeros((len(counts), len(negatives) + 1))
            np.cumsum(counts.take(negatives, axis=1) * weights_out, axis=1, out=below[:, 1:])
            drawn = counts.take(positives, axis=1) * weights_in
            beaten = below.take(first, axis=1)
            if tied:
                beaten = (beaten + below.take(last, axis=1)) / 2
            won = np.einsum("rp,rp->r", drawn, beaten)
            inside_total, outside_total = drawn.sum(axis=1), below[:, -1]
            pairs = inside_total * outside_total
            if signed:
                selves = counts @ itself
                won, pairs = won - selves / 2, pairs - selves
            pairs = np.where((inside_total > NOTHING) & (outside_total > NOTHING), pairs, 0.0)
            return np.clip(divide(won, pairs, np.nan), 0.0, 1.0)

        return kernel


@dataclass(frozen=True, eq=False)
class PrecisionArea(Part):
    """sum over thresholds of (recall gained) x (precision there), tied scores one threshold; nan without positives."""

    code: int

    def _key(self) -> tuple[int]:
        return (self.code,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        order = np.argsort(-scores[:, self.code], kind="stable")
        column = scores[order, self.code]
        weights = truth[order].sum(axis=1)
        inside = truth[order, self.code]
        places = np.flatnonzero(inside)  # where positives stand in the order
        ends = np.append(np.flatnonzero(np.diff(column)), len(column) - 1)  # last place of each threshold
        threshold = np.searchsorted(ends, places)
        starts = np.flatnonzero(np.diff(threshold, prepend=-1))  # first positive of each threshold that has one
        stops = np.append(starts[1:], len(places)) - 1
        reached = ends[threshold[starts]] if len(places) else places
        positives, weights_in = order[places], inside[places]
        # A row is right about itself once, with its weight: y w rather than y y. The same for one-hot truth.
        itself = weights_in * (weights[places] - weights_in)
        signed, plain = bool(itself.any()), bool((weights == 1).all())

        def kernel(counts: Floats) -> Floats:
            if not len(places):
                return np.full(len(counts), np.nan)
            taken = counts.take(order, axis=1)
            seen = np.cumsum(taken if plain else taken * weights, axis=1).take(reached, axis=1)
            drawn = counts.take(positives, axis=1)
            right = np.cumsum(drawn * weights_in, axis=1)
            total = right[:, -1]
            right = right.take(stops, axis=1)
            gained = np.diff(right, axis=1, prepend=0.0) * right
            if signed:
                gained = gained + np.add.reduceat(drawn * itself, starts, axis=1)
            return np.clip(divide(divide(gained, seen, 0.0).sum(axis=1), total, np.nan), 0.0, 1.0)

        return kernel


@dataclass(frozen=True)
class RankMetric(Metric):
    """An area of one class (or label), or the mean over those, each against the rest, that can be measured. 0..1."""

    areas: tuple[Part, ...]
    needs: ClassVar[Literal["answers", "scores"]] = "scores"

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.areas

    def combine(self, values: Sequence[Floats]) -> Floats:
        return mean_of_defined(np.stack(values, axis=-1))


def _family(word: str, title: str, area: Callable[[int], Part]) -> Family:
    def make(classes: Sequence[str], code: int | None) -> Metric:
        if code is not None:
            return RankMetric(f"{word}[{classes[code]}]", f"{title} of {classes[code]} against the rest", (area(code),))
        if len(classes) == 2:
            return RankMetric(word, f"{title} of {classes[1]}", (area(1),))
        areas = tuple(area(position) for position in range(len(classes)))
        return RankMetric(word, f"{title}, each class against the rest, mean over the classes", areas)

    return Family(word, make, per_class=True)


METRICS = (
    _family("roc_auc", "area under the ROC curve", RocArea),
    _family("average_precision", "average precision", PrecisionArea),
)
