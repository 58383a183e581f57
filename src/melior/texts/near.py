"""Which texts of a column are near copies of one another: MinHash bands give candidates, exact similarity decides.

Whole groups come out, not pairs: texts that are joined by a chain of near copies are one group. Time and memory grow
with the number of texts: of a band that thousands of texts share, each is compared with a few of them, not with all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from melior.texts.chance import chance
from melior.texts.minhash import Bands, band_keys, banding
from melior.texts.shingles import BITS, Counts, Shingles, Unit, mixed, shingles

SIMILARITY = 0.4
MISS = 0.01
WHOLE = 64  # texts of a shared band up to which each is compared with all
FEW = 4  # of more, each is compared with twice so many
PAIRS_AT_ONCE = 4_000_000  # shingles of pairs compared at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NearCopies:
    """Near copies among n texts.

    group     (n,) a number for each text, the same for near copies, counted from 0 as first seen
    likeness  (n,) the largest Jaccard similarity by which a text was joined to its group, 0 for a text by itself
    told      (n,) where a text is long and unusual enough for this column that an equal one is no chance; others are
              called copies of nothing
    wanted    the least similarity asked for
    sets      the shingles
    """

    group: Counts
    likeness: Floats
    told: NDArray[np.bool_]
    wanted: float
    sets: Shingles

    def clusters(self) -> list[Counts]:
        """Positions of each group of two texts and more, the largest first."""
        return grouped(self.group)


def near_copies(
    texts: pl.Series, similarity: float = SIMILARITY, miss: float = MISS, *, unit: Unit | None = None, seed: int = 0
) -> NearCopies:
    """The near copies in a column of texts.

    texts       (n,) strings; missing and empty ones are copies of nothing
    similarity  0 < similarity <= 1, the share of shingles in common (Jaccard) from which two texts are near copies;
                default 0.4, about one word in five changed. Chance must be no explanation besides: what they share
                must be more than unrelated texts of this column come to (see `melior.texts.chance`)
    miss        the most that the probability of overlooking a pair of exactly this similarity may be; default 0.01
    unit        what shingles are made of, `words` or `characters`; None looks at the column
    seed        of permutations and sampled pairs

    >>> import polars as pl
    >>> line = "it fits well and the cloth is soft but the colour is darker than on the picture {}"
    >>> many = [" ".join(f"word{20 * i + j}" for j in range(20)) for i in range(30)]
    >>> near_copies(pl.Series([line.format("here"), *many, line.format("there")])).clusters()
    [array([ 0, 31])]
    """
    if not 0 < similarity <= 1:
        raise ValueError(f"a similarity of {similarity} is not in 0..1")
    sets = shingles(texts, unit)
    by_chance = chance(sets, similarity, seed)
    first, number = distinct(sets)
    few = sets.take(first)
    how = banding(similarity, miss, len(few), float(few.sizes.mean()) if len(few) else 0.0, by_chance.unrelated)
    weights = by_chance.weights[sets.places(first)]
    told = by_chance.told
    group, likeness = joined(few, weights, by_chance.needed[first], told[first], similarity, how, seed)
    # equal sets are copies wherever chance is no explanation
    repeats = np.bincount(number, minlength=len(first))
    like = np.where(told & (repeats[number] > 1), 1.0, likeness[number])
    whole = np.where(told, group[number], len(first) + np.arange(len(sets)))
    _, seen, inverse = np.unique(whole, return_index=True, return_inverse=True)
    rank = np.empty(len(seen), dtype=np.int64)
    rank[np.argsort(seen, kind="stable")] = np.arange(len(seen))
    return NearCopies(rank[inverse], like, told, similarity, sets)


def distinct(sets: Shingles) -> tuple[Counts, Counts]:
    """Where each distinct set stands first, and for every text the number of its set."""
    if not len(sets):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(sets.values.astype(np.uint64)))])
    whole = total[sets.starts[1:]] - total[sets.starts[:-1]]  # sums wrap, differences are right
    _, first, number = np.unique(whole, return_index=True, return_inverse=True)
    return first.astype(np.int64), number.astype(np.int64)


def joined(
    sets: Shingles, weights: NDArray[np.float32], needed: Floats, told: NDArray[np.bool_], wanted: float, how: Bands,
    seed: int,
) -> tuple[Counts, Floats]:  # fmt: skip
    """(n,) the group of each of n distinct texts, and the largest similarity by which it was joined to it."""
    shape = (len(sets), 1 << BITS)
    weighted = csr_matrix((weights, sets.values, sets.starts), shape=shape)
    ones = csr_matrix((np.ones(len(sets.values), dtype=np.int8), weighted.indices, weighted.indptr), shape=shape)
    weighted.has_canonical_format = ones.has_canonical_format = True
    group = np.arange(len(sets))
    likeness = np.zeros(len(sets))
    usable = np.flatnonzero(told)
    if len(usable) < 2:
        return group, likeness
    generator = np.random.default_rng(seed)
    for keys in band_keys(sets, how, seed):
        # in a new order for every band, so that of a large run others stand for the rest each time
        members, starts = sharing(keys, generator.permutation(usable))
        new = [np.empty((0, 2), dtype=np.int64)]
        for pairs in pairs_of(members, starts, group):
            near, like = alike(weighted, ones, needed, wanted, pairs[:, 0], pairs[:, 1])
            np.maximum.at(likeness, pairs[near, 0], like)
            np.maximum.at(likeness, pairs[near, 1], like)
            new.append(pairs[near])
        group = merged(group, np.concatenate(new))
    return group, likeness


def pairs_of(members: Counts, starts: Counts, group: Counts) -> Iterator[NDArray[np.int64]]:
    """Pairs (pairs, 2) of members of a run that are not of one group yet: all of them in runs of up to 64; in longer
    runs each with the first four, and with the four before it."""
    counts = np.diff(starts, append=len(members))
    run = np.repeat(np.arange(len(starts)), counts)
    place = np.arange(len(members)) - starts[run]
    long = counts[run] > WHOLE
    for lag in range(1, min(WHOLE, int(counts.max(initial=1)))):
        here = np.flatnonzero((place >= lag) & (~long | (lag <= FEW)))
        pairs = np.column_stack([members[here - lag], members[here]])
        yield pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
    for number in range(FEW if long.any() else 0):
        here = np.flatnonzero(long & (place > number + FEW))
        pairs = np.column_stack([members[starts[run[here]] + number], members[here]])
        yield pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]


def sharing(keys: NDArray[np.uint64], usable: Counts) -> tuple[Counts, Counts]:
    """Texts whose key another text has too, those of one key beside each other, and where each of these runs starts."""
    order = usable[np.argsort(keys[usable], kind="stable")]
    ordered = keys[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    alone = first & np.concatenate([first[1:], [True]])
    return order[~alone], np.flatnonzero(first[~alone])


def alike(
    weighted: csr_matrix, ones: csr_matrix, needed: Floats, wanted: float, one: Counts, two: Counts
) -> tuple[NDArray[np.bool_], Floats]:
    """(pairs,) which pairs are near copies, and the similarity of those that are."""
    sizes = np.diff(ones.indptr)
    small, large = np.minimum(sizes[one], sizes[two]), np.maximum(sizes[one], sizes[two])
    near = small >= wanted * large  # similarity is at most small / large
    some = np.flatnonzero(near)
    like, shared = compared(weighted, ones, one[some], two[some])
    reached = (like >= wanted) & (shared >= np.maximum(needed[one[some]], needed[two[some]]))
    near[some] = reached
    return near, like[reached]


def compared(weighted: csr_matrix, ones: csr_matrix, one: Counts, two: Counts) -> tuple[Floats, Floats]:
    """(pairs,) the Jaccard similarity of two texts, in both / in either, and the weight of what is in both."""
    sizes = np.diff(ones.indptr).astype(np.int64)
    like, weight = np.zeros(len(one)), np.zeros(len(one))
    ends = np.cumsum(sizes[one] + sizes[two])
    start = 0
    while start < len(one):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        here = slice(start, stop)
        both = weighted[one[here]].multiply(ones[two[here]])
        shared = np.diff(both.indptr)
        like[here] = shared / np.maximum(sizes[one[here]] + sizes[two[here]] - shared, 1)
        weight[here] = both.sum(axis=1).ravel()
        start = stop
    return like, weight


def merged(group: Counts, pairs: Counts) -> Counts:
    """Groups with those of each pair (pairs, 2) made one."""
    if not len(pairs):
        return group
    ends = group[pairs]
    graph = coo_matrix((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(len(group), len(group)))
    number: Counts = connected_components(graph, directed=False)[1].astype(np.int64)
    return number[group]


def grouped(group: Counts) -> list[Counts]:
    """Positions of each number that stands more than once, the largest group first."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group) if len(group) else np.empty(0, dtype=np.int64)
    order = order[counts[group[order]] > 1]
    if not len(order):
        return []
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    return sorted(np.split(order, cuts), key=lambda members: (-len(members), int(members[0])))
