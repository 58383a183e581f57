"""Two models that are there already, on rows that neither of them learned: which is better, and by how much.

It is the judge of `improve` (`melior.trials.judge`) with one candidate that is asked both ways. For metric m the rows,
or whole groups or blocks of them, are drawn again, the same draws for both models and all metrics,

    d(m) = metric of B - metric of A, positive where B is better;  se(m) the spread of d over the draws, widened for few
    units (`few_units`);  interval d -+ 1.96 se;  p(m) = 2 (1 - Phi(|d| / se))

and where several metrics are asked for, the adjusted p of one is the share of draws in which the largest |d* - d| / se
over all of them reaches its own (max-T, both ways: Westfall and Young 1993). Nothing is widened by folds: what is
judged are these two models, not the procedures that made them.

That B is no worse than A by more than a margin is shown where the low end of the interval is above minus the margin:
one-sided 97.5 %, as is usual for non-inferiority (ICH E9, Statistical Principles for Clinical Trials, 1998). An
interval above 0 shows that B is better, without a further price (CPMP/EWP/482/99, 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from melior.data.table import Floats
from melior.metrics import Interval, Metric, Predictions, bootstrap
from melior.metrics._base import prepare
from melior.metrics._bounds import few_units, wilson
from melior.metrics._resample import draws
from melior.metrics.ordered import independent_units
from melior.progress import Progress, silent
from melior.trials.judge import POWER, Judged, judged

Verdict = Literal["b_better", "a_better", "no_worse", "alike", "same", "not_proved"]

RESAMPLES = 2000
FEWEST_RESAMPLES = 400
WORK = 400_000_000  # rows x classes x resamples that metrics of probabilities may cost: some ten seconds on one core
STILL = 1e-12


@dataclass(frozen=True)
class Measure:
    """A metric that is no `Metric` of rows and classes: its name, and which way is better."""

    name: str
    title: str
    greater_is_better: bool


@dataclass(frozen=True)
class MetricDifference:
    """A metric of both models, and what B gains.

    a, b        the values with their 95 % intervals
    difference  B minus A with its sign set so that positive is better for B, with its 95 % interval
    p           two-sided, that there is no difference; None where nothing moves it
    p_adjusted  the same for all metrics that were asked for together; None for the others
    detectable  the difference that these rows would have shown four times in five
    """

    name: str
    title: str
    greater_is_better: bool
    a: Interval
    b: Interval
    difference: Interval
    p: float | None
    p_adjusted: float | None
    detectable: float | None
    verdict: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        shown = {name: getattr(self, name).to_dict() for name in ("a", "b", "difference")}
        names = ("name", "title", "greater_is_better", "p", "p_adjusted", "detectable", "verdict")
        return {**{name: getattr(self, name) for name in names}, **shown}


def metric_differences(
    metrics: Sequence[Metric],
    a: Predictions,
    b: Predictions,
    *,
    asked: Sequence[str],
    margin: float = 0.0,
    non_inferior: float | None = None,
    alone: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress = silent,
) -> list[MetricDifference]:
    """Every metric of both, in the order given, with a verdict on those that were asked for.

    a, b          the same rows in the same order; those of one of `a.groups` are drawn together
    asked         names of the metrics that the verdict is about: their p is adjusted for all of them
    margin        the smallest difference that matters, >= 0, in the units of the metrics
    non_inferior  by how much B may be worse at most; None: it is asked which is better
    alone         (rows,) the groups for the interval of each model by itself; those of `a` unless given
    """
    if any(metric.needs == "scores" for metric in metrics):
        resamples = min(resamples, max(FEWEST_RESAMPLES, WORK // max(1, a.rows * a.classes)))
    values, drawn, units = drawn_metrics(metrics, a, b, resamples=resamples, seed=seed, progress=progress)
    progress("intervals", 0, 2)
    own = []
    for number, one in enumerate((a, b)):
        found = bootstrap(metrics, one, resamples=resamples, seed=seed, groups=alone)
        own.append([found[metric.name] for metric in metrics])
        progress("intervals", number + 1, 2)
    return weighed(
        metrics, own, values, drawn, units=units, asked=asked, margin=margin, non_inferior=non_inferior
    )  # fmt: skip


def weighed(
    metrics: Sequence[Metric | Measure],
    own: Sequence[Sequence[Interval]],
    values: Floats,
    drawn: Floats,
    *,
    units: float,
    asked: Sequence[str],
    margin: float,
    non_inferior: float | None,
) -> list[MetricDifference]:
    """The differences of metrics, however they were measured.

    own     of A and of B, each metric with its interval    values  (2, metrics), of A and of B
    drawn   (2, metrics, draws), on rows drawn anew          units   how many independent ones are drawn
    """
    signs = np.array([1.0 if metric.greater_is_better else -1.0 for metric in metrics])
    gains = signs * (values[1] - values[0]) + 0.0
    moved = signs[:, None] * (drawn[1] - drawn[0])
    error = np.array([_spread(row) for row in moved])
    for place in np.flatnonzero((error < STILL) & (np.abs(gains) > STILL) & np.isfinite(gains)).tolist():
        error[place], moved[place] = _of_constant(float(gains[place]), units, moved.shape[1])
    error = np.where(error > STILL, error * few_units(units), error)
    both = _asked_both_ways(metrics, asked, gains, moved, error, margin)
    found = []
    for place, metric in enumerate(metrics):
        gain, se = float(gains[place]), float(error[place])
        half = float(ndtri(0.975)) * se if se > STILL else 0.0
        one = both.get(metric.name)
        moves = se > STILL and bool(np.isfinite(gain))
        adjusted = [side.p_adjusted for side in one or () if side.p_adjusted is not None]
        found.append(
            MetricDifference(
                metric.name,
                metric.title,
                metric.greater_is_better,
                own[0][place],
                own[1][place],
                Interval(gain, gain - half, gain + half),
                float(2 * ndtr(-abs(gain) / se)) if moves else None,
                min(adjusted) if adjusted and moves else None,
                float(ndtri(0.975) + ndtri(POWER)) * se if moves else None,
                _verdict(one, margin, non_inferior) if one else "not_proved" if metric.name in asked else None,
            )
        )
    return found


def drawn_metrics(
    metrics: Sequence[Metric],
    a: Predictions,
    b: Predictions,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Floats, Floats, float]:
    """The metrics of both (2, metrics), the same on rows drawn anew (2, metrics, draws), and how many units of equal
    size the rows, or the groups of `a`, are worth."""
    drawn = draws([a, b], resamples, seed, needs_scores=any(metric.needs == "scores" for metric in metrics))
    kernels = [prepare(metrics, entry) for entry in drawn.entries]
    values = np.stack([kernel(drawn.whole)[:, 0] for kernel in kernels])
    pieces, done = [], 0
    for block in drawn.blocks():
        progress("drawing the rows again", done, resamples)
        pieces.append(np.stack([kernel(block) for kernel in kernels]))
        done += len(block)
    progress("drawing the rows again", resamples, resamples)
    units = float(a.rows) if a.groups is None else independent_units(np.unique(a.groups, return_inverse=True)[1])
    return values, np.concatenate(pieces, axis=2), units


def _spread(drawn: Floats) -> float:
    """Of draws (draws,), some of which may be undefined; nan where most are."""
    defined = drawn[~np.isnan(drawn)]
    return float(defined.std(ddof=1)) if len(defined) > len(drawn) / 2 else float("nan")


def _of_constant(gain: float, units: float, resamples: int) -> tuple[float, Floats]:
    """The error, and draws (draws,), of a difference that every unit shows alike, so that no draw moves it: Wilson's
    interval of n units out of n still allows z^2 / (n + z^2) of them to show the opposite."""
    otherwise = 1 - wilson(units, units)[0]
    error = 2 * abs(gain) * otherwise / float(ndtri(0.975))
    return error, gain + error * ndtri((np.arange(resamples) + 0.5) / resamples)


def _asked_both_ways(
    metrics: Sequence[Metric | Measure],
    asked: Sequence[str],
    gains: Floats,
    moved: Floats,
    error: Floats,
    margin: float,
) -> dict[str, tuple[Judged, Judged]]:
    """What the judge says of B against A, and of A against B, for each metric that was asked for; all together. Those
    that are not defined on these rows are left out."""
    names = [metric.name for metric in metrics]
    asked = [name for name in asked if np.isfinite(gains[names.index(name)])]
    if not asked:
        return {}
    which = [names.index(name) for name in asked]
    found = judged(
        np.concatenate([gains[which], -gains[which]]),
        np.concatenate([moved[which], -moved[which]]),
        error=np.concatenate([error[which], error[which]]),
        margin=margin,
    )
    return {name: (found[at], found[len(which) + at]) for at, name in enumerate(asked)}


def _verdict(both: tuple[Judged, Judged], margin: float, non_inferior: float | None) -> Verdict:
    for_b, for_a = both
    if for_b.p is None:
        return "same" if for_b.verdict == "rejected" else "not_proved"
    if for_b.verdict == "accepted":
        return "b_better"
    if non_inferior is not None:
        if for_b.low > -non_inferior:
            return "no_worse"
        return "a_better" if for_b.high < -non_inferior else "not_proved"
    if for_a.verdict == "accepted":
        return "a_better"
    return "alike" if margin and max(-for_b.low, for_b.high) < margin else "not_proved"


def together(found: Sequence[MetricDifference], non_inferior: float | None = None) -> Verdict:
    """One verdict on several metrics. B (or A) is better where it is in one of them, and the other in none; their p are
    adjusted for that. B is no worse where it is in all: a claim on all at once needs no adjustment (Berger,
    Multiparameter hypothesis testing and acceptance sampling, Technometrics 1982)."""
    said = {one.verdict for one in found}
    if len(said) == 1:
        return found[0].verdict or "not_proved"
    if non_inferior is not None:
        return "a_better" if "a_better" in said else "not_proved" if "not_proved" in said else "no_worse"
    if ("b_better" in said) != ("a_better" in said):
        return "b_better" if "b_better" in said else "a_better"
    return "alike" if said <= {"alike", "same"} else "not_proved"
