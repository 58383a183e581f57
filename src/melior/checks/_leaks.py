"""Too good, or simply good? What one column says of the answer, beside what all the others say.

The yardstick is a copy of the answer with a share w of its values wrong: it explains 1 - H(w)/H(y) of the answer's
entropy. Three marks tell a copy from a strong honest column:

alone   it explains as much as such a copy, and more than all other columns together (paired over rows)
flat    it errs as often where it is sure as where it is not. An honest measurement errs near its boundary; how much,
        is known from classes that are Gaussians on a line, as far apart as gives the same share of errors
apart   its errors have nothing to do with the other columns. Causes that add up err where the others point the other
        way, symptoms of one cause err on the same difficult rows; a copy errs anywhere.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

from melior.data.table import Floats, Labels, Rows

LOOSE_COPY = 0.13  # share of wrong values up to which a column with few values counts as a copy
CLOSE_COPY = 0.05  # the same for a column that grades
NEARLY_THE_ANSWER = 0.9  # share of the entropy: a copy with about 1 value in 100 wrong
FEW_VALUES = 10
FEWEST_ERRORS = 4
SIDED = 0.75  # how well the side in a clump tells errors from hits (AUC), where the level within it matters
EMPTY = 1.5  # standard deviations of a clump, that the room between two clumps is wide
MOST_UNSURE = 0.15  # standard error of an AUC from which nothing can be told


def copy_explains(wrong: float, counts: np.ndarray) -> float:
    """Share of the entropy of classes with these counts that a copy explains whose values are wrong (any other class,
    equally often) with this probability."""
    shares = counts[counts > 0] / counts.sum()
    classes = len(shares)
    if classes < 2:
        return 1.0
    noise = np.full((classes, classes), wrong / (classes - 1))
    np.fill_diagonal(noise, 1 - wrong)
    joint = shares[:, None] * noise
    seen = joint.sum(axis=0)
    information = (joint * np.log(np.maximum(joint, 1e-300) / (shares[:, None] * seen))).sum()
    return float(information / -(shares * np.log(shares)).sum())


def auc_with_error(values: Floats, positive: np.ndarray) -> tuple[float, float]:
    """P(value of a positive > value of another), and its standard error under no relation (Mann-Whitney)."""
    many, others = int(positive.sum()), int((~positive).sum())
    if not many or not others:
        return 0.5, 0.5
    ranks = stats.rankdata(values)
    area = (ranks[positive].sum() - many * (many + 1) / 2) / (many * others)
    return float(area), float(np.sqrt((many + others + 1) / (12 * many * others)))


@lru_cache(maxsize=256)
def graded_auc(wrong: float, classes: int) -> float:
    """How well doubt tells errors from hits (AUC) for equally frequent Gaussian classes on a line, in the middle of
    which the best guess errs with this probability."""

    def line(distance: float) -> tuple[float, float]:
        x = np.linspace(-6, (classes - 1) * distance + 6, 4001)
        densities = stats.norm.pdf(x[:, None] - np.arange(classes) * distance)
        weight = densities.sum(axis=1)
        sure = densities.max(axis=1) / np.maximum(weight, 1e-300)
        weight /= weight.sum()
        error = float((weight * (1 - sure)).sum())
        order = np.argsort(-sure)
        hits, misses = (weight * sure)[order], (weight * (1 - sure))[order]
        area = ((np.cumsum(hits) - hits / 2) * misses).sum() / (hits.sum() * max(misses.sum(), 1e-300))
        return error, float(area)

    wrong = min(max(wrong, 1e-4), 0.95 * (1 - 1 / classes))
    distance = optimize.brentq(lambda d: line(d)[0] - wrong, 1e-3, 12.0, xtol=1e-4)
    return line(float(distance))[1]


def clumps(values: Floats, counts: np.ndarray) -> Rows | None:
    """(rows,) which clump a number stands in, where numbers stand in as many clumps as there are classes, with empty
    room between them; what is missing is a clump of its own. None where they do not, and where a clump has less than
    half of the rows of the rarest class.

    A measurement that errs has values near its boundary; where that room is empty, a copy with errors is likelier.
    """
    classes = int(np.count_nonzero(counts))
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    if len(ordered) < 2 * classes:
        return None
    room = np.diff(ordered)
    cuts = np.sort(np.argsort(-room, kind="stable")[: classes - 1])
    pieces = np.split(ordered, cuts + 1)
    if min(map(len, pieces)) < counts[counts > 0].min() / 2:
        return None
    if room[cuts].min() <= EMPTY * max(float(piece.std()) for piece in pieces):
        return None
    found = np.full(len(values), classes, dtype=np.int64)
    found[known] = np.searchsorted(ordered[cuts], values[known], side="left")
    return found


def flat_within(values: Floats, groups: Rows, errs: np.ndarray) -> bool:
    """Whether the errors stand anywhere in their clumps, and not rather on the side of the next one, as those of a
    measurement of two populations would."""
    inside = np.zeros(len(values))
    middles = np.array([values[groups == group].mean() for group in range(groups.max() + 1)])
    last = len(middles) - 1 - int(np.isnan(middles[-1]))  # what is missing has no side
    for group, middle in enumerate(middles[: last + 1]):
        own = groups == group
        off = values[own] - middle
        inside[own] = off if group == 0 else -off if group == last else np.abs(off)
    doubt, error = within(inside, errs, groups)
    return doubt + 1.64 * error < (0.5 + SIDED) / 2 + 0.02


@dataclass(frozen=True)
class Marks:
    """flat, apart: whether the column bears the mark; doubt and elsewhere are the AUCs behind them, nan where there
    are too few errors to say."""

    wrong: float
    flat: bool
    doubt: float
    apart: bool
    elsewhere: float


def marks(alone: Floats, rest: Floats | None, labels: Labels, classes: int) -> Marks:
    """alone, rest (rows, classes): out-of-fold scores from the column, and from all others (None where there are
    none)."""
    guess = alone.argmax(axis=1)
    errs = guess != labels
    wrong = float(errs.mean())
    if errs.sum() < FEWEST_ERRORS:
        return Marks(wrong, False, float("nan"), False, float("nan"))
    # within each guess, so that a class that is guessed wrong more often does not look like a grade
    doubt, doubt_error = within(-alone[np.arange(len(labels)), guess], errs, guess)
    expected = graded_auc(round(wrong, 3), classes)
    flat = doubt + 1.64 * doubt_error < (0.5 + expected) / 2 + 0.02
    if rest is None:
        return Marks(wrong, flat, doubt, False, float("nan"))
    elsewhere, error = within(-rest[np.arange(len(labels)), labels], errs, labels)
    apart = abs(elsewhere - 0.5) < 1.96 * error and error < MOST_UNSURE
    return Marks(wrong, flat, doubt, apart, elsewhere)


def within(values: Floats, positive: np.ndarray, strata: np.ndarray) -> tuple[float, float]:
    """AUC within strata, averaged by what each knows, and its standard error."""
    areas, weights = [], []
    for stratum in np.unique(strata):
        inside = strata == stratum
        if positive[inside].any() and not positive[inside].all():
            area, error = auc_with_error(values[inside], positive[inside])
            areas.append(area)
            weights.append(1 / error**2)
    if not areas:
        return 0.5, 0.5
    return float(np.average(areas, weights=weights)), float(np.sum(weights) ** -0.5)
