"""The judge: which of several candidates, each tried on the same rows as one baseline, is provably better.

Every row that a candidate was scored on has the baseline's score beside it; the rows (or whole groups of rows) are
drawn again a few hundred times, the same draws for all candidates, and give for each candidate c the spread se(c) of
its difference d(c). Rows are not all: another training set would give other models. The part of the variance that
comes from that is added as Nadeau and Bengio (Inference for the Generalization Error, Machine Learning 2003) do: the
variance over rows of k folds with n2 held-out and n1 training rows each is multiplied by 1 + k n2 / n1.

    z(c) = d(c) / (se(c) sqrt(1 + k n2 / n1))

Many candidates share one baseline, so their errors go together. The adjusted p of c is the share of draws in which the
largest of (d*(c') - d(c')) / se(c') over all candidates c' that were ever begun reaches z(c) (Westfall and Young,
Resampling-Based Multiple Testing, 1993: single-step max-T). Candidates given up early take part in that maximum with
the rows they were scored on, so giving up early cannot make the others look better than they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

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
    """One recipe's answers for some rows: positions (n,), probabilities (n, classes), class numbers (n,), and from
    how many folds they come. A row scored in several repeats stands here several times."""

    rows: Rows
    scores: Floats
    answers: NDArray[np.int32]
    folds: int


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
    test_ratio: float,
    whole: Sequence[bool] | None = None,
    margin: float = 0.0,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Judged]:
    """Judges every candidate against the baseline.

    truth       (rows of the table, classes) label weights: one-hot, or corrected for known label noise
    baseline    one for all candidates, or one for each (a candidate looked at on fewer training rows has its own)
    test_ratio  held-out rows of a fold over its training rows
    whole       False for a candidate that was given up before all folds were run: it cannot be accepted
    margin      the smallest effect that matters: a smaller one is not accepted, and a candidate whose interval lies
                below it is rejected rather than undecided
    groups      (rows of the table,) rows of one group are drawn together
    """
    if not candidates:
        return []
    baselines = [baseline] * len(candidates) if isinstance(baseline, Scored) else list(baseline)
    units_of = groups if groups is not None else np.arange(len(truth))
    differences, resampled = _differences(metric, truth, baselines, candidates, units_of, seed, resamples)
    spread = np.nanstd(resampled, axis=1, ddof=1)
    inflation = np.array([np.sqrt(1 + entry.folds * test_ratio) for entry in candidates])
    error = spread * inflation
    moving = spread > 1e-12
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


def _differences(
    metric: Metric,
    truth: Floats,
    baselines: Sequence[Scored],
    candidates: Sequence[Scored],
    units_of: NDArray[np.int64],
    seed: int,
    resamples: int,
) -> tuple[Floats, Floats]:
    """Differences (candidates,) on the rows each was scored on, and the same on every draw (candidates, draws)."""
    distinct, unit = np.unique(units_of, return_inverse=True)
    pairs: list[tuple[Kernel, Kernel, NDArray[np.int64]]] = []
    for baseline, entry in zip(baselines, candidates, strict=True):
        base_rows = np.argsort(baseline.rows, kind="stable")
        order = np.argsort(entry.rows, kind="stable")
        rows = entry.rows[order]
        # the baseline's answers for the same rows; repeats line up because both are sorted stably
        beside = base_rows[_matching(baseline.rows[base_rows], rows)]
        own = Predictions(truth[rows], entry.scores[order], entry.answers[order])
        other = Predictions(truth[rows], baseline.scores[beside], baseline.answers[beside])
        pairs.append((prepare([metric], own), prepare([metric], other), unit[rows]))
    random = np.random.default_rng([seed, 11])
    draws = max(1, COUNTS_AT_ONCE // max(len(distinct), 1))

    def measured(counts: Floats) -> Floats:
        return np.stack([(one(counts[:, where]) - two(counts[:, where]))[0] for one, two, where in pairs])

    pieces = [measured(np.ones((1, len(distinct))))]  # the rows as they are
    for start in range(0, resamples, draws):
        size = min(draws, resamples - start)
        counts = random.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), size)
        pieces.append(measured(counts.astype(np.float64)))
    found = np.concatenate(pieces, axis=1)
    found = found if metric.greater_is_better else -found
    return found[:, 0], found[:, 1:]


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
    folds: int,
    test_ratio: float,
    seed: int = 0,
) -> bool:
    """True when a candidate scored on some of the folds has less than a 5 % chance to be accepted after all of them,
    even if its true effect is one standard error above what was seen (conditional power; Lan and Wittes 1988)."""
    differences, resampled = _differences(
        metric, truth, [baseline], [candidate], np.arange(len(truth)), seed, resamples=200
    )
    done = candidate.folds / folds
    spread = float(np.nanstd(resampled[0], ddof=1))
    if done >= 1 or spread < 1e-12 or not np.isfinite(differences[0]):
        return spread < 1e-12
    hoped = float(differences[0]) + spread
    final_error = spread * np.sqrt(done)  # spread over rows once all folds are scored
    needed = float(ndtri(0.975)) * final_error * np.sqrt(1 + folds * test_ratio)
    expected = done * float(differences[0]) + (1 - done) * hoped
    chance = 1 - ndtr((needed - expected) / (final_error * np.sqrt(1 - done)))
    return bool(chance < 0.05)
