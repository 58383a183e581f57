"""How alike unrelated texts of a column are, and from which similarity on chance is no explanation.

A text is compared with others of about its length. Where its five nearest are so alike that they may be its copies, only
this is used of them: they are nearer than the sixth. The tenth of the texts with the nearest sixth is left out: it may be one large
group of copies. What is left is chance, boilerplate included: what more than a tenth of the texts share with
more than five others is how such texts are written, and no copy. Common shingles come in clumps (phrases), so the
number in common has a geometric tail (compound Poisson: Aldous, Probability approximations via the Poisson clumping
heuristic, 1989); it is fitted by maximum likelihood with those that may be copies censored, and followed to the probability at
which less than one column in a hundred would have any pair so alike.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from melior.texts.shingles import Counts, Shingles

FALSE_RATE = 0.01
COPIES = 5  # nearest texts that may be copies
LARGEST_GROUP = 0.1  # of the texts, that may be copies of one another
COMPARED = 200
EXCEEDING = 200  # pairs that the tail is fitted to
OTHERS = 5_000
SHINGLES_AT_ONCE = 1_000_000
STEP = 1.3  # lengths of a bin are at most so many times the shortest
FEWEST = 12  # texts in a bin

Floats = NDArray[np.float64]


def thresholds(sets: Shingles, wanted: float, seed: int = 0) -> tuple[Floats, Floats]:
    """(n,) for every text the Jaccard similarity from which another text as long or longer is its near copy: at least
    `wanted`, inf where even equal texts are no wonder; and similarities of random pairs of about the same length.

    sets  n texts, copies included: how often texts are equal is a part of chance
    """
    sizes = sets.sizes
    found = np.full(len(sizes), np.inf)
    bins = binned(sizes)
    ordered = np.sort(sizes)
    generator = np.random.default_rng(seed)
    seen = [np.zeros(0)]
    limits = np.full(len(bins), np.nan)
    for number, which in enumerate(bins):
        if len(which) >= FEWEST:
            # only texts of at most 1 / wanted times the length can be so alike
            low, high = np.searchsorted(ordered, [sizes[which[0]] * wanted, sizes[which[-1]] / wanted + 1])
            pairs = len(which) * (high - low) / 2
            limits[number], sampled = limit(sets, which, pairs, wanted, generator)
            seen.append(sampled)
    # a bin of too few texts takes its limit from the next shorter one, and a shorter text never has a lower one
    known = ~np.isnan(limits)
    for number in np.flatnonzero(~known):
        before, after = np.flatnonzero(known[:number]), np.flatnonzero(known[number:])
        limits[number] = limits[before[-1]] if len(before) else limits[number + after[0]] if len(after) else wanted
    limits = np.maximum.accumulate(limits[::-1])[::-1]
    for which, least in zip(bins, limits, strict=True):
        found[which] = max(wanted, least)
    return found, np.concatenate(seen)


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
    sets: Shingles, which: Counts, pairs: float, wanted: float, generator: np.random.Generator
) -> tuple[float, Floats]:
    """The similarity that among so many pairs of unrelated texts of this bin is reached in one column of a hundred,
    inf where it is above 1; and the similarities that were looked at."""
    most = max(FEWEST, int(SHINGLES_AT_ONCE / sets.sizes[which].mean()))
    others = generator.permutation(which)[: min(OTHERS, most)]
    shared, sizes = in_common(sets, others, min(COMPARED, len(others)))
    rows, many = shared.shape  # the first rows of `others` are those compared
    dice = 2 * shared / (sizes[:rows, None] + sizes[None, :])
    own = np.arange(rows)
    dice[own, own] = -1.0
    nearest = -np.sort(-dice, axis=1)[:, : many - 1]  # (rows, others), the nearest first
    sixth = nearest[:, COPIES]
    nearest = nearest[sixth <= np.quantile(sixth, 1 - LARGEST_GROUP)]
    maybe = nearest >= 2 * wanted / (1 + wanted)  # may be a copy: its chance similarity is not seen
    maybe[:, COPIES:] = False
    size = float(sizes.mean())
    counts = nearest * size  # shingles in common, were all texts of the mean length
    # where copies were left out, the base is where they are a small part of what is above it
    share = min(1.0, max(EXCEEDING / counts.size, 5 * maybe.sum() / maybe.size))
    base = max(1.0, float(np.quantile(counts[~maybe], 1 - share)))
    least = np.where(maybe, counts[:, COPIES : COPIES + 1], counts)  # a copy is at least as near as the sixth
    above = least >= base - 1e-9
    sure = int((above & ~maybe).sum())
    excess = float((least[above] - base).clip(0).sum())
    ratio = (excess + 1) / (excess + sure + 2)
    part = (above.sum() + 1) / (above.size + 2)
    reached = base + max(0.0, np.log(part * pairs / FALSE_RATE)) / np.log(1 / ratio)
    found = reached / size
    seen = nearest[~maybe]
    return (found / (2 - found) if found <= 1 else np.inf), seen / (2 - seen)


def in_common(sets: Shingles, which: Counts, rows: int) -> tuple[Floats, Counts]:
    """(rows, texts) how many shingles the first `rows` of these texts share with each of them, and their sizes."""
    some = sets.take(which)
    _, numbers = np.unique(some.values, return_inverse=True)
    ones = np.ones(len(numbers), dtype=np.float32)
    matrix = csr_matrix((ones, numbers, some.starts), shape=(len(some), int(numbers.max(initial=0)) + 1))
    return np.asarray((matrix[:rows] @ matrix.T).toarray(), dtype=np.float64), some.sizes
