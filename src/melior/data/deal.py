"""Dealing rows out to parts: by class, with groups kept whole. Pure functions of numbers and a random generator."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def drawn(labels: Numbers | None, rows: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the rows, of each class alike when there are labels; never the last row of a class.

    Each class gives share x rows, rounded down; what that leaves goes to the classes that lost most by rounding.
    """
    order = rng.permutation(rows)
    taken = np.zeros(rows, dtype=bool)
    if labels is None:
        taken[order[: round(share * rows)]] = True
        return taken
    order = order[np.argsort(labels[order], kind="stable")]
    starts, counts = np.unique(labels[order], return_index=True, return_counts=True)[1:]
    wanted = counts * share
    gives = np.floor(wanted).astype(np.int64)
    lost = np.where(gives + 1 < counts, wanted - gives, -1.0)
    left = min(round(share * rows) - int(gives.sum()), int((lost >= 0).sum()))
    gives[np.lexsort((rng.random(counts.size), -lost))[: max(left, 0)]] += 1
    gives = np.minimum(gives, counts - 1)
    for start, many in zip(starts, gives, strict=True):
        taken[order[start : start + many]] = True
    return taken


def stratified(labels: Numbers, parts: int, rng: np.random.Generator) -> Numbers:
    """A part for each row: the rows, sorted by class and in random order within it, are dealt out like cards.

    Dealing goes on from class to class, so that small classes do not all fall into the first parts, and parts differ
    by one row at most, in all and of each class. A class's only row gets -1: no part.
    """
    order = rng.permutation(labels.size)
    kinds = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(kinds)
    place = rng.permutation(counts.size)[kinds]
    order = order[np.argsort(place[order], kind="stable")]
    part = np.full(labels.size, -1, dtype=np.int64)
    dealt = order[counts[kinds[order]] > 1] if counts.size > 1 else order
    part[dealt] = rng.permutation(parts)[np.arange(dealt.size) % parts]
    return part


def grouped(
    clusters: Numbers, labels: Numbers | None, shares: NDArray[np.float64], rng: np.random.Generator
) -> Numbers:
    """A part for each row, groups whole, parts of about these shares of all rows and of every class.

    clusters (rows,) group numbers from 0, none left out. Groups of several rows are placed one by one, those that
    weigh most first; each goes where the squared distance grows least between what the parts have and what they
    should have, summed over classes (a class weighs 1, however rare) and over rows. Groups of one row then fill up
    what each part lacks of their class. A class's only row gets the last part, or -1 where the parts are equal.
    """
    equal = bool(np.ptp(shares) == 0)
    kinds = np.zeros(clusters.size, dtype=np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    sizes, per_class = np.bincount(clusters), np.bincount(kinds)
    if equal and sizes.max() == 1:
        return stratified(kinds.astype(np.int64), shares.size, rng)
    part = np.full(clusters.size, -1, dtype=np.int64)
    several = sizes[clusters] > 1
    if several.any():
        part[several] = _placed(clusters[several], kinds[several], per_class, clusters.size, shares, rng)
    for kind, many in enumerate(per_class):
        rows = rng.permutation(np.flatnonzero(~several & (kinds == kind)))
        if many == 1:
            part[rows] = -1 if equal else shares.size - 1
        elif rows.size:
            had = np.bincount(part[several & (kinds == kind)], minlength=shares.size)
            part[rows] = np.repeat(np.arange(shares.size), _filled(rows.size, shares * many - had, rng))
    return part


def label_sets(sets: NDArray[np.bool_], shares: NDArray[np.float64], rng: np.random.Generator) -> Numbers:
    """A part for each row, parts of about these shares of all rows and of the rows of each label. sets (rows, labels).

    Iterative stratification: the label with fewest rows left is dealt out first, each of its rows to the part that
    lacks most of this label, then most rows, then by chance; rows without labels go where rows lack. Sechidis,
    Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011. A row that is the only one of
    some label gets the last part, or -1 where the parts are equal.
    """
    rows = len(sets)
    counts = sets.sum(axis=0)
    lonely = np.asarray(sets[:, np.flatnonzero(counts == 1)].any(axis=1))
    part = np.full(rows, -1, dtype=np.int64)
    lacks = shares[:, None] * counts  # (parts, labels)
    room = shares * rows
    if np.ptp(shares) != 0:
        part[lonely] = shares.size - 1
        lacks[-1] -= sets[lonely].sum(axis=0)
        room[-1] -= lonely.sum()
    order = rng.permutation(rows)
    order = order[~lonely[order]]
    chance = rng.random((rows, shares.size)) * 1e-6
    left = sets[order].sum(axis=0)
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, rows + 1)))
        for row in order[sets[order, label] & (part[order] < 0)]:
            lack = lacks[:, label]
            best = np.flatnonzero(lack >= lack.max() - 1e-9)
            to = int(best[np.argmax(room[best] + chance[row, best])])
            part[row] = to
            lacks[to] -= sets[row]
            room[to] -= 1
            left -= sets[row]
    for row in order[part[order] < 0]:
        to = int(np.argmax(room + chance[row]))
        part[row] = to
        room[to] -= 1
    return part


def rarest(sets: NDArray[np.bool_]) -> Numbers:
    """(rows,) each row's label that has fewest rows, the number of labels where it has none: one class a row, for
    what deals out by class. sets (rows, labels)."""
    labels = sets.shape[1]
    counts = np.append(sets.sum(axis=0), len(sets) + 1)
    has = np.column_stack([sets, np.ones(len(sets), dtype=bool)])
    return np.where(has, counts, len(sets) + 2).argmin(axis=1).astype(np.int64) if labels else np.zeros(len(sets), int)


def _placed(
    clusters: Numbers,
    kinds: Numbers,
    per_class: Numbers,
    rows: int,
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> Numbers:
    numbered = np.unique(clusters, return_inverse=True)[1]
    sizes = np.bincount(numbered) / rows
    pairs, counts = np.unique(numbered * per_class.size + kinds, return_counts=True)
    owner, what = pairs // per_class.size, pairs % per_class.size
    starts = np.searchsorted(owner, np.arange(sizes.size + 1))
    weights = counts / per_class[what]  # what a group holds of each class, as a share of the class
    heavy = np.maximum.reduceat(weights, starts[:-1]) + sizes
    sequence = np.lexsort((rng.random(sizes.size), -heavy))
    have = np.zeros((shares.size, per_class.size))
    filled = np.zeros(shares.size)
    part = np.empty(sizes.size, dtype=np.int64)
    for group in sequence:
        mine = what[starts[group] : starts[group + 1]]
        weight = weights[starts[group] : starts[group + 1]]
        # with part p having h of a class and s its share, adding w to s(h/s - 1)^2 grows it by 2w(h/s + w/2s - 1)
        growth = ((have[:, mine] + weight / 2) * weight).sum(axis=1) / shares
        growth += (filled + sizes[group] / 2) * sizes[group] / shares
        best = int(np.argmin(growth))
        have[best, mine] += weight
        filled[best] += sizes[group]
        part[group] = best
    return part[numbered]


def _filled(rows: int, lacks: NDArray[np.float64], rng: np.random.Generator) -> Numbers:
    """How many of the rows each part gets, in proportion to what it lacks; what rounding leaves, to who lost most."""
    lacks = np.maximum(lacks, 0)
    exact = rows * lacks / lacks.sum() if lacks.sum() > 0 else np.full(lacks.size, rows / lacks.size)
    gets: Numbers = np.floor(exact).astype(np.int64)
    gets[np.lexsort((rng.random(lacks.size), gets - exact))[: rows - int(gets.sum())]] += 1
    return gets


def joined(one: Numbers, other: Numbers) -> Numbers:
    """Connected components: rows that share a number of either stand together, and so on through chains of them."""
    now = one.copy()
    while True:
        lowest = np.full(int(other.max()) + 1, now.size, dtype=np.int64)
        np.minimum.at(lowest, other, now)
        through = lowest[other]
        lowest = np.full(int(one.max()) + 1, now.size, dtype=np.int64)
        np.minimum.at(lowest, one, through)
        after = lowest[one]
        if np.array_equal(after, now):
            return np.unique(now, return_inverse=True)[1].astype(np.int64)
        now = after
