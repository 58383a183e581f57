"""A target of several labels a row: lists, or text with a separator, to a matrix of rows and labels.

A cell is a list of names (JSONL, Parquet, Arrow), such a list written as text (['fit', 'price']), or text in which a
separator stands between the names. Spaces around a name do not count, nor does a name that is empty or stands twice.
An empty list is a row without labels; an empty cell is a row whose labels are not known, unless the recipe says that
it has none.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.columns import as_text
from melior.data.label_sets import LabelSets, writable_separator
from melior.data.table import LabelMatrix, Rows, said_row
from melior.data.target import FEW, listed
from melior.errors import UserError

MOST = 1000  # labels: beside the models, every one of them has its metrics, each resampled a thousand times
AS_LIST = r"^\s*\[.*\]\s*$"
USUAL = (";", "|", ",", "/")


@dataclass(frozen=True)
class TargetSets:
    """matrix (rows kept, labels) of 0 and 1, the labels in order, which rows were kept, and how cells are written."""

    matrix: LabelMatrix
    classes: tuple[str, ...]
    kept: NDArray[np.bool_]
    how: LabelSets


def is_sets(cells: pl.Series, separator: str | None) -> bool:
    """Whether a target has several labels a row: its cells are lists, or a separator was named."""
    if separator is not None or _listed_cells(cells):
        return True
    if cells.dtype != pl.String:
        return False
    given = cells.drop_nulls()
    return bool(len(given)) and bool(given.str.contains(AS_LIST).all())


def learn(
    cells: pl.Series, table: str, separator: str | None, missing_target: str = "stop", *, part: bool = False
) -> TargetSets:
    """The labels of a target column. missing_target: stop, drop, or no_label (an empty cell has no label). part: of a
    larger table, so that one label on every row is enough."""
    sets = _sets(cells, table, separator)
    if separator is not None and not _listed_cells(cells):
        _separates(cells, table, separator)
    kept = sets.is_not_null().to_numpy()
    if missing_target == "no_label":
        sets, kept = sets.fill_null([]), np.ones(len(sets), dtype=bool)
    if not kept.all() and missing_target == "stop":
        raise _missing(cells.name, table, np.flatnonzero(~kept))
    found = sets.explode().drop_nulls().unique().to_list()
    if not found:
        raise UserError(
            f'{table}: "{cells.name}" has no label in any row, so there is nothing to learn. '
            "Name another target, or fill it."
        )
    classes = ordered(found)
    rows = int(kept.sum())
    if len(classes) > MOST or len(classes) > max(FEW, rows / 5):
        most = f"; at most {MOST:,} are possible" if len(classes) > MOST else ""
        raise UserError(
            f'{table}: "{cells.name}" has {len(classes):,} different labels in {rows:,} rows, too many to learn{most}. '
            "Join rare labels into one, leave them out, or name another target."
        )
    matrix = _matrix(sets.filter(pl.Series(kept)), classes)
    if len(classes) == 1 and matrix.all() and not part:
        raise UserError(
            f'{table}: every row of "{cells.name}" has the label "{classes[0]}" and no other, so there is nothing to '
            "learn. Add rows without it or with other labels, or name another target."
        )
    return TargetSets(
        matrix, classes, kept, LabelSets(writable_separator(classes, separator), missing_target == "no_label")
    )


def known(
    cells: pl.Series,
    table: str,
    classes: Sequence[str],
    how: LabelSets,
    *,
    learned_from: str = "the model",
    need: bool = False,
    otherwise: str = "train with rows of that label",
) -> LabelMatrix:
    """The labels of new rows, which must be among the classes; -1 in all of a row whose cell is empty, refused with
    `need`. Where an empty cell means no label it is 0 instead. otherwise: see `melior.data.target.known`."""
    sets = _sets(cells, table, how.separator)
    if how.empty_is_none:
        sets = sets.fill_null([])
    absent = sets.is_null()
    if need and absent.any():
        raise _missing(cells.name, table, absent.arg_true().to_numpy())
    strange = sets.explode().drop_nulls().unique()
    strange = strange.filter(~strange.is_in(list(classes)))
    if len(strange):
        has = sets.list.eval(pl.element().is_in(strange.to_list())).list.any().fill_null(False)
        row = int(has.arg_true()[0])
        name = next(name for name in sets[row].to_list() if name not in classes)
        more = int(has.sum()) - 1
        also = f" (and {more:,} more rows have such labels)" if more else ""
        raise UserError(
            f'{table}, {said_row(row)}: "{cells.name}" has the label "{name}"{also}, which {learned_from} does not '
            f"know; it has {listed(classes)}. Correct it, or {otherwise}."
        )
    matrix = _matrix(sets, classes)
    matrix[absent.to_numpy()] = -1
    return matrix


def _listed_cells(cells: pl.Series) -> bool:
    return isinstance(cells.dtype, pl.List | pl.Array)


def _sets(cells: pl.Series, table: str, separator: str | None) -> pl.Series:
    """Lists of tidy names, without repeats; null where a cell is empty."""
    if _listed_cells(cells):
        lists = cells.arr.to_list() if isinstance(cells.dtype, pl.Array) else cells
        return _tidy(_named(lists, table))
    text = as_text(cells)
    text = pl.select(pl.when(text.str.strip_chars() != "").then(text).alias(cells.name)).to_series()
    given = text.drop_nulls()
    if len(given) and given.str.contains(AS_LIST).all():
        spoken = {cell: _parsed(cell, cells, table) for cell in given.unique().to_list()}
        parsed = [None if cell is None else spoken[cell] for cell in text.to_list()]
        return _tidy(_named(_as_series(cells.name, parsed, table), table))
    assert separator is not None
    return _tidy(text.str.split(separator))


def _parsed(cell: str, cells: pl.Series, table: str) -> list[Any]:
    """A list that was written as text by JSON or by Python."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(cell.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    row = int((cells == cell).fill_null(False).arg_true()[0])
    raise UserError(
        f'{table}, {said_row(row)}: "{cells.name}" is "{cell[:60]}", which begins like a list and is none. '
        'Write ["one", "two"], or name a separator with data.label_separator.'
    )


def _as_series(name: str, lists: list[list[Any] | None], table: str) -> pl.Series:
    try:
        return pl.Series(name, lists)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise UserError(
            f'{table}: "{name}" holds lists of different kinds of things. '
            'Write lists of names, such as ["fit", "price"].'
        ) from None


def _named(lists: pl.Series, table: str) -> pl.Series:
    """Lists of text. Whole numbers are names; other numbers, lists of 0 and 1 and nested lists are refused."""
    inner: Any = lists.dtype.inner  # type: ignore[attr-defined]
    if inner == pl.Null:
        return lists.cast(pl.List(pl.String))
    if inner in (pl.String, pl.Categorical, pl.Enum) or isinstance(inner, pl.Categorical | pl.Enum):
        return lists.cast(pl.List(pl.String))
    flat = lists.explode().drop_nulls()
    if inner == pl.Boolean or (inner.is_numeric() and not inner.is_float()):
        lengths = lists.drop_nulls().list.len()
        marks = inner == pl.Boolean or (len(flat) > 0 and bool(flat.is_in([0, 1]).all()))
        if marks and lengths.n_unique() == 1 and lengths[0] > 1:
            raise UserError(
                f'{table}: "{lists.name}" holds lists of {int(lengths[0])} marks (0 or 1), which say nothing of what '
                'the labels are called. Write the names of the labels that a row has, such as ["fit", "price"].'
            )
        return lists.cast(pl.List(pl.Int64 if inner != pl.Boolean else pl.Boolean)).cast(pl.List(pl.String))
    example = next((value for value in flat.to_list()[:1]), "")
    what = f"numbers such as {example}" if inner.is_numeric() else "things that are no names"
    raise UserError(
        f'{table}: "{lists.name}" holds lists of {what}, which cannot be labels. '
        'Write lists of names, such as ["fit", "price"], or name another target.'
    )


def _tidy(lists: pl.Series) -> pl.Series:
    """Names without spaces around them; none empty, none twice; a missing list stays null."""
    name = pl.element().str.strip_chars()
    return lists.list.eval(name.filter(name.is_not_null() & (name != "")).unique(maintain_order=True))


def ordered(names: list[str]) -> tuple[str, ...]:
    """Labels, by value where all are whole numbers, else as text."""
    if all(name.lstrip("-").isdecimal() and name.isascii() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _matrix(sets: pl.Series, classes: Sequence[str]) -> LabelMatrix:
    """(rows, labels) of 0 and 1."""
    matrix = np.zeros((len(sets), len(classes)), dtype=np.int8)
    pairs = pl.DataFrame({"row": np.arange(len(sets)), "label": sets}).explode("label").drop_nulls("label")
    numbers = {label: number for number, label in enumerate(classes)}
    codes = [numbers[label] for label in pairs.get_column("label").to_list()]
    matrix[pairs.get_column("row").to_numpy(), np.array(codes, dtype=np.int64)] = 1
    return matrix


def _separates(cells: pl.Series, table: str, separator: str) -> None:
    """A separator that stands in no cell is a slip: every row would have one label."""
    text = as_text(cells).drop_nulls()
    if len(text) and text.str.contains(AS_LIST).all():
        return
    if not len(text) or text.str.contains(separator, literal=True).any():
        return
    there = [one for one in USUAL if one != separator and text.str.contains(one, literal=True).any()]
    hint = f'"{there[0]}" does: name that' if there else "name the one that is used"
    raise UserError(
        f'{table}: no row of "{cells.name}" has the separator "{separator}" (data.label_separator). '
        f"Correct it ({hint}), or leave it out where a row has one label."
    )


def _missing(target: str, table: str, rows: Rows) -> UserError:
    more = f" ({rows.size:,} rows are)" if rows.size > 1 else ""
    return UserError(
        f'{table}, {said_row(int(rows[0]))}: "{target}" is empty{more}. Fill it, leave such rows out with '
        "data.missing_target: drop in a recipe (`melior init` writes one), or say there with data.missing_target: "
        "no_label that they have no label."
    )
