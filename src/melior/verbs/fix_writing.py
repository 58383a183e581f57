"""How the cells of a cleaned copy are written: as in the source, wherever the copy's format can hold that."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from melior.data.columns import as_text, is_nested
from melior.data.files import Raw
from melior.data.table import Table
from melior.verbs.fix_log import ANEW, Log

EXACT = 2.0**53  # whole numbers that a float holds to the last digit


def as_written(table: Table, raw: Raw | None, path: Path) -> pl.DataFrame:
    """All columns of the table's rows, in the order of the source, the target among them.

    A text file written as text keeps every character of its cells, and a column stored with a type keeps its type.
    Text that becomes Parquet or JSON lines is written as it was read: whole numbers as such, days without a time of
    day as dates. Cells that could not be read are null. Without `raw` the target is text and stands last.
    """
    suffix = path.suffix.lower()
    columns = {name: plainly(table.column(name)) for name in table.frame.columns}
    for name in table.of_kind("image"):
        columns[name] = _moved(table, name, path)
    target = _target(table, as_text=suffix == ".csv")
    if target is not None:
        columns[target.name] = target
    if raw is None or raw.frame.height <= int(table.row_ids.max(initial=0)):
        return pl.DataFrame(list(columns.values()))
    source = raw.frame.select(name for name in raw.frame.columns if name in columns)[table.row_ids]
    missing = {name: np.isin(table.row_ids, list(cells)) for name, cells in table.unparsed.items()}
    for name, dtype in source.schema.items():
        kind = table.schema.kinds.get(name, "")
        if kind == "image" or not _holds(suffix, dtype, kind):
            continue
        cells = source.get_column(name)
        if name in missing:
            cells = cells.to_frame().select(pl.when(~pl.Series(missing[name])).then(pl.col(name))).to_series()
        columns[name] = plainly(cells) if suffix == ".csv" and isinstance(dtype, pl.Datetime) else cells
    return pl.DataFrame([columns[name] for name in source.columns])


def rewritten(table: Table, frame: pl.DataFrame, raw: Raw | None, log: Log) -> None:
    """A line of the log for each column whose cells are written otherwise than in the source, with the first one."""
    why = "cells are written as they were read, and not as in the source"
    for name in frame.columns:
        kind = table.schema.kinds.get(name, "")
        if kind == "image":
            continue
        if raw is None:
            if kind in ("number", "time") and table.schema.notation.get(name):
                log.note(None, name, ANEW, why)
            continue
        before = raw.frame.get_column(name)[table.row_ids]
        after = frame.get_column(name)
        if before.dtype != pl.String or after.dtype.is_nested():
            continue
        after = as_text(after)
        other = (after.is_not_null() & before.is_not_null() & (after != before)).fill_null(False)
        if other.any():
            first = int(other.arg_true()[0])
            log.note(int(table.row_ids[first]), name, ANEW, f"{why}; this row first", before[first], after[first])


def plainly(cells: pl.Series) -> pl.Series:
    """Whole numbers as integers, times that are all midnight as dates; anything else as it is.

    >>> plainly(pl.Series([20.0, None])).to_list(), plainly(pl.Series([20.0, 0.5])).to_list()
    ([20, None], [20.0, 0.5])
    """
    if cells.null_count() == len(cells):
        return cells
    if cells.dtype == pl.Float64:
        whole = (cells == cells.floor()) & (cells.abs() < EXACT)
        return cells.cast(pl.Int64) if whole.drop_nulls().all() else cells
    if isinstance(cells.dtype, pl.Datetime):
        return cells.cast(pl.Date) if (cells.dt.truncate("1d") == cells).drop_nulls().all() else cells
    return cells


def _holds(suffix: str, dtype: Any, kind: str) -> bool:
    """Whether a copy of this format takes a column of the source as it is."""
    if dtype == pl.Object:
        return False
    if suffix == ".csv":
        return not is_nested(dtype)
    if dtype == pl.String and kind in ("number", "time"):
        return False  # these formats have numbers and times of their own
    return suffix == ".parquet" or not is_nested(dtype) or isinstance(dtype, pl.List)


def _target(table: Table, *, as_text: bool) -> pl.Series | None:
    """The answers as they were read; None where there are none."""
    if table.target is None:
        return None
    if table.label_matrix is not None:
        return _label_cells(table, as_text=as_text)
    if table.labels is not None:
        words = np.array([*table.classes, None], dtype=object)
        return pl.Series(table.target, words[table.labels].tolist(), dtype=pl.String)
    return None


def _label_cells(table: Table, *, as_text: bool) -> pl.Series:
    """The labels of each row as they were read: a list, or text where the file holds none; null where not known."""
    sets, matrix = table.schema.label_sets, table.given_label_matrix()
    assert sets is not None
    cells: list[Any] = [
        None if (row < 0).any() else [table.classes[code] for code in np.flatnonzero(row)] for row in matrix
    ]
    if as_text:
        joined = [None if cell is None else sets.separator.join(cell) for cell in cells]
        return pl.Series(table.target, joined, dtype=pl.String)
    return pl.Series(table.target, cells, dtype=pl.List(pl.String))


def _moved(table: Table, column: str, path: Path) -> pl.Series:
    """Paths of images as they are found from the copy's folder."""
    cells = table.column(column)
    if table.images is None or os.path.abspath(table.images.folder) == os.path.abspath(path.parent):
        return cells
    moved = []
    for cell in cells.to_list():
        there = None if cell is None else table.images.folder / cell
        relative = there is not None and not Path(cell).is_absolute() and os.path.lexists(there)
        moved.append(os.path.relpath(str(there), path.parent) if relative else cell)
    return pl.Series(column, moved, dtype=pl.String)
