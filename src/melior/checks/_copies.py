"""Rows that are the same in every feature column, and how many of them chance alone would give.

Few-category tables repeat by chance, so the count means nothing by itself. The columns are put into at most eight
blocks. Chance is estimated in three ways and the largest counts: the blocks shuffled against each other; one block
shuffled against all others; and, from the near misses, pairs of rows that differ in one or in two blocks only: if
agreement in two blocks is independent given the others, pairs that agree in all = (differ in the first) (differ in the
second) / (differ in both). Real copies have no near misses to match. Rows without any text are judged apart from those
with one, because they repeat much more easily.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from melior.data.table import Rows, Table

BLOCKS = 8
SHUFFLES = 3
FEWEST_MISSES = 5
FALSE_RATE = 1e-3
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copies:
    """clusters   positions of each group of equal rows, of two rows and more
    extra      rows that could be dropped and leave every distinct row once (for two tables: rows found in the other)
    expected   pairs that chance would give (an upper estimate)
    p          probability of `extra` or more by chance
    """

    clusters: list[Rows]
    extra: int
    pairs: float
    expected: float
    p: float

    @property
    def beyond_chance(self) -> bool:
        return self.extra > 0 and self.p < FALSE_RATE


NONE = Copies([], 0, 0.0, 0.0, 1.0)


def compared(table: Table) -> list[str]:
    """The columns in which copies must agree: what a model reads, images by their path."""
    return table.features()


def copies(table: Table) -> Copies:
    """Groups of equal rows within a table."""
    if table.root is not None and table.positions is not None:
        key = ("copies", table.rows, tuple(compared(table)), hash(table.positions.tobytes()))
        found: Copies = table.root.once(key, lambda: _within(table))
        return found
    return _within(table)


def _within(table: Table) -> Copies:
    names = compared(table)
    if not names or table.rows < 2:
        return NONE
    texts = table.of_kind("text")
    if not texts:
        return _judged(table.frame, names, table)
    silent = table.frame.select(pl.all_horizontal(pl.col(texts).is_null())).to_series().to_numpy()
    parts = []
    for which in (np.flatnonzero(~silent), np.flatnonzero(silent)):
        found = _judged(table.frame[which], names, table) if len(which) > 1 else NONE
        if found.beyond_chance:
            clusters = [which[cluster] for cluster in found.clusters]
            parts.append(Copies(clusters, found.extra, found.pairs, found.expected, found.p))
    if len(parts) < 2:
        return parts[0] if parts else NONE
    one, two = parts
    return Copies(
        one.clusters + two.clusters, one.extra + two.extra, one.pairs + two.pairs, one.expected + two.expected,
        max(one.p, two.p),
    )  # fmt: skip


def _judged(frame: pl.DataFrame, names: list[str], table: Table) -> Copies:
    blocks = hashed(frame, names, table)
    whole = summed(blocks)
    _, number, counts = np.unique(whole, return_inverse=True, return_counts=True)
    clusters = grouped(number, counts)
    extra = frame.height - len(counts)
    pairs = _pairs(counts)
    if not extra:
        return NONE

    def agreeing(some: list[Hashes]) -> float:
        return _pairs(np.unique(summed(some), return_counts=True)[1])

    expected = chance(blocks, agreeing, pairs, np.random.default_rng(frame.height))
    return Copies(clusters, extra, pairs, expected, float(stats.poisson.sf(extra - 1, expected)))


def agreeing_across(blocks: list[Hashes], size: int) -> float:
    """How many pairs, one of the first `size` rows and one of the others, are equal in all blocks."""
    _, number = np.unique(summed(blocks), return_inverse=True)
    many = int(number.max()) + 1
    here, there = np.bincount(number[:size], minlength=many), np.bincount(number[size:], minlength=many)
    return float((here.astype(np.float64) * there).sum())


def across(table: Table, other: Table) -> tuple[Copies, Rows, Rows]:
    """Rows of a table that stand in the other too: the counts, and the positions in both."""
    names = [name for name in compared(table) if name in other.frame.columns]
    none = np.empty(0, dtype=np.int64)
    if not names or not table.rows or not other.rows:
        return NONE, none, none
    both = pl.concat([table.frame.select(names), other.frame.select(names)], how="vertical_relaxed")
    blocks = hashed(both, names, table)
    size = table.rows

    def agreeing(some: list[Hashes]) -> float:
        return agreeing_across(some, size)

    whole = summed(blocks)
    ours = np.flatnonzero(np.isin(whole[:size], whole[size:]))
    theirs = np.flatnonzero(np.isin(whole[size:], whole[:size]))
    pairs = agreeing(blocks)
    if not len(ours):
        return NONE, none, none
    expected = chance(blocks, agreeing, pairs, np.random.default_rng(size), size)
    extra = min(len(ours), len(theirs))
    return Copies([], extra, pairs, expected, float(stats.poisson.sf(extra - 1, expected))), ours, theirs


def chance(
    blocks: list[Hashes], agreeing: Any, pairs: float, generator: np.random.Generator, size: int | None = None
) -> float:
    """Pairs that agree in every block by chance: the larger of two estimates. One block alone says nothing: then all
    that is seen counts as chance."""
    if len(blocks) < 2:
        return pairs

    def shuffled(block: Hashes) -> Hashes:
        if size is None:
            return generator.permutation(block)
        return np.concatenate([generator.permutation(block[:size]), generator.permutation(block[size:])])

    alone = [agreeing([shuffled(block) for block in blocks]) for _ in range(SHUFFLES)]
    expected = float(np.mean(alone))
    without = [agreeing(blocks[:j] + blocks[j + 1 :]) for j in range(len(blocks))]
    rows = len(blocks[0])
    total = rows * (rows - 1) / 2 if size is None else size * (rows - size)
    for block, others in zip(blocks, without, strict=True):
        here, there = agreeing([block]) - pairs, others - pairs
        if min(here, there) >= FEWEST_MISSES:
            expected = max(expected, min(pairs, here * there / total * np.exp(2.33 * np.sqrt(1 / here + 1 / there))))
    for i, j in combinations(range(len(blocks)), 2):
        first, second = without[i] - pairs, without[j] - pairs  # differ in block i only, in block j only
        if min(first, second) < FEWEST_MISSES:
            continue
        rest = [block for k, block in enumerate(blocks) if k not in (i, j)]
        whole = agreeing(rest) if rest else total
        both = max(whole - without[i] - without[j] + pairs, 1.0)
        spread = np.sqrt(1 / first + 1 / second + 1 / both)
        expected = max(expected, min(pairs, first * second / both * np.exp(2.33 * spread)))
    return expected


def hashed(frame: pl.DataFrame, names: list[str], table: Table) -> list[Hashes]:
    """One hash a row for each block of columns. Numbers are compared exactly, nan as missing; texts without regard to
    case and spacing. A text is two columns, its first and its second half, so that short stock phrases can repeat by
    chance and long texts cannot."""
    columns: list[pl.Expr] = []
    for name in names:
        kind = table.schema.kinds[name]
        if kind == "number":
            columns.append((pl.col(name).fill_nan(None) + 0.0).alias(name))
        elif kind in ("text", "category", "language"):
            folded = pl.col(name).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
            if kind == "text":
                half = folded.str.len_chars() // 2
                columns += [folded.str.slice(0, half).alias(f"{name}\0first"), folded.str.slice(half).alias(name)]
            else:
                columns.append(folded.alias(name))
        else:
            columns.append(pl.col(name))
    clean = frame.select(columns)
    pieces = [piece for piece in np.array_split(np.array(clean.columns, dtype=object), BLOCKS) if len(piece)]
    return [clean.select(list(piece)).hash_rows(seed=number).to_numpy() for number, piece in enumerate(pieces)]


def grouped(number: Rows, counts: NDArray[np.int64]) -> list[Rows]:
    """Positions of each group with two members and more, the largest group first."""
    inside = np.flatnonzero(counts[number] > 1)
    if not len(inside):
        return []
    order = inside[np.argsort(number[inside], kind="stable")]
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return sorted(np.split(order, cuts), key=lambda group: (-len(group), int(group[0])))


def _pairs(counts: NDArray[np.int64]) -> float:
    wide = counts.astype(np.float64)
    return float((wide * (wide - 1)).sum() / 2)


def summed(blocks: list[Hashes]) -> Hashes:
    """One hash for several: each mixed, then added (wrapping)."""
    total = np.zeros(len(blocks[0]), dtype=np.uint64)
    for block in blocks:
        total = (total ^ (block + np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
        total ^= total >> np.uint64(31)
    return total
