"""The judge: which of several candidates, each tried on the same rows as one baseline, is provably better.

Every row that a candidate was scored on has the baseline's score beside it. The rows (or whole groups of rows) are
drawn again a thousand times, the same draws for all candidates, and give for each candidate c the spread se(c) of its
difference d(c). Rows are not all: other training rows would give other models. If the differences of the folds
scatter more than their rows explain (beyond the 95 % point of chi-squared over its k - 1 degrees of freedom, for k
folds), se(c) is widened to that excess. Nadeau and Bengio (Inference for the Generalization Error, Machine Learning
2003) always widen, by sqrt(1 + k n2 / n1) for n2 held-out and n1 training rows of a fold; simulation shows that for
the question asked here (is it better on rows like these, trained on rows like these) rows alone keep the level, and
that widening always costs a third of the power (docs/judge.md has the figures). Where rows, or groups of them, are few,
se(c) is widened for that as well: by sqrt(n / (n - 1)) and the quantile of t, for n units (`few_units`).

    z(c) = d(c) / se(c);  interval d(c) -+ 1.96 se(c)

Many candidates share one baseline, so their errors go together. The adjusted p of c is the share of draws in which the
largest of (d*(c') - d(c')) / se(c') over all candidates c' that were ever begun reaches z(c) (Westfall and Young,
Resampling-Based Multiple Testing, 1993: single-step max-T). Candidates given up early take part in that maximum with
the rows they were scored on, so giving up early cannot make the others look better than they are. Candidates of whom
more is expected may have a larger share of the level: p(c) / weight(c) takes the place of z(c), and the smallest that
of the largest (Genovese, Roeder and Wasserman, False Discovery Control with p-Value Weighting, Biometrika 2006).
Weights that do not depend on the results leave the level over all candidates what it is.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, log_ndtr, ndtr, ndtri

from melior.data.table import Floats, Rows
from melior.evidence import Evidence, Verdict
from melior.metrics import Metric, Predictions
from melior.metrics._base import Kernel, prepare
from melior.metrics._bounds import few_units
from melior.metrics.ordered import independent_units

LEVEL = 0.05
POWER = 0.8
RESAMPLES = 1000
FEWER = 200  # draws of a metric that is a function of Python, which is asked anew for each
AS_EXPECTED = 3.0  # candidates whose folds scatter as their rows explain, which those at hand are taken together with
NO_SPREAD = 1e-12  # and less: no answer is another
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

    def evidence(self, methods: tuple[str, ...], **told: Any) -> Evidence:
        """What is kept of it. told: what else `Evidence` has; a `reason` there goes before its own."""
        return Evidence(**{**asdict(self), "methods": methods, **told})


def compare(
    metric: Metric,
    truth: Floats,
    baseline: Scored | Sequence[Scored],
    candidates: Sequence[Scored],
    *,
    whole: Sequence[bool] | None = None,
    weights: Sequence[float] | None = None,
    margin: float = 0.0,
    allowed: float = 0.0,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Judged]:
    """Judges every candidate against the baseline.

    truth       (rows of the table, classes) label weights: one-hot, or corrected for known label noise
    baseline    one for all candidates, or one for each (a candidate looked at on fewer training rows has its own)
    whole       False for a candidate that was given up before all folds were run: it cannot be accepted
    weights     how much of the level each candidate has, beside the others; None for the same
    margin      the smallest effect that matters: a smaller one is not accepted, and a candidate whose interval lies
                below it is rejected rather than undecided
    allowed     how much worse still counts as no worse: effects, their ends and p are of what is gained beyond minus
                that (non-inferiority, with the same level over all candidates)
    groups      (rows of the table,) rows of one group are drawn together
    """
    if not candidates:
        return []
    baselines = [baseline] * len(candidates) if isinstance(baseline, Scored) else list(baseline)
    pairs = [_paired(metric, truth, one, two) for one, two in zip(baselines, candidates, strict=True)]
    unit = _units(groups, len(truth))
    differences, resampled = _differences(metric, pairs, unit, seed, resamples)
    spread = np.nanstd(resampled, axis=1, ddof=1)
    error = _errors(pairs, spread, unit)
    moved = differences + allowed, resampled + allowed
    return judged(*moved, error=error, whole=whole, weights=weights, margin=0.0 if allowed else margin)


def judged(
    differences: Floats,
    resampled: Floats,
    *,
    error: Floats | None = None,
    whole: Sequence[bool] | None = None,
    weights: Sequence[float] | None = None,
    margin: float = 0.0,
) -> list[Judged]:
    """Judges candidates by their differences to the baseline, positive is better, whatever they are measured in.

    differences  (candidates,)
    resampled    (candidates, draws) the same on rows drawn anew, the same draws for all candidates
    error        (candidates,) standard errors; the spread of the draws unless given
    whole, weights, margin  see `compare`
    """
    candidates = len(differences)
    spread = np.nanstd(resampled, axis=1, ddof=1)
    error = spread if error is None else error
    moving = spread > NO_SPREAD
    standard = (resampled - differences[:, None]) / np.where(moving, spread, 1)[:, None]
    given = np.ones(candidates) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = np.log(given / given.mean())
    surprise = np.where(moving[:, None], shares[:, None] - log_ndtr(-standard), 0.0)  # log(weight / p)
    largest = np.sort(np.nanmax(surprise, axis=0))
    found = []
    for number in range(candidates):
        effect, half = float(differences[number]), float(ndtri(0.975) * error[number])
        complete = whole is None or whole[number]
        if not moving[number] or not np.isfinite(effect):
            unchanged = abs(effect) <= NO_SPREAD  # False where it is not a number
            why = _unmoved(effect, unchanged, complete)
            said = effect if np.isfinite(effect) else 0.0
            found.append(Judged(said, said, said, None, None, "rejected" if unchanged else "undecided", None, why))
            continue
        z = effect / error[number]
        p = float(1 - ndtr(z))
        # the maximum can only be larger than one candidate's own statistic
        beyond = len(largest) - np.searchsorted(largest, shares[number] - log_ndtr(-z), side="left")
        p_adjusted = max(float((beyond + 1) / (len(largest) + 1)), p)
        detectable = float((ndtri(0.975) + ndtri(POWER)) * error[number])
        verdict, why = _verdict(effect, half, p_adjusted, detectable, complete, margin)
        found.append(Judged(effect, effect - half, effect + half, p, p_adjusted, verdict, detectable, why))
    return found


def _unmoved(effect: float, unchanged: bool, complete: bool) -> str:
    """Why nothing is proved where the difference is the same on whatever rows are drawn."""
    if unchanged:
        return "it changes no answer" if complete else "given up early: it changed no answer in its first folds"
    return "every row changes alike" if np.isfinite(effect) else "the metric is undefined on these rows"


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
    """A candidate (`data`) beside its baseline on the same rows, sorted by their numbers."""

    metric: Metric
    data: Predictions
    base: Predictions
    rows: Rows
    fold: NDArray[np.int64]

    @cached_property
    def _kernels(self) -> tuple[Kernel, Kernel]:
        return prepare([self.metric], self.data), prepare([self.metric], self.base)

    def gain(self, counts: Floats) -> Floats:
        """(draws,) candidate minus baseline, positive is better."""
        own, other = self._kernels
        found: Floats = self.metric.gain(1.0) * (own(counts) - other(counts))[0]
        return found

    def some(self, which: NDArray[np.bool_]) -> "_Pair":
        """On some of its rows."""
        data, base = (
            Predictions(one.truth[which], None if one.scores is None else one.scores[which], one.answers[which])
            for one in (self.data, self.base)
        )
        return _Pair(self.metric, data, base, self.rows[which], self.fold[which])


def _paired(metric: Metric, truth: Floats, baseline: Scored, candidate: Scored) -> _Pair:
    base_rows = np.argsort(baseline.rows, kind="stable")
    order = np.argsort(candidate.rows, kind="stable")
    rows = candidate.rows[order]
    # the baseline's answers for the same rows; repeats line up because both are sorted stably
    beside = base_rows[_matching(baseline.rows[base_rows], rows)]
    own = Predictions(truth[rows], candidate.scores[order], candidate.answers[order])
    other = Predictions(truth[rows], baseline.scores[beside], baseline.answers[beside])
    return _Pair(metric, own, other, rows, candidate.fold[order])


def _units(groups: NDArray[np.int64] | None, rows: int) -> NDArray[np.int64]:
    """(rows,) what is drawn as one: the number of each row, or of its group."""
    return np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]


def _differences(
    metric: Metric, pairs: Sequence[_Pair], unit: NDArray[np.int64], seed: int, resamples: int
) -> tuple[Floats, Floats]:
    """Differences (candidates,) on the rows each was scored on, and the same on every draw (candidates, draws)."""
    resamples = min(resamples, FEWER) if metric.slow else resamples
    drawn = None if metric.needs == "scores" else _of_cells(pairs, unit)
    if drawn is None:
        drawn = _Drawn(list(pairs), [unit[pair.rows] for pair in pairs], np.ones(unit.max() + 1))
    times = drawn.times
    total = int(times.sum())
    random = np.random.default_rng([seed, 11])
    at_once = max(1, COUNTS_AT_ONCE // len(times))
    pieces = []
    for start in range(0, resamples, at_once):
        counts = random.multinomial(total, times / total, min(at_once, resamples - start)).astype(np.float64)
        pieces.append(drawn.gains(counts))
    return drawn.gains(times[None, :])[:, 0], np.concatenate(pieces, axis=1)


@dataclass(frozen=True)
class _Drawn:
    """What is drawn: units (rows, groups of rows, or cells of equal rows), each standing for `times` of them, and for
    every candidate the unit of each of its rows."""

    pairs: Sequence[_Pair]
    unit: Sequence[NDArray[np.int64]]
    times: Floats

    def gains(self, counts: Floats) -> Floats:
        """(candidates, draws)"""
        picked: dict[bytes, Floats] = {}  # candidates that were scored on the same rows share their counts
        found = []
        for pair, own in zip(self.pairs, self.unit, strict=True):
            key = own.tobytes()
            if key not in picked:
                whole = len(own) == counts.shape[1] and np.array_equal(own, np.arange(len(own)))
                picked[key] = counts if whole else counts[:, own]
            found.append(pair.gain(picked[key]))
        return np.stack(found)


def _of_cells(pairs: Sequence[_Pair], unit: NDArray[np.int64]) -> _Drawn | None:
    """Rows that every candidate and its baseline answer alike, with the same truth, form a cell. How often the cells
    are drawn is multinomial, so they can be drawn in place of the rows: the same distribution, at less cost the more
    the candidates agree. Groups of several rows stay what they are. None where candidates hardly agree."""
    rows = len(unit)
    truth = np.zeros((rows, pairs[0].data.classes))
    columns: list[Floats] = [truth]
    for pair in pairs:
        truth[pair.rows] = pair.data.truth
        nth = np.arange(len(pair.rows)) - np.searchsorted(pair.rows, pair.rows, side="left")
        for repeat in range(int(nth.max(initial=-1)) + 1):
            own = nth == repeat
            both = np.column_stack([pair.base.answers[own], pair.data.answers[own]])
            column = np.full((rows, both.shape[1]), -1.0)
            column[pair.rows[own]] = both
            columns.append(column)
    alone = np.bincount(unit)[unit] == 1
    singles = np.flatnonzero(alone)
    table = np.ascontiguousarray(np.hstack(columns)[singles] + 0.0)  # + 0.0: minus zero is zero
    keys = table.view(np.dtype((np.void, table.shape[1] * table.itemsize)))[:, 0]
    _, first, cell, times = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    # numbered by their first rows, so that the draws do not depend on the order of the candidates
    by_row = np.argsort(first)
    first, times, cell = first[by_row], times[by_row], np.argsort(by_row)[cell]
    number = np.zeros(rows, dtype=np.int64)
    number[singles] = cell
    number[~alone] = len(first) + np.unique(unit[~alone], return_inverse=True)[1]
    groups = len(np.unique(unit[~alone]))
    if len(first) + groups > rows // 2:
        return None
    standing = ~alone
    standing[singles[first]] = True
    fewer = [pair.some(standing[pair.rows]) for pair in pairs]
    return _Drawn(fewer, [number[pair.rows] for pair in fewer], np.concatenate([times, np.ones(groups)]))


def _errors(pairs: Sequence[_Pair], spread: Floats, unit: NDArray[np.int64]) -> Floats:
    """Standard errors: the spreads of resampled rows, widened for few units and by what folds scatter beyond that.

    How folds scatter tells of one candidate only where it is beyond chance; of all candidates together it tells of what
    they have in common, a family that fits the rows of each fold in its own way (eight trees with other seeds on 300
    rows: the folds scatter 1.22 times as much as the rows explain). What is beyond chance counts up to chance there.
    """
    moving = [number for number, one in enumerate(spread) if one > NO_SPREAD]
    ratios = {number: _scatter(pairs[number], float(spread[number])) for number in moving}
    usual = {number: _usual(pairs[number]) for number in moving}
    known = [min(ratio, usual[number]) for number, ratio in ratios.items() if np.isfinite(ratio)]
    common = (sum(known) + AS_EXPECTED) / (len(known) + AS_EXPECTED)
    found = spread.copy()
    for number in moving:
        beyond = ratios[number] / usual[number] if np.isfinite(ratios[number]) else 1.0
        units = independent_units(unit[pairs[number].rows])
        found[number] *= np.sqrt(max(1.0, common, beyond)) * few_units(units)
    return found


def _usual(pair: _Pair) -> float:
    """What `_scatter` is below in 95 % of the cases where only rows make folds differ."""
    more = max(len(np.unique(pair.fold)) - 1, 1)
    return float(chdtri(more, 0.05)) / more


def _scatter(pair: _Pair, spread: float) -> float:
    """The variance of the mean over folds, as they scatter, over that which resampled rows explain; nan where that is
    not known."""
    numbers = np.unique(pair.fold)
    if len(numbers) < 3:
        return np.nan
    inside = (pair.fold[None, :] == numbers[:, None]).astype(np.float64)
    return float(np.var(pair.gain(inside), ddof=1)) / len(numbers) / spread**2


def _matching(known: Rows, wanted: Rows) -> NDArray[np.int64]:
    """Positions in sorted `known` of sorted `wanted`; the n-th occurrence of a row matches its n-th occurrence."""
    first = np.searchsorted(wanted, wanted, side="left")
    nth = np.arange(len(wanted)) - first
    found: NDArray[np.int64] = np.searchsorted(known, wanted, side="left") + nth
    assert np.array_equal(known[found], wanted)
    return found


def seen_so_far(
    metric: Metric,
    truth: Floats,
    baseline: Scored,
    candidate: Scored,
    *,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """The difference on the rows that were scored so far, positive is better, and its standard error by 200 draws."""
    pair = _paired(metric, truth, baseline, candidate)
    differences, resampled = _differences(metric, [pair], _units(groups, len(truth)), seed, resamples=200)
    return float(differences[0]), float(np.nanstd(resampled[0], ddof=1))
