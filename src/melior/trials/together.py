"""Which rows belong together: the copies of a row, the groups of a split, what follows one another in time.

They stand on one side of every cut, of the folds as of those inside a fit, and are drawn together when the error of a
score is asked for.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.checks._image_copies import of_tables
from melior.data import deal
from melior.data.splits import group_numbers, time_ranks
from melior.data.table import Rows, Table
from melior.errors import UserError
from melior.metrics.ordered import blocks_in_order
from melior.recipe import Recipe, Split

INNER_FOLDS = 3  # folds inside the training rows; 5 on small tables, where every row counts
SMALL = 3000
STRATIFIED = Split()


def same_rows(table: Table, other: Table | None = None) -> tuple[Rows, Rows | None]:
    """A number for every distinct row (all columns that a model may read): equal rows have equal numbers, and images
    are equal where they are nearly the same."""
    columns = table.features()
    if not columns:
        return np.arange(table.rows), None if other is None else np.arange(other.rows) + table.rows
    tables = [table] if other is None else [table, other]
    frames = [one.frame.select(columns) for one in tables]
    for column in table.of_kind("image"):
        groups = [pl.Series(column, near.group) for near in of_tables(tables, column)]
        frames = [frame.with_columns(group) for frame, group in zip(frames, groups, strict=True)]
    joined = pl.concat(frames)
    numbered = joined.with_row_index("melior row").with_columns(
        pl.col("melior row").min().over(columns).alias("melior first")
    )
    firsts = numbered.sort("melior row").get_column("melior first").to_numpy().astype(np.int64)
    return firsts[: table.rows], None if other is None else firsts[table.rows :]


def clusters(table: Table) -> Rows | None:
    """Groups that keep equal rows on one side of every fold; None where all rows differ."""
    firsts, _ = same_rows(table)
    return firsts if len(np.unique(firsts)) < table.rows else None


def drawn_together(table: Table, recipe: Recipe) -> Rows | None:
    """(rows,) the group of each row where rows of one group are not independent: those of a split by group, blocks of
    rows that follow one another in a split by time, or the copies of a row; None where every row speaks for itself.

    Where the column of the split is not in the table, or its times cannot be read, as may be in a file that comes
    later, only copies are known to belong together.
    """
    split = recipe.split
    if split.kind in ("group", "time") and split.column is not None and split.column in table.frame.columns:
        try:
            if split.kind == "group":
                return group_numbers(table, split.column)
            return blocks_in_order(time_ranks(table, split.column))
        except UserError:
            pass
    return clusters(table)


def inner_folds(train: Table, seed: int, split: Split = STRATIFIED) -> list[tuple[Rows, Rows]]:
    """Folds of training rows (inside, outside), cut as the recipe's split cuts: rows of a group, copies of a row (those
    that a method made, and equal ones) stay together; by time in blocks that follow one another; every class dealt out
    alike elsewhere.

    What is chosen by such folds - a threshold, a calibration, weights of an ensemble, wrong labels - would else be
    chosen on rows whose answers are known from their copies. Where that leaves a fold without two classes to learn
    from, single rows are dealt.
    """
    number = 5 if train.rows < SMALL else INNER_FOLDS
    made = _cut(_parts(train, split, number, seed), number)
    strata = train.strata()
    if (len(np.unique(strata)) > 1 and any(len(np.unique(strata[inside])) < 2 for inside, _ in made)) or len(made) < 2:
        made = _cut(_dealt(train, seed, number), number)
    return made


def _cut(part: Rows, number: int) -> list[tuple[Rows, Rows]]:
    return [
        (np.flatnonzero(part != fold), np.flatnonzero(part == fold))
        for fold in range(number)
        if (part == fold).any() and (part != fold).any()
    ]


def _parts(train: Table, split: Split, number: int, seed: int) -> Rows:
    """(rows,) the fold that holds each row out."""
    own = np.unique(train.row_ids, return_inverse=True)[1].astype(np.int64)
    known = split.column is not None and split.column in train.frame.columns
    if known and split.kind == "time":
        assert split.column is not None
        ranks = time_ranks(train, split.column)
        return np.searchsorted(np.sort(ranks), ranks, side="left") * number // train.rows
    copies = clusters(train)
    if copies is None and not (known and split.kind == "group"):
        return _dealt(train, seed, number)
    if copies is not None:
        own = deal.joined(own, np.unique(copies, return_inverse=True)[1].astype(np.int64))
    if known and split.kind == "group":
        assert split.column is not None
        own = deal.joined(own, group_numbers(train, split.column))
    labels = train.strata().astype(np.int64)
    part = deal.grouped(own, labels, np.full(number, 1 / number), np.random.default_rng([seed, 7]))
    return np.where(part < 0, number - 1, part)  # a class's only row is held out too: every row has a score


def _dealt(train: Table, seed: int, number: int) -> Rows:
    """Rows of each class dealt out in turn; those with one number, made of one another, stay together."""
    ids, first, which = np.unique(train.row_ids, return_index=True, return_inverse=True)
    order = np.random.default_rng([seed, 7]).permutation(len(ids))
    by_class = order[np.argsort(train.strata()[first[order]], kind="stable")]
    fold_of_id = np.empty(len(ids), dtype=np.int64)
    fold_of_id[by_class] = np.arange(len(ids)) % number
    found: NDArray[np.int64] = fold_of_id[which]
    return found
