"""How much unrelated texts of a column have in common, and from where on chance is no explanation.

What two texts share is weighed by how rare it is: a shingle in d of n texts counts ln(n / d), minus the logarithm of
the chance that any text has it (Sparck Jones 1972), divided by its length, since every word is in so many shingles.
So boilerplate that all texts share counts nothing.

How far unrelated texts come is seen on texts of about the same length. Where the five nearest of a text are so alike
that they may be its copies, only this is used of them: they are nearer than the sixth. The tenth of the texts with the
nearest sixth is left out: it may be one large group of copies. Shared shingles come in clumps (phrases), so what is
shared has an exponential tail (compound Poisson: Aldous, Probability approximations via the Poisson clumping
heuristic, 1989). It is fitted by maximum likelihood, those that may be copies censored, and followed to where less
than one column in a hundred would have any such pair.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from melior.texts.shingles import BITS, Counts, Shingles

FALSE_RATE = 0.01
COPIES = 5  # nearest texts that may be copies
LARGEST_GROUP = 0.1  # of the texts, that may be copies of one another
COMPARED = 200
OTHERS = 5_000
EXCEEDING = 200  # pairs that the tail is fitted to
SHINGLES_AT_ONCE = 1_000_000
STEP = 1.3  # lengths of a bin are at most so many times the shortest
FEWEST = 12  # texts in a bin
LARGEST_TABLE = 24  # bits
SIMILARITIES = 20_000  # kept of every bin

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chance:
    """weights    (total,) float32, what each of the sets' shingles counts when it is shared, in nats
    needed     (n,) what a text must share with one as long or shorter for chance to be no explanation
    own        (n,) what a text shares with an equal one
    unrelated  Jaccard similarities of texts of about the same length that are no copies
    """

    weights: NDArray[np.float32]
    needed: Floats
    own: Floats
    unrelated: Floats

    @property
    def told(self) -> NDArray[np.bool_]:
        """(n,) where a text is long and unusual enough that an equal one is no chance."""
        return (self.own > 0) & (self.own >= self.needed)


def chance(sets: Shingles, wanted: float, seed: int = 0) -> Chance:
    """What chance gives among n texts, copies included: how often texts are equal is a part of chance.

    wanted  the Jaccard similarity from which texts may be copies
    """
    sizes = sets.sizes
    weights = rarity(sets)
    own = per_text(weights, sets)
    needed = np.full(len(sizes), np.inf)
    bins = binned(sizes)
    ordered = np.sort(sizes)
    generator = np.random.default_rng(seed)
    unrelated = [np.zeros(0)]
    limits = np.full(len(bins), np.nan)
    for number, which in enumerate(bins):
        if len(which) >= FEWEST:
            # only texts of at most 1 / wanted times the length can be so alike
            low, high = np.searchsorted(ordered, [sizes[which[0]] * wanted, sizes[which[-1]] / wanted + 1])
            limits[number], seen = limit(sets, weights, which, len(which) * (high - low) / 2, wanted, generator)
            unrelated.append(seen)
    # longer texts share more by chance: too few to see take the limit of the next longer ones, or else of the longest
    known = np.flatnonzero(~np.isnan(limits))
    for number, which in enumerate(bins):
        longer = known[known >= number]
        if len(known):
            needed[which] = limits[longer[0] if len(longer) else known[-1]]
        else:  # so few texts that nothing is seen: shingles are taken as independent of one another
            needed[which] = np.log(max(1, len(sizes)) ** 2 / 2 / FALSE_RATE)
    return Chance(weights, needed, own, np.concatenate(unrelated))


def rarity(sets: Shingles) -> NDArray[np.float32]:
    """(total,) ln(n / d) / length of every shingle, d the texts that have it (or another of the same hash)."""
    total = max(len(sets.values), 1)
    bits = int(np.clip(np.ceil(np.log2(8 * total)), 10, LARGEST_TABLE))
    shift = np.int32(BITS - bits)
    table = sets.values >> shift
    often = np.bincount(table, minlength=1 << bits).astype(np.int32)[table]
    rare = np.log(np.float32(max(1, len(sets))) / often.astype(np.float32))
    found: NDArray[np.float32] = np.maximum(rare, 0) / np.float32(sets.length)
    return found


def per_text(values: NDArray[np.float32], sets: Shingles) -> Floats:
    """(n,) the sum of these numbers over each text's shingles."""
    found = np.zeros(len(sets))
    some = np.flatnonzero(sets.sizes)
    if len(some):
        found[some] = np.add.reduceat(values, sets.starts[some], dtype=np.float64)
    return found


def binned(sizes: Counts) -> list[Counts]:
    """Positions of texts of about the same number of shingles, shortest first; texts without any are in no bin."""
    order = np.argsort(sizes, kind="stable")
    ordered = sizes[order]
    bins = []
    start = int(np.searchsorted(ordered, 1))
    while start < len(order):
        stop = int(np.searchsorted(ordered, max(ordered[start], int(ordered[start] * STEP)), side="right"))
        bins.append(order[start:stop])
        start = stop
    return bins


def limit(
    sets: Shingles, weights: NDArray[np.float32], which: Counts, pairs: float, wanted: float,
    generator: np.random.Generator,
) -> tuple[float, Floats]:  # fmt: skip
    """What among so many pairs of unrelated texts of this bin is shared by a pair in one column of a hundred; and the
    similarities that were looked at."""
    most = max(FEWEST, int(SHINGLES_AT_ONCE / sets.sizes[which].mean()))
    others = generator.permutation(which)[: min(OTHERS, most)]
    rows = min(COMPARED, len(others))  # the first of `others` are those compared
    shared, common, sizes = in_common(sets, weights, others, rows)
    similar = common / (sizes[:rows, None] + sizes[None, :] - common)
    own = np.arange(rows)
    shared[own, own] = -1.0
    order = np.argsort(-shared, axis=1)[:, : len(others) - 1]
    nearest = np.take_along_axis(shared, order, axis=1)  # (rows, others), the nearest first
    maybe = np.take_along_axis(similar, order, axis=1) >= wanted  # may be a copy: its chance share is not seen
    seen = similar[shared >= 0]
    seen = seen[:: max(1, len(seen) // SIMILARITIES)]
    sixth = nearest[:, COPIES]
    kept = sixth <= np.quantile(sixth, 1 - LARGEST_GROUP)
    nearest, maybe = nearest[kept], maybe[kept]
    maybe[:, COPIES:] = False
    # where copies were left out, the base is where they are a small part of what is above it
    part = min(1.0, max(EXCEEDING / nearest.size, 5 * maybe.sum() / maybe.size))
    base = float(np.quantile(nearest[~maybe], 1 - part))
    least = np.where(maybe, nearest[:, COPIES : COPIES + 1], nearest)  # a copy is at least as near as the sixth
    above = least > base
    sure = int((above & ~maybe).sum())
    # one more exceedance of one nat: with nothing seen, shingles are independent, whose tail is exp(-what is shared)
    mean = float(((least[above] - base).sum() + 1) / (sure + 1))
    often = (above.sum() + 1) / (above.size + 1)
    return base + max(mean, 1.0) * max(0.0, float(np.log(often * pairs / FALSE_RATE))), seen[seen < wanted]


def in_common(sets: Shingles, weights: NDArray[np.float32], which: Counts, rows: int) -> tuple[Floats, Floats, Counts]:
    """(rows, texts) what the first `rows` of these texts share with each of them, by weight and by number, and their
    sizes (texts,)."""
    some, place = sets.take(which), sets.places(which)
    _, numbers = np.unique(some.values, return_inverse=True)
    shape = (len(some), int(numbers.max(initial=0)) + 1)
    ones = csr_matrix((np.ones(len(numbers), dtype=np.float32), numbers, some.starts), shape=shape)
    weighted = csr_matrix((weights[place], numbers, some.starts), shape=shape)
    shared, common = (np.asarray((m[:rows] @ ones.T).toarray(), dtype=np.float64) for m in (weighted, ones))
    return shared, common, some.sizes
