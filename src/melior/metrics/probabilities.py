"""Metrics of probabilities: log loss, Brier score and expected calibration error.

>>> from melior.metrics import metric, one_hot
>>> scores = [[0.9, 0.1], [0.4, 0.6]]
>>> round(metric("brier", ["no", "yes"]).measure(one_hot([0, 1], 2), scores, [0, 1]), 3)
0.085
>>> round(metric("log_loss", ["no", "yes"]).measure(one_hot([0, 1], 2), scores, [0, 1]), 3)
0.308
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from melior.metrics._base import Codes, Family, Floats, Kernel, Metric, Part, divide

SMALLEST = float(np.finfo(np.float64).eps)  # probabilities are clipped to SMALLEST .. 1 - SMALLEST before the logarithm
BINS = 15


@dataclass(frozen=True, eq=False)
class MeanLoss(Part):
    """sum_i sum_t truth[i, t] loss[i, t] / sum truth, (resamples,); loss[i, t] is what the row costs if t is true.

    Linear in the label weights, so unbiased for every loss under corrected labels (Natarajan et al., 2013).
    """

    losses: Callable[[Floats], Floats]

    def _key(self) -> tuple[object, ...]:
        return (self.losses,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        sums = np.stack([np.einsum("rk,rk->r", truth, self.losses(scores)), truth.sum(axis=1)], axis=1)

        def kernel(counts: Floats) -> Floats:
            cost, total = (counts @ sums).T
            return divide(cost, total, np.nan)

        return kernel


@dataclass(frozen=True, eq=False)
class CalibrationGap(Part):
    """sum over bins of |weight right - weight x probability| / total weight, (resamples, 2).

    The bins are set on the rows given and stay the same in every resample. In the second column, the gap that the rows
    given have in each bin is taken off first: what is left is noise.
    """

    bins: int = BINS

    def _key(self) -> tuple[int]:
        return (self.bins,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        assert scores is not None
        likeliest = scores.argmax(axis=1)
        rows = np.arange(len(scores))
        confidence = scores[rows, likeliest]
        weights = truth.sum(axis=1)
        gaps = truth[rows, likeliest] - weights * confidence
        bins = equal_mass_bins(confidence, weights, self.bins)
        order = np.argsort(bins, kind="stable")
        starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
        gaps_in_order = gaps[order]

        def shares(counts: Floats) -> Floats:
            sums = np.add.reduceat(counts.take(order, axis=1) * gaps_in_order, starts, axis=1)
            return divide(sums, (counts @ weights)[:, None], np.nan)

        given = shares(np.ones((1, len(order)))) if len(order) else None

        def kernel(counts: Floats) -> Floats:
            if given is None:
                return np.full((len(counts), 2), np.nan)
            drawn = shares(counts)
            return np.stack([np.abs(drawn).sum(axis=1), np.abs(drawn - given).sum(axis=1)], axis=1)

        return kernel


def equal_mass_bins(values: Floats, weights: Floats, bins: int) -> NDArray[np.int64]:
    """Bin of each row, (rows,), 0..bins-1: bins of equal weight in order of value; equal values share a bin."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    if not len(order) or cumulative[-1] <= 0:
        return np.zeros(len(values), dtype=np.int64)
    middle = (cumulative - weights[order] / 2) / cumulative[-1]
    places = np.clip((middle * bins).astype(np.int64), 0, bins - 1)
    sorted_values = values[order]
    first_of_value = np.searchsorted(sorted_values, sorted_values, side="left")
    found = np.empty(len(values), dtype=np.int64)
    found[order] = places[first_of_value]
    return found


def log_losses(scores: Floats) -> Floats:
    """-ln p[i, t], (rows, classes), with p clipped away from 0 and 1."""
    return -np.log(np.clip(scores, SMALLEST, 1 - SMALLEST))


def brier_losses(scores: Floats) -> Floats:
    """sum_k (p[i, k] - [k = t])^2 / 2, (rows, classes). The half makes two classes give the usual (p - y)^2, 0..1."""
    losses: Floats = ((scores**2).sum(axis=1, keepdims=True) - 2 * scores + 1) / 2
    return losses


@dataclass(frozen=True)
class ProbabilityMetric(Metric):
    """A loss of probabilities; smaller is better."""

    needs: ClassVar[Literal["answers", "scores"]] = "scores"
    greater_is_better: ClassVar[bool] = False

    def combine(self, values: Sequence[Floats]) -> Floats:
        return np.clip(values[0], self.low, self.high)


@dataclass(frozen=True)
class LogLoss(ProbabilityMetric):
    """Mean of -ln(probability of the true class). 0 (sure and right) .. 36.04 (sure and wrong, by the clipping).

    Good, Rational Decisions, 1952. One row that is sure and wrong can decide it: see the Brier score too.
    """

    high: ClassVar[float] = float("inf")

    @property
    def parts(self) -> tuple[Part, ...]:
        return (MeanLoss(log_losses),)


@dataclass(frozen=True)
class Brier(ProbabilityMetric):
    """Mean over rows of sum_k (p_k - y_k)^2 / 2. 0 .. 1; for two classes the usual (p - y)^2.

    Brier, Verification of forecasts expressed in terms of probability, 1950 (who does not halve).
    """

    @property
    def parts(self) -> tuple[Part, ...]:
        return (MeanLoss(brier_losses),)


@dataclass(frozen=True)
class ExpectedCalibrationError(ProbabilityMetric):
    """Mean over bins of |share right - mean probability|, of the likeliest class, in 15 bins of equal mass. 0 .. 1.

    Naeini et al., 2015; Nixon et al., Measuring Calibration in Deep Learning, 2019 (for equal mass). It never reads
    0 on finite data: of a perfectly calibrated model with n rows it is about 0.8 sqrt(15 a (1 - a) / n) at accuracy a.
    """

    column: ClassVar[int] = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        return (CalibrationGap(BINS),)

    def combine(self, values: Sequence[Floats]) -> Floats:
        return np.clip(values[0][:, self.column], self.low, self.high)

    @property
    def noise(self) -> Metric:
        return _CalibrationNoise(f"noise of {self.name}", f"noise of the {self.title}")


@dataclass(frozen=True)
class _CalibrationNoise(ExpectedCalibrationError):
    column: ClassVar[int] = 1


METRICS = (
    Family("log_loss", lambda classes, code: LogLoss("log_loss", "mean surprise at the truth, in nats")),
    Family("brier", lambda classes, code: Brier("brier", "mean squared error of the probabilities")),
    Family(
        "expected_calibration_error",
        lambda classes, code: ExpectedCalibrationError(
            "expected_calibration_error", "mean gap between the probability claimed and the share that is right"
        ),
    ),
)
