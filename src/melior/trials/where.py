"""Where two models differ: class by class, and slice by slice of the rows.

The share of a part (a class, a slice) that is answered right is a sum over rows over its size, so what B gains there is
a sum, too: D(u, s) over the rows of unit u (a row, a group, a block) that are in part s. Its error is linearised,

    d(s) = sum_u D(u, s) / W(s),  se(s) = sqrt(sum_u (D(u, s) - d(s) W(u, s))^2) / W(s),  W: how many rows

widened for few units. Parts are many and some are small, and then nothing is normal: whether a difference is proved is
asked by flipping signs. If both models were as good in every part, each unit would as well have shown the opposite, so

    z(s) = sum_u D(u, s) / sqrt(sum_u D(u, s)^2),   z*(s) the same with a random sign for each unit

and the adjusted p of s is the share of 2,000 flips in which the largest z* of all parts reaches z(s) (max-T, Westfall
and Young 1993). For answers that are right or wrong, on independent rows, this is exact, and for one part it is
McNemar's exact test, the sign test on rows that only one of the two answers right (McNemar, Psychometrika 1947); for
sums of groups and blocks it holds where they are symmetric, and about so elsewhere (Romano, On the behavior of
randomization tests without a group invariance assumption, JASA 1990).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri

from melior.checks._languages import OTHER, languages_of
from melior.checks._slices import shortened
from melior.data.table import Floats, Table
from melior.metrics import Interval, Predictions
from melior.metrics._bounds import few_units, wilson
from melior.trials.judge import LEVEL

FLIPS = 2000
MOST_NAMED = 12
NUMBERS_AT_ONCE = 4_000_000
FEWEST_ROWS = 20  # of a slice
MOST_VALUES, MOST_COLUMNS = 40, 60  # values of a column, the commonest, and columns that are cut into slices
MOST_READ = 20_000  # rows whose language is read off their texts
SAME = 1e-9


@dataclass(frozen=True)
class PartDifference:
    """A class or a slice: its rows, the share of them that each model answers right (0..1; of language models the bits
    per byte), what B gains there with its 95 % interval, and the p of that, adjusted for all parts that were looked at
    (None where nothing differs)."""

    name: str
    rows: int
    a: float
    b: float
    difference: Interval
    p_adjusted: float | None

    def to_dict(self) -> dict[str, Any]:
        names = ("name", "rows", "a", "b", "p_adjusted")
        return {**{name: getattr(self, name) for name in names}, "difference": self.difference.to_dict()}


@dataclass(frozen=True)
class Slices:
    """Overlapping parts of the rows: inside (rows, slices) 1 where a row is in a slice."""

    names: tuple[str, ...]
    inside: sparse.csr_matrix


def by_class(a: Predictions, b: Predictions, classes: Sequence[str], seed: int = 0) -> list[PartDifference]:
    """The recall of each class (the share of its rows that is answered so) of both models; classes without rows are
    left out. Where a row may have several labels, the share of all rows in which the label is answered right."""
    sizes = a.truth.sum(axis=0)
    kept = np.flatnonzero(sizes > SAME).tolist()
    if a.multilabel:
        inside = np.ones((a.rows, len(kept)))
        right = [(one.answers == one.truth)[:, kept].astype(np.float64) for one in (a, b)]
    else:
        inside = a.truth[:, kept]
        right = [inside * (one.answers[:, None] == np.array(kept)) for one in (a, b)]
    counted = [round(float(sizes[code])) for code in kept]
    names = [classes[code] for code in kept]
    own, one, other = (sparse.csr_matrix(each) for each in (inside, *right))
    return differences(names, counted, own, one, other, _units(a), seed=seed)


def by_slice(a: Predictions, b: Predictions, slices: Slices, seed: int = 0) -> list[PartDifference]:
    """The share of answers that is right in each slice of both models, and one-sided whether B is worse there."""
    one, other = (slices.inside.multiply(share_right(each)[:, None]).tocsr() for each in (a, b))
    counted = np.asarray((slices.inside > 0).sum(axis=0)).ravel().astype(int).tolist()
    return differences(slices.names, counted, slices.inside, one, other, _units(a), seed=seed, worse=True)


def worse_slices(a: Predictions, b: Predictions, slices: Slices, seed: int = 0) -> list[PartDifference]:
    """The slices in which B is provably worse, the clearest first, at most 12. Slices overlap, and one in which B is
    worse makes those worse that share its rows: a further one is named only where its other rows pass alone."""
    whole = found = by_slice(a, b, slices, seed)
    named: list[PartDifference] = []
    left = slices.inside
    while len(named) < MOST_NAMED:
        worse = [
            at
            for at, (one, first) in enumerate(zip(found, whole, strict=True))
            if max(_p(one), _p(first)) < LEVEL and first not in named
        ]
        if not worse:
            break
        clearest = min(worse, key=lambda at: (_p(found[at]), found[at].difference.value / found[at].difference.width))
        named.append(whole[clearest])
        other = np.asarray(slices.inside[:, [clearest]].todense()).ravel() == 0
        left = left.multiply(other[:, None]).tocsr()
        found = by_slice(a, b, Slices(slices.names, left), seed)
    return named


def _p(one: PartDifference) -> float:
    return 1.0 if one.p_adjusted is None else one.p_adjusted


def differences(
    names: Sequence[str],
    rows: Sequence[int],
    inside: sparse.csr_matrix,
    a: sparse.csr_matrix,
    b: sparse.csr_matrix,
    units: NDArray[np.int64],
    *,
    seed: int = 0,
    worse: bool = False,
    less_is_better: bool = False,
) -> list[PartDifference]:
    """What B gains in each part.

    inside  (rows, parts) what each row counts in each part    a, b  (rows, parts) what each model has of that
    units   (rows,) rows of one number are flipped together    worse only whether B is worse is asked, else both ways
    less_is_better  where a and b are losses; the difference is turned, so that positive is better for B
    """
    if not len(names):
        return []
    number = np.unique(units, return_inverse=True)[1]
    summed = sparse.csr_matrix((np.ones(len(number)), (number, np.arange(len(number)))))  # (units, rows)
    better = a - b if less_is_better else b - a
    gains, weights = (summed @ better).tocsr(), (summed @ inside).tocsr()
    size = np.maximum(_total(weights), SAME)  # of a part whose rows are all gone nothing is said
    gained = _total(gains) / size
    squares, crossed, whole = (
        _total(one) for one in (gains.multiply(gains), gains.multiply(weights), weights.power(2))
    )
    left = np.maximum(squares - 2 * gained * crossed + gained**2 * whole, 0.0)
    worth = size**2 / np.maximum(whole, SAME)  # independent units of equal size that would say as much
    p_adjusted = _flipped(gains, np.sqrt(squares), seed, worse)
    shares = [_total(one) / size for one in (a, b)]
    found = []
    for at, name in enumerate(names):
        error = float(np.sqrt(left[at]) / size[at])
        if (
            error < SAME < abs(gained[at])
        ):  # every unit shows the same: Wilson's interval allows some to show the opposite
            error = 2 * abs(float(gained[at])) * (1 - wilson(worth[at], worth[at])[0]) / float(ndtri(0.975))
        half = float(ndtri(0.975)) * error * few_units(float(worth[at])) if error > SAME else 0.0
        gain = float(gained[at]) + 0.0
        difference = Interval(gain, gain - half, gain + half)
        found.append(
            PartDifference(name, rows[at], float(shares[0][at]), float(shares[1][at]), difference, p_adjusted[at])
        )
    return found


def _flipped(gains: sparse.csr_matrix, norms: Floats, seed: int, worse: bool) -> list[float | None]:
    """The adjusted p of each part; None where no unit differs."""
    moving = norms > SAME
    if not moving.any():
        return [None] * len(norms)
    scaled = gains @ sparse.diags(np.where(moving, 1 / np.where(moving, norms, 1), 0.0))
    scaled = scaled[np.flatnonzero(np.diff(scaled.indptr))]  # units where nothing differs flip nothing
    z = _total(scaled)
    z = -z if worse else np.abs(z)
    random = np.random.default_rng([seed, 31])
    at_once = max(1, NUMBERS_AT_ONCE // scaled.shape[0])
    largest = []
    for start in range(0, FLIPS, at_once):
        signs = random.integers(0, 2, (min(at_once, FLIPS - start), scaled.shape[0])) * 2.0 - 1
        flipped = np.asarray((scaled.T @ signs.T).T)
        largest.append((flipped if worse else np.abs(flipped))[:, moving].max(axis=1))
    limits = np.concatenate(largest)
    return [
        float((1 + (limits >= one - SAME).sum()) / (1 + FLIPS)) if moves else None
        for one, moves in zip(z, moving, strict=True)
    ]


def slices_of(table: Table, seed: int = 0) -> Slices:
    """The slices of a table: the values of its category and language columns, and languages as its texts read, each of
    at least 20 rows and not all."""
    columns: list[tuple[str, NDArray[Any]]] = [
        (name, np.asarray(table.column(name).fill_null(OTHER).to_list(), dtype=np.str_))
        for name in table.of_kind("category", "language")[:MOST_COLUMNS]
    ]
    if table.of_kind("text") and not table.of_kind("language"):
        columns.append(("language of the text", languages_of(table, seed, MOST_READ)))
    names, pieces = [], []
    for name, cells in columns:
        values, code, counts = np.unique(cells, return_inverse=True, return_counts=True)
        order = [at for at in np.argsort(-counts, kind="stable") if values[at] != OTHER][:MOST_VALUES]
        for at in order:
            if FEWEST_ROWS <= counts[at] < table.rows:
                names.append(f"{name} is {shortened(str(values[at]))!r}")
                pieces.append(np.flatnonzero(code == at))
    if not pieces:
        return Slices((), sparse.csr_matrix((table.rows, 0)))
    places = np.concatenate(pieces)
    own = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    inside = sparse.csr_matrix((np.ones(len(places)), (places, own)), shape=(table.rows, len(pieces)))
    return Slices(tuple(names), inside)


def share_right(one: Predictions) -> Floats:
    """(rows,) 1 for a right answer; of several labels a row, the share of the labels that is right."""
    if one.multilabel:
        return np.asarray((one.answers == one.truth).mean(axis=1))
    return one.truth[np.arange(one.rows), one.answers]


def _units(one: Predictions) -> NDArray[np.int64]:
    return np.arange(one.rows) if one.groups is None else np.unique(one.groups, return_inverse=True)[1]


def _total(matrix: sparse.csr_matrix) -> Floats:
    return np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()
