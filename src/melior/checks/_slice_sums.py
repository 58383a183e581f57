"""Sums over many overlapping slices at once, and which are larger than chance makes the largest of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from melior.checks._slices import Cuts, Slice
from melior.data.table import Floats, Rows


class Sums:
    """Sums over slices of anything with one number a row: a sparse matrix of rows by cells, times the numbers, and one
    of slices by cells, times these. A run of bins costs no more than its cells."""

    def __init__(self, cut: Cuts, rows: Rows) -> None:
        """rows: positions of the rows that are counted."""
        self.slices: list[Slice] = []
        cells: list[Rows] = []  # one array of cell numbers a axis or pair
        places: list[int] = []
        members: list[int] = []
        offset = 0
        for number, axis in enumerate(cut.axes):
            if number in cut.coarse:
                continue
            cells.append(axis.codes[rows] + offset)
            for span, (start, end) in enumerate(axis.spans):
                members += [len(self.slices)] * (end - start)
                places += range(offset + start, offset + end)
                self.slices.append(
                    Slice(((number, span),), axis.rules[span], axis.columns, span in axis.absent)
                )  # fmt: skip
            offset += axis.size
        for position, one in enumerate(cut.coarse):
            for two in list(cut.coarse)[position + 1 :]:
                first, second = cut.axes[one], cut.axes[two]
                cells.append(first.codes[rows] * second.size + second.codes[rows] + offset)
                for i, (a, b) in enumerate(first.spans):
                    for j, (c, d) in enumerate(second.spans):
                        own = [offset + x * second.size + y for x in range(a, b) for y in range(c, d)]
                        members += [len(self.slices)] * len(own)
                        places += own
                        rule = f"{first.rules[i]} and {second.rules[j]}"
                        self.slices.append(Slice(((one, i), (two, j)), rule, (*first.columns, *second.columns)))
                offset += first.size * second.size
        width = len(cells)
        flat = np.stack(cells, axis=1).ravel() if width else np.empty(0, dtype=np.int64)
        self._rows = sparse.csr_matrix(
            (np.ones(len(flat)), flat, np.arange(0, len(flat) + 1, max(width, 1))[: len(rows) + 1]),
            shape=(len(rows), offset),
        ).T.tocsr()
        self._cells = sparse.csr_matrix(
            (np.ones(len(places)), (members, places)), shape=(len(self.slices), offset)
        )  # fmt: skip

    def __call__(self, values: Floats) -> Floats:
        """values (rows,) or (rows, many) -> (slices,) or (slices, many)."""
        return np.asarray(self._cells @ (self._rows @ values), dtype=np.float64)

    def in_blocks(self, blocks: Rows, many: int) -> Floats:
        """(slices, blocks) how many rows of each block every slice has."""
        hot = sparse.csr_matrix((np.ones(len(blocks)), blocks, np.arange(len(blocks) + 1)), shape=(len(blocks), many))
        return np.asarray((self._cells @ (self._rows @ hot)).todense(), dtype=np.float64)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Only these slices from now on."""
        self.slices = [one for one, kept in zip(self.slices, which, strict=True) if kept]
        self._cells = self._cells[np.flatnonzero(which)]


@dataclass(frozen=True)
class Judged:
    """z (slices,) of the excess of each slice; limit, what the largest of them exceeds by chance at the level; p
    (slices,) adjusted for all slices; excess (slices,) mean difference to rows of the same block outside."""

    z: Floats
    limit: float
    p: Floats
    excess: Floats


def blocks_of(order: Rows, size: int, edges: Rows) -> tuple[Rows, int]:
    """Runs of about `size` rows in this order, none across an edge (positions in the order); (block of each row, how
    many). A rest smaller than half a block is joined to the run before."""
    found = np.zeros(len(order), dtype=np.int64)
    many = 0
    for piece in np.split(np.arange(len(order)), edges):
        if len(piece):
            parts = max(1, round(len(piece) / size))
            found[order[piece]] = many + np.arange(len(piece)) * parts // len(piece)
            many += parts
    return found, many


def judge(
    sums: Sums, losses: Floats, blocks: Rows, many: int, level: float, times: int, generator: np.random.Generator
) -> Judged:
    """Whether the losses (rows,) of each slice are larger than those of rows of the same block outside it.

    z = (sum of loss less block mean) / sqrt(its variance when losses are shuffled within blocks + 1). The limit is the
    1 - level quantile of the largest z over all slices in `times` such shufflings (max-T, Westfall and Young 1993): it
    holds for overlapping slices, which are shuffled together. The + 1, one mistake's worth, keeps slices that expect
    next to none from ruling the maximum.
    """
    counts = np.bincount(blocks, minlength=many)
    means = np.bincount(blocks, weights=losses, minlength=many) / np.maximum(counts, 1)
    rest = losses - means[blocks]
    spread = np.bincount(blocks, weights=rest**2, minlength=many) / np.maximum(counts - 1, 1)
    inside = sums.in_blocks(blocks, many)  # (slices, blocks)
    apart = inside * (1 - inside / np.maximum(counts, 1))
    error = np.sqrt(apart @ spread + 1.0)
    total = sums(rest)
    largest = np.empty(times)
    order = np.argsort(blocks, kind="stable")
    step = max(1, 2_000_000 // max(len(losses), len(sums.slices)))
    for start in range(0, times, step):
        size = min(step, times - start)
        shuffled = np.empty((len(losses), size))
        for column in range(size):
            drawn = np.argsort(blocks + generator.random(len(losses)))
            shuffled[order, column] = rest[drawn]
        largest[start : start + size] = (sums(shuffled) / error[:, None]).max(axis=0)
    z = total / error
    ranked = np.sort(largest)
    limit = float(ranked[min(times - 1, int(np.ceil((1 - level) * (times + 1))) - 1)])
    p = (1 + times - np.searchsorted(ranked, z, side="left")) / (times + 1)
    return Judged(z, limit, p, total / np.maximum(apart.sum(axis=1), 1e-9))
