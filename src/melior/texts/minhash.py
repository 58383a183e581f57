"""MinHash bands: texts that agree in a band of smallest hashes are candidates for near copies.

The smallest value of a random permutation is the same for two sets with probability J, their Jaccard similarity
(Broder 1997). Texts are candidates when all r permutations of one of b bands agree: with probability
1 - (1 - J**r)**b (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np
from numpy.typing import NDArray

from melior.texts.shingles import Counts, Shingles, mixed

AT_ONCE = 1 << 16  # shingles permuted at a time: they stay in the processor's cache
MOST_ROWS = 12
MOST_BANDS = 400
# what costs how much beside permuting one shingle: sorting a text into its band, and comparing a pair's shingles
SORTING, COMPARING = 80.0, 10.0

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Bands:
    """`bands` bands of `rows` permutations each."""

    bands: int
    rows: int

    def found(self, similarity: float) -> float:
        """The probability that two texts of this similarity are candidates.

        >>> round(Bands(bands=20, rows=5).found(0.8), 4)
        0.9996
        """
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def banding(
    similarity: float, miss: float = 0.01, texts: int = 1000, size: float = 50.0,
    unrelated: NDArray[np.float64] | None = None,
) -> Bands:  # fmt: skip
    """The bands that cost least and miss a pair of exactly this similarity with at most probability `miss`.

    similarity  0 < similarity <= 1; more alike pairs are missed less
    texts, size how many texts there are, and their mean number of shingles
    unrelated   similarities of random pairs: how many candidates come by chance; None is that there are none

    For r permutations a band, b = ln(miss) / ln(1 - similarity**r) bands are needed. Cost is permuting, sorting, and
    comparing chance's candidates; r is the one in 1..12 of the least.

    >>> banding(0.5, miss=0.01)
    Bands(bands=7, rows=1)
    >>> banding(0.5, miss=0.01, texts=100_000, unrelated=np.array([0.02, 0.05]))
    Bands(bands=72, rows=4)
    """
    if not 0 < similarity <= 1:
        raise ValueError(f"a similarity of {similarity} is not in 0..1")
    if not 0 < miss < 1:
        raise ValueError(f"a miss rate of {miss} is not between 0 and 1")
    best: tuple[float, Bands] | None = None
    for rows in range(1, MOST_ROWS + 1):
        reached = similarity**rows
        bands = 1 if reached >= 1 - miss else ceil(log(miss) / log1p(-reached))
        if bands > MOST_BANDS and best is not None:
            break
        made = Bands(bands, rows)
        chance = 0.0
        if unrelated is not None and len(unrelated):
            chance = float(np.mean(1 - (1 - unrelated**rows) ** bands)) * texts / 2
        cost = bands * (rows * size + SORTING) + chance * COMPARING * size
        if best is None or cost < best[0]:
            best = cost, made
    assert best is not None
    return best[1]


@dataclass(frozen=True)
class Block:
    """Texts of about the same size side by side: values (shingles, texts), short columns filled by repeating them."""

    which: Counts
    values: NDArray[np.uint32]


def blocks(sets: Shingles) -> list[Block]:
    """All texts that have a shingle, in blocks of at most 65,536 shingles (one text where it alone has more)."""
    sizes = sets.sizes
    # up to 16 every size by itself, above that eight steps from one power of two to the next
    step = 2 ** np.maximum(np.floor(np.log2(np.maximum(sizes, 1))) - 3, 0).astype(np.int64)
    padded = -(-sizes // step) * step
    order = np.argsort(padded, kind="stable")
    lengths, first = np.unique(padded[order], return_index=True)
    found = []
    for length, group in zip(lengths.tolist(), np.split(order, first[1:]), strict=True):
        if not length:
            continue
        wide = max(1, AT_ONCE // length)
        for start in range(0, len(group), wide):
            which = group[start : start + wide]
            place = np.arange(length)[:, None] % sizes[which][None, :]
            found.append(Block(which, sets.values[sets.starts[which][None, :] + place].view(np.uint32)))
    return found


def band_keys(sets: Shingles, how: Bands, seed: int = 0) -> Iterator[Keys]:
    """For each band (n,) a key that two texts share where all its smallest hashes agree; of texts without shingles 0.

    One band at a time, so that memory holds no signatures. A permutation is x -> a x + b mod 2**32 with a odd.
    """
    generator = np.random.default_rng(seed)
    parts = blocks(sets)
    room = np.empty(max((part.values.size for part in parts), default=0), dtype=np.uint32)
    for _ in range(how.bands):
        factors = generator.integers(0, 2**32, how.rows, dtype=np.uint32) | np.uint32(1)
        shifts = generator.integers(0, 2**32, how.rows, dtype=np.uint32)
        keys = np.zeros(len(sets), dtype=np.uint64)
        for part in parts:
            hashes = room[: part.values.size].reshape(part.values.shape)
            key = np.zeros(len(part.which), dtype=np.uint64)
            for factor, shift in zip(factors, shifts, strict=True):
                np.multiply(part.values, factor, out=hashes)
                np.add(hashes, shift, out=hashes)
                key = key * np.uint64(0xD6E8FEB86659FD93) + hashes.min(axis=0)
            keys[part.which] = mixed(key)
        yield keys
