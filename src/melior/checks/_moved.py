"""Whether two sets of rows come from the same source: each column, the answers, and all columns together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from melior.checks._slices import shortened
from melior.checks._statistics import count, share
from melior.data.table import Floats, Labels, Rows, Table

FEWEST_EXPECTED = 5.0  # in each cell of a chi-squared test
MOST_VALUES = 50


@dataclass(frozen=True)
class Moved:
    """A column in two parts. distance: the largest difference of the two distribution functions (Kolmogorov-Smirnov)
    for numbers, half the sum of the differences of shares for categories, 0..1; p: that they are the same; said: what
    moved, for people."""

    column: str
    distance: float
    p: float
    said: str


def columns_moved(one: Table, two: Table) -> list[Moved]:
    """Every column that both have and that a model may read, times left out."""
    found = []
    for name, kind in one.schema.kinds.items():
        if name not in two.frame.columns:
            continue
        if kind == "number":
            here, there = one.numbers(name), two.numbers(name)
            found.append(numbers_moved(name, here, there, "missing"))
        elif kind == "text":
            here, there = lengths(one.column(name)), lengths(two.column(name))
            found.append(numbers_moved(f"length of {name}", here, there, "empty", column=name))
        elif kind in ("category", "language"):
            found.append(shares_moved(name, one.column(name), two.column(name)))
    return [moved for moved in found if moved is not None]


def lengths(texts: pl.Series) -> Floats:
    """Characters of each text, nan where there are none."""
    found = texts.str.strip_chars().str.len_chars().cast(pl.Float64).fill_null(0.0).to_numpy()
    return np.where(found == 0, np.nan, found)


def numbers_moved(name: str, here: Floats, there: Floats, gone: str, *, column: str = "") -> Moved | None:
    """Kolmogorov and Smirnov's test of the values that are there, and one of how many are; the smaller p, doubled."""
    if not len(here) or not len(there):
        return None
    known, known_there = here[np.isfinite(here)], there[np.isfinite(there)]
    missing = np.array([len(here) - len(known), len(there) - len(known_there)])
    distance, p, said = 0.0, 1.0, ""
    if min(len(known), len(known_there)) >= FEWEST_EXPECTED:
        test = stats.ks_2samp(known, known_there, method="asymp")
        distance, p = float(test.statistic), float(test.pvalue)
        middle, middle_there = float(np.median(known)), float(np.median(known_there))
        said = f"the middle value of {name!r} went from {count(middle)} to {count(middle_there)}"
        if middle == middle_there:
            said = f"the values of {name!r} are spread otherwise"
    p_missing = table_p(np.array([missing, [len(here), len(there)] - missing]))
    parts = missing / np.array([len(here), len(there)])
    if p_missing < p:
        distance, said = (
            float(abs(parts[0] - parts[1])),
            f"{name!r} is {gone} in {share(parts[0])}, now in {share(parts[1])}",
        )
    return Moved(column or name, distance, min(1.0, 2 * min(p, p_missing)), said)


def shares_moved(name: str, here: pl.Series, there: pl.Series) -> Moved | None:
    """Chi-squared test of the shares of values, missing counted as one, rare ones put together."""
    if not len(here) or not len(there):
        return None
    both = pl.concat([here, there]).fill_null("\0missing")
    codes = both.rank("dense").cast(pl.Int64).to_numpy() - 1
    many = int(codes.max()) + 1
    counts = np.stack([np.bincount(part, minlength=many) for part in np.split(codes, [len(here)])])  # (2, values)
    p, distance, place = counts_moved(counts)
    values = both.gather(np.unique(codes, return_index=True)[1]).to_list()
    value = "a missing value" if values[place] == "\0missing" else repr(shortened(values[place]))
    parts = counts[:, place] / counts.sum(axis=1)
    new = counts[0, place] == 0
    said = f"{value} of {name!r} went from {share(parts[0])} to {share(parts[1])} of the rows"
    if new:
        said = f"{value} of {name!r} is new, with {share(parts[1])} of the rows"
    return Moved(name, distance, p, said)


def counts_moved(counts: NDArray[np.int64]) -> tuple[float, float, int]:
    """(p, half the sum of the differences of shares, the value that moved most) for counts (2, values). Only the
    commonest values and those that are common enough for the test stand alone in it."""
    sizes = counts.sum(axis=1, keepdims=True)
    parts = counts / np.maximum(sizes, 1)
    place = int(np.argmax(np.abs(parts[0] - parts[1])))
    total = counts.sum(axis=0)
    rare = total * sizes.min() / sizes.sum() < FEWEST_EXPECTED
    rare |= total < np.sort(total)[::-1][min(MOST_VALUES, len(total)) - 1]
    kept = counts[:, ~rare]
    if rare.any():
        kept = np.column_stack([kept, counts[:, rare].sum(axis=1)])
    shares = kept / np.maximum(sizes, 1)
    return table_p(kept), float(np.abs(shares[0] - shares[1]).sum() / 2), place


def table_p(counts: NDArray[Any]) -> float:
    """p of a two-way table by chi-squared without the correction for continuity; Fisher's exact test where a cell of
    four expects fewer than five; 1 where there is nothing to compare."""
    counts = counts[:, counts.sum(axis=0) > 0]
    counts = counts[counts.sum(axis=1) > 0]
    if counts.shape[0] < 2 or counts.shape[1] < 2:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    if expected.min() < FEWEST_EXPECTED and counts.shape == (2, 2):
        return float(stats.fisher_exact(counts).pvalue)
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


def holm(values: Floats) -> Floats:
    """p adjusted for all of them (Holm 1979): in rising order times n, n - 1, ..., and never falling."""
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    found = np.empty(len(values))
    found[order] = np.minimum(raised, 1.0)
    return found


@dataclass(frozen=True)
class Told:
    """How well scores tell two parts apart: ROC-AUC with its 95 % interval, and one-sided p that it is one half."""

    auc: float
    low: float
    high: float
    p: float


def told_apart(
    scores: Floats, second: Labels, strata: Rows, generator: np.random.Generator, *, folds: int, times: int
) -> Told:
    """The ROC-AUC among rows of one stratum, averaged with the strata's numbers of pairs as weights.

    scores (rows,) larger for the second part; second (rows,) 1 for it; strata (rows,): rows of different ones are not
    compared. The null: `second` is shuffled within strata `times` times, and p is that of the normal with mean and
    deviation of these rank sums. The interval is that of DeLong (1988). Scores of `folds` folds come from models that
    share training rows, so that their mistakes go together: both deviations are widened by sqrt(1 + k / (k - 1)) for k
    folds (Nadeau and Bengio 2003).
    """
    pairs = areas = variance = 0.0
    placed = np.zeros(len(scores))
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        inside = second[own] == 1
        many, few = int(inside.sum()), int((~inside).sum())
        ranks = stats.rankdata(scores[own])
        placed[own] = ranks
        if not many or not few:
            continue
        area = (ranks[inside].sum() - many * (many + 1) / 2) / (many * few)
        above = (ranks[inside] - stats.rankdata(scores[own][inside])) / few
        below = 1 - (ranks[~inside] - stats.rankdata(scores[own][~inside])) / many
        spread = (above.var(ddof=1) / many if many > 1 else 0.25) + (below.var(ddof=1) / few if few > 1 else 0.25)
        weight = float(many * few)
        pairs += weight
        areas += weight * float(area)
        variance += weight**2 * float(spread)
    if not pairs:
        return Told(0.5, 0.0, 1.0, 1.0)
    wider = float(np.sqrt(1 + folds / (folds - 1)))
    auc, half = areas / pairs, 1.96 * wider * float(np.sqrt(variance)) / pairs
    order = np.argsort(strata, kind="stable")
    # the sum of ranks differs from the weighted area by what shuffling leaves alone
    whole = float(placed[second == 1].sum())
    drawn = np.empty(times)
    sizes = second[order]
    for number in range(times):
        mixed = np.argsort(strata[order] + generator.random(len(order)))
        drawn[number] = placed[order][sizes[mixed] == 1].sum()
    deviation = wider * float(drawn.std(ddof=1))
    p = float(stats.norm.sf((whole - drawn.mean()) / deviation)) if deviation > 0 else 1.0
    return Told(auc, max(0.0, auc - half), min(1.0, auc + half), p)
