"""Which rows are put aside, and which rows each fold trains on and tests on.

Rows are positions in the table. All draws come from the seed: the same table, split and seed give the same folds on
every machine. Two rules hold: rows of one group never stand on both sides, and, except in splits by group and time,
every class that has two rows stands in every training part; a class's only row stays in training. Rows of several
labels are dealt out so that every part has its share of every label (`deal.label_sets`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data import deal, numbers, times
from melior.data.table import Rows, Table, said_row
from melior.errors import UserError
from melior.recipe import Split

SEALED_MARK = re.compile(r"1|1\.0|true|yes|y|test|hold-?out|sealed|eval|evaluation|测试|是")
OTHER_MARK = re.compile(r"|0|0\.0|false|no|n|train|training|dev|develop|development|valid|validation|训练|验证|否")
REPEATED_ROWS = 6000  # rows scored by all repeats together, about; beyond that repeats hardly help


@dataclass(frozen=True)
class Fold:
    """Positions to train on and to test on; both sorted.

    repeat   which drawing of the folds, from 0
    number   which fold of it, from 0
    """

    train: Rows
    test: Rows
    repeat: int
    number: int


def seal(
    table: Table,
    split: Split,
    seed: int,
    *,
    groups: NDArray[np.int64] | None = None,
    marks: NDArray[np.bool_] | None = None,
) -> tuple[Rows, Rows]:
    """(development, sealed): the rows to work on and the rows that are scored once, at the end. Both sorted.

    groups  (rows,) numbers; rows of the same number stay together whatever the kind of split
    marks   (rows,) rows that are scored alone, such as those with trusted labels: each part gets its share of them
    """
    labels = _labels(table)
    if marks is not None:
        labels = marks.astype(np.int64) + (0 if labels is None else 2 * labels)
    if split.kind == "column":
        sealed = _marked(table, _column(table, split))
        if groups is not None:
            sealed = np.isin(groups, groups[sealed])
    elif split.kind == "time":
        sealed = _latest(table, split, groups)
    else:
        clusters = _clusters(table, split, groups)
        rng = np.random.default_rng([seed, 0])
        if clusters is None:
            if table.label_matrix is not None and split.kind != "random":
                sealed = deal.label_sets(table.label_matrix > 0, np.array([split.sealed, 1 - split.sealed]), rng) == 0
            else:
                sealed = deal.drawn(labels if split.kind != "random" else None, table.rows, split.sealed, rng)
        else:
            _enough_groups(table, clusters, 2, "a sealed part")
            sealed = deal.grouped(clusters, labels, np.array([split.sealed, 1 - split.sealed]), rng) == 0
    if not sealed.any() or sealed.all():
        raise UserError(
            f"{table.name}: {table.rows:,} rows cannot be put apart into a part to work on and a sealed part. "
            "Add rows, or give a second file with data.test."
        )
    return np.flatnonzero(~sealed), np.flatnonzero(sealed)


def folds(table: Table, split: Split, seed: int, *, groups: NDArray[np.int64] | None = None) -> list[Fold]:
    """The folds of all repeats (`repeats_for`), `split.folds` each.

    random, stratified (auto, column): each row is tested once in each repeat. group: so is each group, the shares of
    the classes kept as equal as groups allow. time: later rows are tested by what was learned from earlier ones,
    in split.folds tests of about equal size after a first part that only trains; once, for a repeat would be the same.
    A class's only row is tested in none of them (`lonely_classes`).

    groups  (rows,) numbers; rows of the same number stay together whatever the kind of split
    """
    if split.kind == "time":
        return _forward(table, split, groups)
    labels = _labels(table)
    clusters = _clusters(table, split, groups)
    if clusters is None and table.rows < split.folds:
        raise UserError(
            f"{table.name}: {table.rows:,} rows are too few for {split.folds} folds. Add rows, or lower split.folds."
        )
    if clusters is not None:
        _enough_groups(table, clusters, split.folds, f"{split.folds} folds")
    made = []
    for repeat in range(repeats_for(split, table.rows)):
        rng = np.random.default_rng([seed, 1, repeat])
        if clusters is not None:
            part = deal.grouped(clusters, labels, np.full(split.folds, 1 / split.folds), rng)
        elif split.kind != "random" and table.label_matrix is not None:
            part = deal.label_sets(table.label_matrix > 0, np.full(split.folds, 1 / split.folds), rng)
        elif split.kind == "random" or labels is None:
            part = rng.permutation(np.arange(table.rows) % split.folds)
        else:
            part = deal.stratified(labels, split.folds, rng)
        for number in range(split.folds):
            test = part == number
            if not test.any() or test.all():
                raise UserError(
                    f"{table.name}: {table.rows:,} rows are too few for {split.folds} folds of every class. "
                    "Add rows, or lower split.folds."
                )
            made.append(Fold(np.flatnonzero(~test), np.flatnonzero(test), repeat, number))
    return made


def repeats_for(split: Split, rows: int) -> int:
    """How often the cross-validation of so many rows is repeated: `split.repeats`, or as often as gives some 6,000
    scored rows, 1 to 5 times.

    Few rows make models that depend on which of them they saw, and a repeat averages over that: on 1,440 rows with 20 %
    wrong labels four repeats bring the error of a difference from 0.0075 to 0.0049, as if there were 3,400 rows. Many
    rows have little of it to average.
    """
    return split.repeats or min(5, max(1, round(REPEATED_ROWS / max(rows, 1))))


def lonely_classes(table: Table) -> list[str]:
    """The classes that have a single row: they are trained on and never tested."""
    return [label for label, count in table.target_counts().items() if count == 1]


def _labels(table: Table) -> NDArray[np.int64] | None:
    """One class a row; of several labels the rarest."""
    if table.label_matrix is not None:
        return deal.rarest(table.label_matrix > 0)
    return None if table.labels is None else table.labels.astype(np.int64)


def _column(table: Table, split: Split) -> str:
    assert split.column is not None  # the recipe holds this
    if split.column not in table.frame.columns:
        what = "the target" if split.column == table.target else "no column"
        raise UserError(f'{table.name}: split.column names "{split.column}", which is {what}. Name another column.')
    return split.column


# ---- groups


def _clusters(table: Table, split: Split, groups: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """(rows,) numbers of what stays together: the groups of the column, joined by the groups given."""
    own = group_numbers(table, _column(table, split)) if split.kind == "group" else None
    if groups is None:
        return own
    if groups.shape != (table.rows,):
        raise ValueError(f"groups must have one number a row: {groups.shape} for {table.rows} rows")
    given = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return given if own is None else deal.joined(own, given)


def group_numbers(table: Table, column: str) -> NDArray[np.int64]:
    """(rows,) the number of each row's group; a row whose group is missing is a group of its own."""
    cells = table.column(column)
    ranks: NDArray[np.int64] = cells.rank("dense").cast(pl.Int64).fill_null(0).to_numpy().astype(np.int64)
    missing = ranks == 0
    ranks[missing] = ranks.max(initial=0) + 1 + np.arange(int(missing.sum()))
    return np.unique(ranks, return_inverse=True)[1].astype(np.int64)


def _enough_groups(table: Table, clusters: NDArray[np.int64], needed: int, what: str) -> None:
    found = int(clusters.max(initial=-1)) + 1
    if found < needed:
        raise UserError(
            f"{table.name}: the rows form {found} {'group' if found == 1 else 'groups'}, too few for {what} without "
            "cutting one apart. Use fewer folds (split.folds), another split.column, or split.kind: stratified."
        )


# ---- time


BY_TIME = "and the split is by time. Fill it, remove such rows, or choose another split.kind."


def time_ranks(table: Table, column: str, why: str = BY_TIME) -> NDArray[np.int64]:
    """(rows,) the place of each row's time among the different times, from 0. why: what needs every row's time, and
    what to do about one that is missing, as the end of a sentence."""
    cells = table.column(column)
    if cells.dtype == pl.String:
        as_times, as_numbers = times.parse(cells).values, numbers.parse(cells).values
        cells = as_numbers if as_numbers.null_count() < as_times.null_count() else as_times
    if cells.null_count():
        row = int(table.row_ids[int(cells.is_null().arg_true()[0])])
        raise UserError(f'{table.name}, {said_row(row)}: "{column}" is empty or no time, {why}')
    ranks: NDArray[np.int64] = cells.rank("dense").to_numpy().astype(np.int64)
    return ranks - 1


def _latest(table: Table, split: Split, groups: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """About the share that is latest; rows of one time, and groups that were given, are not cut apart."""
    ranks = _held_together(time_ranks(table, _column(table, split)), groups)
    cut = _cuts(ranks, np.array([1 - split.sealed]), table, _column(table, split))[0]
    return np.asarray(ranks >= cut)


def _forward(table: Table, split: Split, groups: NDArray[np.int64] | None) -> list[Fold]:
    column = _column(table, split)
    ranks = _held_together(time_ranks(table, column), groups)
    cuts = _cuts(ranks, np.arange(1, split.folds + 1) / (split.folds + 1), table, column)
    ends = [*cuts[1:], int(ranks.max()) + 1]
    return [
        Fold(np.flatnonzero(ranks < cut), np.flatnonzero((ranks >= cut) & (ranks < end)), 0, number)
        for number, (cut, end) in enumerate(zip(cuts, ends, strict=True))
    ]


def _held_together(ranks: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Every row of a group counts as late as the group's latest row."""
    if groups is None:
        return ranks
    given = np.unique(groups, return_inverse=True)[1]
    latest = np.full(int(given.max()) + 1, -1, dtype=np.int64)
    np.maximum.at(latest, given, ranks)
    return latest[given]


def _cuts(ranks: NDArray[np.int64], shares: NDArray[np.float64], table: Table, column: str) -> list[int]:
    """The first time after each share of the rows, all different, none of the first time."""
    counts = np.bincount(ranks)
    times = np.flatnonzero(counts)
    if times.size < shares.size + 1:
        raise UserError(
            f'{table.name}: "{column}" has {times.size} different times, too few for {shares.size + 1} parts in a '
            "row. Use fewer folds (split.folds), a finer time, or another split.kind."
        )
    before = np.concatenate([[0], np.cumsum(counts[times])[:-1]]) / ranks.size  # share of rows before each time
    places: list[int] = []
    for number, share in enumerate(shares):
        low = (places[-1] if places else 0) + 1
        high = times.size - (shares.size - number - 1)
        places.append(low + int(np.argmin(np.abs(before[low:high] - share))))
    return [int(times[place]) for place in places]


# ---- marks


def _marked(table: Table, column: str) -> NDArray[np.bool_]:
    """Where the column says that a row is sealed."""
    cells = ["" if cell is None else str(cell).strip().lower() for cell in table.column(column).to_list()]
    sealing = {cell: bool(SEALED_MARK.fullmatch(cell)) for cell in set(cells)}
    strange = {cell for cell, seals in sealing.items() if not seals and not OTHER_MARK.fullmatch(cell)}
    if strange:
        at = next(at for at, cell in enumerate(cells) if cell in strange)
        raise UserError(
            f'{table.name}, {said_row(int(table.row_ids[at]))}: "{column}" is "{cells[at]}". Mark sealed rows with '
            "test, holdout, true or 1 and the others with train, false or 0, or leave them empty."
        )
    sealed = np.array([sealing[cell] for cell in cells], dtype=bool)
    if not sealed.any() or sealed.all():
        raise UserError(
            f'{table.name}: "{column}" marks {"every row" if sealed.any() else "no row"} as sealed. '
            "Mark some rows with test and others with train, or choose another split.kind."
        )
    return sealed


def fewest_rows(table: Table, dealt: Sequence[Fold]) -> Table:
    """The training rows of the fold that leaves fewest of some class."""
    strata = table.strata()
    width = int(strata.max(initial=0)) + 1
    left = [np.bincount(strata[fold.train], minlength=width).min() for fold in dealt]
    return table.take(dealt[int(np.argmin(left))].train)
