"""The judge: which of several candidates, each tried on the same rows as one baseline, is provably better.

Every row that a candidate was scored on has the baseline's score beside it. The rows (or whole groups of rows) are
drawn again a thousand times, the same draws for all candidates, and give for each candidate c the spread se(c) of its
difference d(c). Rows are not all: other training rows would give other models. If the differences of the folds
scatter more than their rows explain (beyond the 95 % point of chi-squared over its k - 1 degrees of freedom, for k
folds), se(c) is widened to that excess. Nadeau and Bengio (Inference for the Generalization Error, Machine Learning
2003) always widen, by sqrt(1 + k n2 / n1) for n2 held-out and n1 training rows of a fold; simulation shows that for
the question asked here (is it better on rows like these, trained on rows like these) rows alone keep the level, and
that widening always costs a third of the power (docs/judge.md has the figures).

    z(c) = d(c) / se(c);  interval d(c) -+ 1.96 se(c)

Many candidates share one baseline, so their errors go together. The adjusted p of c is the share of draws in which the
largest of (d*(c') - d(c')) / se(c') over all candidates c' that were ever begun reaches z(c) (Westfall and Young,
Resampling-Based Multiple Testing, 1993: single-step max-T). Candidates given up early take part in that maximum with
the rows they were scored on, so giving up early cannot make the others look better than they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtr, ndtri

from melior.data.table import Floats, Rows
from melior.evidence import Verdict
from melior.metrics import Metric, Predictions
from melior.metrics._base import Kernel, prepare

LEVEL = 0.05
POWER = 0.8
RESAMPLES = 1000
COUNTS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Scored:
    """One recipe's answers for some rows: positions (n,), probabilities (n, classes), class numbers (n,), and the
    fold (n,) that each comes from. A row scored in several repeats stands here several times."""

    rows: Rows
    scores: Floats
    answers: NDArray[np.int32]
    fold: NDArray[np.int64]

    @property
    def folds(self) -> int:
        return len(np.unique(self.fold))


@dataclass(frozen=True)
class Judged:
    """What the judge says of one candidate; the words are those of `Evidence`."""

    effect: float
    low: float
    high: float
    p: float | None
    p_adjusted: float | None
    verdict: Verdict
    detectable: float | None
    reason: str


def compare(
    metric: Metric,
    truth: Floats,
    baseline: Scored | Sequence[Scored],
    candidates: Sequence[Scored],
    *,
    whole: Sequence[bool] | None = None,
    margin: float = 0.0,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Judged]:
    """Judges every candidate against the baseline.

    truth       (rows of the table, classes) label weights: one-hot, or corrected for known label noise
    baseline    one for all candidates, or one for each (a candidate looked at on fewer training rows has its own)
    whole       False for a candidate that was given up before all folds were run: it cannot be accepted
    margin      the smallest effect that matters: a smaller one is not accepted, and a candidate whose interval lies
                below it is rejected rather than undecided
    groups      (rows of the table,) rows of one group are drawn together
    """
    if not candidates:
        return []
    baselines = [baseline] * len(candidates) if isinstance(baseline, Scored) else list(baseline)
    units_of = groups if groups is not None else np.arange(len(truth))
    pairs = [_paired(metric, truth, one, two) for one, two in zip(baselines, candidates, strict=True)]
    differences, resampled = _differences(pairs, units_of, seed, resamples)
    spread = np.nanstd(resampled, axis=1, ddof=1)
    moving = spread > 1e-12
    error = np.array([_widened(pair, se) if se > 1e-12 else se for pair, se in zip(pairs, spread, strict=True)])
    standard = np.where(moving[:, None], (resampled - differences[:, None]) / np.where(moving, spread, 1)[:, None], 0)
    largest = np.sort(np.nanmax(standard, axis=0))
    judged = []
    for number in range(len(candidates)):
        effect, half = float(differences[number]), float(ndtri(0.975) * error[number])
        complete = whole is None or whole[number]
        if not moving[number] or not np.isfinite(effect):
            unchanged = np.isfinite(effect)
            why = "it changes no answer" if unchanged else "the metric is undefined on these rows"
            said = effect if unchanged else 0.0
            judged.append(Judged(said, said, said, None, None, "rejected" if unchanged else "undecided", None, why))
            continue
        z = effect / error[number]
        p = float(1 - ndtr(z))
        # the maximum can only be larger than one candidate's own statistic
        beyond = len(largest) - np.searchsorted(largest, z, side="left")
        p_adjusted = max(float((beyond + 1) / (len(largest) + 1)), p)
        detectable = float((ndtri(0.975) + ndtri(POWER)) * error[number])
        verdict, why = _verdict(effect, half, p_adjusted, detectable, complete, margin)
        judged.append(Judged(effect, effect - half, effect + half, p, p_adjusted, verdict, detectable, why))
    return judged


def _verdict(
    effect: float, half: float, p_adjusted: float, detectable: float, complete: bool, margin: float
) -> tuple[Verdict, str]:
    if not complete:
        return "rejected", "given up early: after its first folds no gain was in reach"
    if effect - half > 0 and p_adjusted < LEVEL and effect >= margin:
        return "accepted", f"better, and chance alone would show this in {p_adjusted:.1%} of cases at most"
    if effect + half < max(margin, 0.25 * detectable):
        if effect + half < 0:
            return "rejected", "it makes the score worse"
        return "rejected", "a gain that matters is ruled out"
    if effect - half > 0 and p_adjusted < LEVEL:
        return "rejected", f"better, but by less than {margin:g}, the smallest effect that matters"
    return "undecided", f"not proved: these rows could have shown a gain of {detectable:.3f}"


@dataclass(frozen=True)
class _Pair:
    """A candidate beside its baseline on the same rows: the metric of each as a function of counts (draws, rows)."""

    own: Kernel
    other: Kernel
    rows: Rows
    fold: NDArray[np.int64]
    sign: int

    def gain(self, counts: Floats) -> Floats:
        """(draws,) candidate minus baseline, positive is better."""
        found: Floats = self.sign * (self.own(counts) - self.other(counts))[0]
        return found


def _paired(metric: Metric, truth: Floats, baseline: Scored, candidate: Scored) -> _Pair:
    base_rows = np.argsort(baseline.rows, kind="stable")
    order = np.argsort(candidate.rows, kind="stable")
    rows = candidate.rows[order]
    # the baseline's answers for the same rows; repeats line up because both are sorted stably
    beside = base_rows[_matching(baseline.rows[base_rows], rows)]
    own = Predictions(truth[rows], candidate.scores[order], candidate.answers[order])
    other = Predictions(truth[rows], baseline.scores[beside], baseline.answers[beside])
    sign = 1 if metric.greater_is_better else -1
    return _Pair(prepare([metric], own), prepare([metric], other), rows, candidate.fold[order], sign)


def _differences(
    pairs: Sequence[_Pair], units_of: NDArray[np.int64], seed: int, resamples: int
) -> tuple[Floats, Floats]:
    """Differences (candidates,) on the rows each was scored on, and the same on every draw (candidates, draws)."""
    distinct, unit = np.unique(units_of, return_inverse=True)
    where = [unit[pair.rows] for pair in pairs]
    random = np.random.default_rng([seed, 11])
    at_once = max(1, COUNTS_AT_ONCE // max(len(distinct), 1))
    pieces = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        counts = random.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), size).astype(np.float64)
        pieces.append(np.stack([pair.gain(counts[:, own]) for pair, own in zip(pairs, where, strict=True)]))
    as_they_are = np.array([float(pair.gain(np.ones((1, len(pair.rows))))[0]) for pair in pairs])
    return as_they_are, np.concatenate(pieces, axis=1)


def _widened(pair: _Pair, spread: float) -> float:
    """The standard error, widened where folds scatter more than their rows explain."""
    numbers = np.unique(pair.fold)
    if len(numbers) < 3:
        return spread
    inside = (pair.fold[None, :] == numbers[:, None]).astype(np.float64)
    gains = pair.gain(inside)
    of_folds = float(np.var(gains, ddof=1)) / len(numbers)
    if not np.isfinite(of_folds):
        return spread
    usual = float(chdtri(len(numbers) - 1, 0.05)) / (len(numbers) - 1)
    return float(spread * max(1.0, np.sqrt(of_folds / (spread**2 * usual))))


def _matching(known: Rows, wanted: Rows) -> NDArray[np.int64]:
    """Positions in sorted `known` of sorted `wanted`; the n-th occurrence of a row matches its n-th occurrence."""
    first = np.searchsorted(wanted, wanted, side="left")
    nth = np.arange(len(wanted)) - first
    found: NDArray[np.int64] = np.searchsorted(known, wanted, side="left") + nth
    assert np.array_equal(known[found], wanted)
    return found


def hopeless(
    metric: Metric,
    truth: Floats,
    baseline: Scored,
    candidate: Scored,
    *,
    share: float,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> bool:
    """True when a candidate scored on a `share` of all rows has less than a 5 % chance to be accepted in the end, even
    if its true effect is one standard error above what was seen (conditional power; Lan and Wittes 1988)."""
    pair = _paired(metric, truth, baseline, candidate)
    differences, resampled = _differences(
        [pair], np.arange(len(truth)) if groups is None else groups, seed, resamples=200
    )
    seen, spread = float(differences[0]), float(np.nanstd(resampled[0], ddof=1))
    if spread < 1e-12:
        return True
    if share >= 1 or not np.isfinite(seen):
        return False
    final_error = spread * np.sqrt(share)  # once all rows are scored
    needed = float(ndtri(0.975)) * final_error
    expected = share * seen + (1 - share) * (seen + spread)
    return bool(1 - ndtr((needed - expected) / (final_error * np.sqrt(1 - share))) < 0.05)
