"""Comparing predictors on the same rows: the rows that are hard for one are hard for the other, and that cancels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from melior.errors import UserError
from melior.metrics._base import Floats, Metric, Predictions, evaluate, prepare
from melior.metrics._bounds import SAME, bca
from melior.metrics._resample import Draws, draws
from melior.metrics.intervals import Interval, check_settings

Alternative = Literal["greater", "two-sided"]


class Together(NamedTuple):
    """A metric of several entries: values (entries,) on the rows given, resampled (entries, resamples)."""

    values: Floats
    resampled: Floats


@dataclass(frozen=True)
class Difference(Interval):
    """Candidate minus baseline, positive is better, and the p value that there is no such gain."""

    p: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "p": self.p if math.isfinite(self.p) else None}


class CorrectedT(NamedTuple):
    """Mean of the differences, the ends of its interval, and the p value."""

    effect: float
    low: float
    high: float
    p: float


def bootstrap_together(
    metric: Metric,
    entries: Sequence[Predictions],
    *,
    resamples: int = 2000,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Together:
    """The metric of every entry on the same resamples, so that differences between entries are paired.

    entries: predictions of the same rows in the same order, with the same truth. Returns values (entries,) and
    resampled (entries, resamples). groups (rows,): whole groups are drawn; by default those of the first entry.

    >>> from melior.metrics import metric
    >>> baseline = Predictions.of([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    >>> values, resampled = bootstrap_together(metric("accuracy", ["no", "yes"]), [baseline, baseline])
    >>> resampled.shape, bool((resampled[0] == resampled[1]).all())
    ((2, 2000), True)
    """
    check_settings(resamples, 0.95)
    return _together(metric, _draws(metric, entries, resamples, seed, groups))


def paired_difference(
    metric: Metric,
    baseline: Predictions,
    candidate: Predictions,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
    alternative: Alternative = "greater",
) -> Difference:
    """What the candidate gains over the baseline on the same rows: positive is better, for losses too.

    The interval is BCa over paired resamples. p is the share of resamples whose difference, moved to mean 0, is at
    least the one seen, (1 + those) / (1 + resamples): one-sided by default, as the judge asks whether it is better.
    Predictions that differ nowhere give 0 [0, 0] and p = 1.

    >>> from melior.metrics import metric
    >>> baseline = Predictions.of([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    >>> print(paired_difference(metric("log_loss", ["no", "yes"]), baseline, baseline))
    0.000 [0.000, 0.000]
    """
    check_settings(resamples, level)
    drawn = _draws(metric, [baseline, candidate], resamples, seed, groups)
    values, resampled = _together(metric, drawn)
    effect = metric.gain(float(values[1] - values[0])) + 0.0  # + 0.0: minus zero is zero
    many = metric.gain(1.0) * (resampled[1] - resampled[0]) + 0.0
    ones, others = (evaluate([metric], entry, drawn.left_out())[0] for entry in drawn.entries)
    low, high = bca(effect, many, metric.gain(1.0) * (others - ones), drawn.weights, drawn.units, level)
    return Difference(effect, low, high, level, _p_value(effect, many, alternative))


def nadeau_bengio(
    differences: ArrayLike, test_share: float, *, level: float = 0.95, alternative: Alternative = "greater"
) -> CorrectedT:
    """The corrected resampled t test: effect, low, high and p of paired differences from repeated splits.

    differences (J,): candidate minus baseline of each fold of each repeat. test_share: the share of the rows in a
    test fold, 1 / folds in cross-validation. Training sets overlap, so the variance of the mean is
    (1 / J + test_share / (1 - test_share)) s^2, with J - 1 degrees of freedom. Nadeau and Bengio, Inference for the
    generalization error, 2003. With one difference, or none, the ends and p are nan.

    >>> found = nadeau_bengio([0.02, 0.03, 0.01, 0.02, 0.02], test_share=0.2)
    >>> f"{found.effect:.3f} [{found.low:.4f}, {found.high:.4f}] p = {found.p:.4f}"
    '0.020 [0.0068, 0.0332] p = 0.0068'
    """
    if not 0 < test_share < 1:
        raise UserError(f"The share of rows in a test fold lies between 0 and 1; this one is {test_share}.")
    found = np.asarray(differences, dtype=np.float64)
    count = len(found)
    effect = float(found.mean()) if count else math.nan
    if count < 2:
        return CorrectedT(effect, math.nan, math.nan, math.nan)
    error = math.sqrt((1 / count + test_share / (1 - test_share)) * float(found.var(ddof=1)))
    if error <= SAME:
        certain = 0.0 if effect > SAME or (alternative == "two-sided" and effect < -SAME) else 1.0
        return CorrectedT(effect, effect, effect, certain)
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * error
    t = effect / error
    p = float(stdtr(count - 1, -t)) if alternative == "greater" else 2 * float(stdtr(count - 1, -abs(t)))
    return CorrectedT(effect, effect - half, effect + half, p)


def _draws(
    metric: Metric, entries: Sequence[Predictions], resamples: int, seed: int, groups: ArrayLike | None
) -> Draws:
    if not entries or not entries[0].rows:
        raise UserError("There is nothing to compare: no entries, or entries without rows.")
    if any(not np.array_equal(entry.truth, entries[0].truth) for entry in entries[1:]):
        raise UserError("Only predictions of the same rows, in the same order, can be compared in pairs.")
    first = entries[0].with_groups(groups)
    return draws([first, *entries[1:]], resamples, seed, needs_scores=metric.needs == "scores")


def _together(metric: Metric, drawn: Draws) -> Together:
    kernels = [prepare([metric], entry) for entry in drawn.entries]
    values = np.array([kernel(drawn.whole)[0, 0] for kernel in kernels])
    resampled = [np.stack([kernel(block)[0] for kernel in kernels]) for block in drawn.blocks()]
    return Together(values, np.concatenate(resampled, axis=1))


def _p_value(effect: float, resampled: Floats, alternative: Alternative) -> float:
    centred = resampled[~np.isnan(resampled)] - effect
    if math.isnan(effect) or len(centred) < 20:
        return math.nan
    if alternative == "two-sided":
        centred, effect = np.abs(centred), abs(effect)
    return float((1 + (centred >= effect - SAME).sum()) / (1 + len(centred)))
