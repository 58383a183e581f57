"""From resamples to the ends of an interval: BCa, and what to say where resampling has nothing to say."""

import math

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from melior.metrics._base import Floats, Metric, Predictions

SAME = 1e-12  # values closer than this are the same value
BIASED = 0.7  # a bias correction beyond this many standard errors is no longer a small correction


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share from `successes` of `n` independent rows; it does not collapse at 0 or at n. (low, high).

    centre (s + z^2/2) / (n + z^2), half width z sqrt(s (n - s) / n + z^2/4) / (n + z^2).  Wilson, Probable inference,
    the law of succession, and statistical inference, 1927.  n may be an effective number of rows; (0, 1) for n = 0.

    >>> tuple(round(end, 4) for end in wilson(10, 10))
    (0.7225, 1.0)
    """
    if n <= 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    successes = min(max(successes, 0.0), n)
    centre = (successes + z * z / 2) / (n + z * z)
    half = z * math.sqrt(successes * (n - successes) / n + z * z / 4) / (n + z * z)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def bca(
    value: float, resampled: Floats, left_out: Floats, weights: Floats, units: float, level: float
) -> tuple[float, float]:
    """Ends of the bias-corrected and accelerated interval, (low, high); nan where most resamples are undefined.

    Efron, Better bootstrap confidence intervals, JASA 1987.  The normal quantile is replaced with the wider
    sqrt(n / (n - 1)) t, n the number of rows or groups, because resampling n units understates their spread by that
    (Hesterberg, What teachers should know about the bootstrap, 2015).  Where the estimate is far from the middle of
    its own resamples, as the calibration error is, the reflected interval 2 value - quantiles is taken instead.

    resampled (resamples,), left_out (left out,) values of the jackknife, each standing for `weights` units.
    """
    resampled = resampled[~np.isnan(resampled)]
    if len(resampled) < 20 or math.isnan(value):
        return math.nan, math.nan
    tail = (1 - level) / 2
    wider = math.sqrt(units / (units - 1)) * float(stdtrit(units - 1, 1 - tail)) if units > 1 else math.inf
    z = np.array([-wider, wider])
    below = np.mean(resampled < value - SAME) + np.mean(np.abs(resampled - value) <= SAME) / 2
    z0 = float(ndtri(below))
    if abs(z0) > BIASED:
        high, low = 2 * value - np.quantile(resampled, ndtr(z))
    else:
        room = 1 - _acceleration(left_out, weights) * (z0 + z)
        shifted = np.where(room > 0, z0 + (z0 + z) / np.maximum(room, SAME), np.sign(z) * np.inf)
        low, high = np.quantile(resampled, ndtr(shifted))
    return min(float(low), value), max(float(high), value)


def few_units(units: float, far: float = 0.975) -> float:
    """By how much a standard error from resamples of so many independent units is to be widened, >= 1; inf for one.

    The spread of resamples understates the error by sqrt((n - 1) / n) for n units, and the quantile of t at `far` is
    needed in the place of the normal one (Hesterberg, What teachers should know about the bootstrap, 2015).

    >>> round(few_units(20), 3), round(few_units(1000), 3)
    (1.096, 1.002)
    """
    if units <= 1:
        return math.inf
    return math.sqrt(units / (units - 1)) * float(stdtrit(units - 1, far) / ndtri(far))


def _acceleration(left_out: Floats, weights: Floats) -> float:
    """sum u^3 / (6 (sum u^2)^1.5), u the influence of each unit: mean of the jackknife minus its value."""
    defined = ~np.isnan(left_out)
    if not defined.any():
        return 0.0
    weights = weights[defined]
    influence = np.average(left_out[defined], weights=weights) - left_out[defined]
    spread = float((weights * influence**2).sum())
    return float((weights * influence**3).sum()) / (6 * spread**1.5) if spread > SAME**2 else 0.0


def upward(value: float, resampled: Floats, noise: Floats, level: float) -> tuple[float, float]:
    """Ends for a sum of absolute values, which noise can only push up, (low, high).

    noise (resamples,): the same sum of the distances between a resample and the rows given. As |a| <= |b| + |a - b|,
    the truth is at least value - noise, so the low end is value minus the quantile of the noise. The high end is the
    quantile of the resamples, which noise has pushed up once more: both ends err on the wide side.
    """
    tail = (1 - level) / 2
    high = float(np.nanquantile(resampled, 1 - tail))
    return value - float(np.nanquantile(noise, 1 - tail)), max(high, value)


def unseen_cells(cells: Floats, data: Predictions, level: float) -> Floats:
    """Confusion tables that the rows do not rule out, (tables, truth, answer), though no resample shows them.

    Of n_k independent rows of class k without a fault, Wilson's interval still allows the share z^2 / (n_k + z^2) to
    be faulty, and a resample has no faults to draw. For each class that is answered right every time this share is
    moved to another answer (each of few classes, else the largest and the smallest), and for each that is answered
    right never, it is moved to the right one. None of signed label weights: there faults are never unseen.
    """
    classes, support = len(cells), cells.sum(axis=1)
    if (data.truth < 0).any():
        return np.empty((0, classes, classes))
    tables = []
    for code in np.flatnonzero(support > 0).tolist():
        right = cells[code, code]
        if right < support[code] and right > 0:
            continue
        share = _share_unseen(data, code, level)
        for other in _partners(support, code) if right > 0 else [code]:
            table = cells.copy()
            table[code] *= 1 - share
            table[code, other] += share * support[code]
            tables.append(table)
    return np.array(tables).reshape(-1, classes, classes)


def with_unseen(value: float, low: float, high: float, unseen: Floats) -> tuple[float, float]:
    """The ends widened by the worst and the best of the unseen, distances added in squares (low, high).

    Zou and Donner, Construction of confidence limits about effect measures, Statistics in Medicine 2008.
    """
    unseen = unseen[~np.isnan(unseen)]
    worst, best = (min(value, float(unseen.min())), max(value, float(unseen.max()))) if len(unseen) else (value, value)
    return value - math.hypot(value - low, value - worst), value + math.hypot(high - value, best - value)


def imagined(metric: Metric, data: Predictions, value: float, level: float) -> tuple[float, float]:
    """Ends for a metric of scores where every resample has the same value, such as an area of 1, (low, high).

    As for `unseen_cells`: for one class after another the share of its rows that Wilson's interval allows is imagined
    to have gone otherwise, the scores of two classes swapped, and the interval reaches to the worst and the best.
    """
    assert data.scores is not None
    ends = [value]
    support = data.truth.sum(axis=0)
    for code in np.flatnonzero(support > 0).tolist():
        mask = data.truth[:, code] != 0
        share = _share_unseen(data, code, level)
        truth = data.truth.copy()
        truth[mask] *= 1 - share
        truth = np.concatenate([truth, share * data.truth[mask]])
        for other in _partners(support, code):
            swapped = data.scores[mask].copy()
            swapped[:, [code, other]] = swapped[:, [other, code]]
            scores = np.concatenate([data.scores, swapped])
            ends.append(metric.measure(truth, scores, scores.argmax(axis=1)))
    return float(np.nanmin(ends)), float(np.nanmax(ends))


def _share_unseen(data: Predictions, code: int, level: float) -> float:
    """z^2 / (n + z^2), n the effective rows of the class, or its groups where there are fewer of them."""
    weights = data.truth[:, code]
    n = float(weights.sum() ** 2 / (weights**2).sum())
    if data.groups is not None:
        n = min(n, len(np.unique(data.groups[weights != 0])))
    return 1 - wilson(n, n, level)[0]


def _partners(support: Floats, code: int) -> list[int]:
    others = [int(k) for k in np.argsort(support) if k != code]
    return others if len(others) <= 4 else [others[0], others[-1]]
