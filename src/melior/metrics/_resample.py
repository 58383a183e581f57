"""Drawing resamples: of rows, of cells of equal rows, of whole groups; and leaving one out for the jackknife."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melior.metrics._base import Floats, Predictions, block_length
from melior.metrics.ordered import independent_units

BLOCKS = 200  # the jackknife leaves out at most so many blocks of rows, one after the other


@dataclass(frozen=True)
class Draws:
    """Resamples of one set of rows.

    entries    the predictions to evaluate, which may be fewer rows than were given (see `draws`)
    blocks     a fresh pass over the counts, each block (some resamples, rows of the entries)
    left_out   a fresh pass over the counts of the jackknife, each block (some left out, rows of the entries)
    weights    for how many units each that is left out stands, (left out,)
    units      how many independent rows there are, or groups of equal size that are worth as much; 1 for one group
    whole      the counts of the rows as they were given, (1, rows of the entries)
    """

    entries: tuple[Predictions, ...]
    blocks: Callable[[], Iterator[Floats]]
    left_out: Callable[[], Iterator[Floats]]
    weights: Floats
    units: float
    whole: Floats


def draws(entries: Sequence[Predictions], resamples: int, seed: int, *, needs_scores: bool) -> Draws:
    """Resamples of the rows that all entries share; of whole groups where the first entry has groups.

    Rows that are equal in truth and in all answers form a cell, and the counts of the cells of a resample of
    independent rows are multinomial. Where only answers matter there are few cells, and cells are drawn in place of
    rows: the same distribution, at a cost that does not grow with the rows.
    """
    first = entries[0]
    if first.groups is not None:
        return _of_groups(entries, first.groups, resamples, seed)
    if not needs_scores:
        cells = _of_cells(entries, resamples, seed)
        if cells is not None:
            return cells
    return _of_rows(entries, resamples, seed)


def _of_rows(entries: Sequence[Predictions], resamples: int, seed: int) -> Draws:
    rows, classes = entries[0].truth.shape

    def blocks() -> Iterator[Floats]:
        rng = np.random.default_rng(seed)
        for size in _sizes(resamples, block_length(rows, classes)):
            yield _multiplicities(rng, size, rows)

    def left_out() -> Iterator[Floats]:
        return _leave_out(np.arange(rows), rows, seed)

    return Draws(tuple(entries), blocks, left_out, np.ones(min(rows, BLOCKS)), rows, np.ones((1, rows)))


def _of_groups(entries: Sequence[Predictions], groups: NDArray[np.generic], resamples: int, seed: int) -> Draws:
    codes = np.unique(groups, return_inverse=True)[1]
    rows, classes = entries[0].truth.shape
    units, worth = int(codes.max()) + 1, independent_units(codes)

    def blocks() -> Iterator[Floats]:
        rng = np.random.default_rng(seed)
        for size in _sizes(resamples, block_length(rows, classes)):
            yield np.take(_multiplicities(rng, size, units), codes, axis=1)

    def left_out() -> Iterator[Floats]:
        return _leave_out(codes, units, seed)

    return Draws(tuple(entries), blocks, left_out, np.ones(min(units, BLOCKS)), worth, np.ones((1, rows)))


def _of_cells(entries: Sequence[Predictions], resamples: int, seed: int) -> Draws | None:
    truth = entries[0].truth
    rows, classes = truth.shape
    answers = np.column_stack([entry.answers for entry in entries])
    table = np.ascontiguousarray(np.concatenate([truth, answers], axis=1) + 0.0)  # + 0.0: minus zero is zero
    keys = table.view(np.dtype((np.void, table.shape[1] * table.itemsize)))[:, 0]
    _, where, multiplicity = np.unique(keys, return_index=True, return_counts=True)
    cells = len(where)
    if cells > max(4, rows // 2):
        return None

    def blocks() -> Iterator[Floats]:
        rng = np.random.default_rng(seed)
        for size in _sizes(resamples, block_length(cells, classes)):
            yield rng.multinomial(rows, multiplicity / rows, size=size).astype(np.float64)

    whole = multiplicity[None, :].astype(np.float64)
    cell_of_row = np.repeat(np.arange(cells), multiplicity)

    def left_out() -> Iterator[Floats]:
        if cells <= BLOCKS:
            yield whole - np.eye(cells)
        else:
            for block in _leave_out(np.arange(rows), rows, seed):
                yield np.stack([np.bincount(cell_of_row, row, minlength=cells) for row in block])

    weights = whole[0] if cells <= BLOCKS else np.ones(min(rows, BLOCKS))
    small = tuple(Predictions(truth[where], None, entry.answers[where]) for entry in entries)
    return Draws(small, blocks, left_out, weights, rows, whole)


def _multiplicities(rng: np.random.Generator, size: int, units: int) -> Floats:
    """How often each of `units` is drawn in as many draws, (size, units)."""
    drawn = rng.integers(0, units, size=(size, units), dtype=np.int32).astype(np.int64)
    drawn += np.arange(0, size * units, units)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=size * units)
    return np.asarray(counts.reshape(size, units), dtype=np.float64)


def _leave_out(codes: NDArray[np.int64], units: int, seed: int) -> Iterator[Floats]:
    """Counts, (some blocks, rows), 1 but for the block left out; a unit is in one of at most BLOCKS such blocks."""
    blocks = min(units, BLOCKS)
    block_of_unit = np.random.default_rng(seed).permutation(units) % max(blocks, 1)
    block_of_row, step = block_of_unit[codes], block_length(len(codes))
    for start in range(0, blocks, step):
        yield (block_of_row[None, :] != np.arange(start, min(start + step, blocks))[:, None]).astype(np.float64)


def _sizes(resamples: int, step: int) -> Iterator[int]:
    for start in range(0, resamples, step):
        yield min(step, resamples - start)
