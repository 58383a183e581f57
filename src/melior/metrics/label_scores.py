"""Metrics of probabilities where a row may have several labels: areas of each label, over labels, and losses.

Truth is (rows, labels) of 0 and 1, scores are (rows, labels), each a probability by itself. Macro averages are over
the labels that can be measured; micro averages take every pair of a row and a label as one answer.

>>> from melior.metrics import metric
>>> truth, scores = [[1, 0], [0, 1], [1, 1]], [[0.9, 0.2], [0.3, 0.6], [0.2, 0.7]]
>>> metric("roc_auc", ["fit", "price"], multilabel=True).measure(truth, scores, [[1, 0], [0, 1], [0, 1]])
0.75
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from melior.metrics._base import Codes, Family, Floats, Kernel, Metric, Part, Predictions
from melior.metrics.labels import LabelMetric, RowLoss, RowValues, unseen_share
from melior.metrics.probabilities import SMALLEST
from melior.metrics.ranking import PrecisionArea, RankMetric, RocArea

Area = Callable[[int], Part]


def both(column: Floats) -> Floats:
    """(rows, 2) of a label's truth or probabilities: that it is not so, and that it is."""
    return np.column_stack([1 - column, column])


@dataclass(frozen=True, eq=False)
class LabelArea(Part):
    """The area of one label, (resamples,); nan where it cannot be measured. area: `RocArea` or `PrecisionArea`."""

    area: Area
    code: int

    def _key(self) -> tuple[object, ...]:
        return (self.area, self.code)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        return self.area(1).prepare(both(truth[:, self.code]), both(scores[:, self.code]), answers[:, self.code])


@dataclass(frozen=True, eq=False)
class PooledArea(Part):
    """The area over all pairs of a row and a label, (resamples,)."""

    area: Area

    def _key(self) -> tuple[object, ...]:
        return (self.area,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        labels = truth.shape[1]
        pooled = self.area(1).prepare(both(truth.ravel()), both(scores.ravel()), answers.ravel())

        def kernel(counts: Floats) -> Floats:
            one = max(
                1, (1 << 22) // max(1, truth.size)
            )  # resamples at once: the counts of pairs are as many as labels
            pieces = [pooled(np.repeat(counts[at : at + one], labels, axis=1)) for at in range(0, len(counts), one)]
            return np.concatenate(pieces) if pieces else np.empty(0)

        return kernel


@dataclass(frozen=True)
class AreaMetric(RankMetric, LabelMetric):
    """An area of one label, or the mean over the labels that can be measured. 0..1."""

    areas: tuple[LabelArea, ...]

    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        areas = np.array([value[0] for value in values])
        support = data.truth.sum(axis=0)[[part.code for part in self.areas]]
        fewer = np.minimum(np.minimum(support, data.rows - support), units)
        moved = np.array([unseen_share(float(n), level) for n in fewer]) / max(int((~np.isnan(areas)).sum()), 1)
        down, up = (float(np.sqrt((moved[areas == end] ** 2).sum())) for end in (1.0, 0.0))
        return down, up


@dataclass(frozen=True)
class PooledMetric(LabelMetric):
    """An area over all pairs of a row and a label. 0..1."""

    area: Area
    needs: ClassVar[Literal["answers", "scores"]] = "scores"

    @property
    def parts(self) -> tuple[Part, ...]:
        return (PooledArea(self.area),)

    def combine(self, values: Sequence[Floats]) -> Floats:
        return values[0]

    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        value, so = float(values[0][0]), float(data.truth.sum())
        share = unseen_share(min(so, data.truth.size - so, units), level)
        return share * (value == 1.0), share * (value == 0.0)


@dataclass(frozen=True)
class LabelLoss(RowLoss):
    """A loss of probabilities, the mean over rows and labels; smaller is better."""

    needs: ClassVar[Literal["answers", "scores"]] = "scores"


@dataclass(frozen=True)
class LabelLogLoss(LabelLoss):
    """Mean of -ln(probability of what is so), of each label for itself. 0 .. 36.04 (the probabilities are clipped)."""

    high: ClassVar[float] = float("inf")


def surprise(truth: Floats, scores: Floats | None, answers: Codes) -> Floats:
    assert scores is not None
    clipped = np.clip(scores, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(truth > 0, clipped, 1 - clipped)).mean(axis=1))


def squares(truth: Floats, scores: Floats | None, answers: Codes) -> Floats:
    assert scores is not None
    return np.asarray(((scores - truth) ** 2).mean(axis=1))


def _family(word: str, title: str, area: Area) -> tuple[Family, Family]:
    def make(labels: Sequence[str], code: int | None) -> Metric:
        if code is not None:
            return AreaMetric(f"{word}[{labels[code]}]", f"{title} of {labels[code]}", (LabelArea(area, code),))
        every = tuple(LabelArea(area, place) for place in range(len(labels)))
        return AreaMetric(word, f"{title} of each label, mean over the labels", every)

    def pooled(labels: Sequence[str], code: int | None) -> Metric:
        return PooledMetric(f"micro_{word}", f"{title} over all pairs of a row and a label", area)

    return Family(word, make, per_class=True), Family(f"micro_{word}", pooled)


def _loss(kind: type[LabelLoss], name: str, title: str, values: RowValues) -> Family:
    return Family(name, lambda labels, code: kind(name, title, values))


MULTILABEL = (
    *_family("roc_auc", "area under the ROC curve", RocArea),
    *_family("average_precision", "average precision", PrecisionArea),
    _loss(LabelLogLoss, "log_loss", "mean surprise at the truth of each label, in nats", surprise),
    _loss(LabelLoss, "brier", "mean squared error of the probabilities", squares),
)
