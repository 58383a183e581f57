"""Columns as they came to columns as their kinds say: numbers to Float64, times to Datetime, the rest to text.

Whole frames at once where cells are plain; only columns with cells that are not go through `numbers` and `times`.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from melior.data import numbers, times
from melior.data.phrases import phrases_of, without

Unparsed = dict[str, dict[int, str]]
Parsed = numbers.Numbers | times.Times
TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}


def is_nested(dtype: Any) -> bool:
    """Lists, structs, bytes and Python objects, which are not read."""
    return bool(dtype.is_nested()) or dtype in (pl.Binary, pl.Object)


def is_picture(dtype: Any) -> bool:
    """A struct of bytes and path, as Hugging Face datasets keep images."""
    return isinstance(dtype, pl.Struct) and {part.name for part in dtype.fields} == {"bytes", "path"}


def plainly_typed(frame: pl.DataFrame) -> pl.DataFrame:
    """The same with null for every cell of text that has no letter, and extension types as what they are made of."""
    extension: Any = getattr(pl, "BaseExtension", ())
    extended = [name for name, dtype in frame.schema.items() if isinstance(dtype, extension)]
    if extended:
        frame = frame.with_columns(pl.col(name).ext.storage() for name in extended)
    return frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))


def distinct_counts(frame: pl.DataFrame) -> dict[str, int]:
    """Column -> number of different filled cells; 0 for nested columns."""
    flat = [name for name, dtype in frame.schema.items() if not is_nested(dtype)]
    if not flat:
        return dict.fromkeys(frame.columns, 0)
    counts = frame.select(pl.col(name).n_unique() for name in flat).row(0)
    nulls = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    found = {name: int(count) - (nulls[name] > 0) for name, count in zip(flat, counts, strict=True)}
    return {name: found.get(name, 0) for name in frame.columns}


def plain_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column that can be numbers, as finite ones: null where a cell is none or is not written plainly."""
    types = dict(frame.schema)  # frame.schema builds all of it at each look
    readable = [name for name, dtype in types.items() if dtype == pl.String or dtype.is_numeric()]
    return frame.select(_plain_number(name, types[name]) for name in readable)


def store(
    frame: pl.DataFrame,
    kinds: Mapping[str, str],
    notation: Mapping[str, Mapping[str, str]],
    plain: pl.DataFrame | None = None,
    parsed: Mapping[str, Parsed] | None = None,
) -> tuple[pl.DataFrame, Unparsed]:
    """The columns of `kinds` in their order, stored as their kinds say; column -> {position: what did not fit}.

    plain    what `plain_numbers` gives for the frame, when it is there already
    parsed   columns that were read already
    """
    numeric = [name for name, kind in kinds.items() if kind == "number" and name not in notation]
    if plain is None:
        plain = plain_numbers(frame.select(numeric))
    kept = dict(zip(plain.columns, plain.null_count().row(0), strict=True))
    empty = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    whole = {name for name in numeric if kept.get(name, -1) == empty[name]}
    columns: list[pl.Series] = []
    unparsed: Unparsed = {}
    for name, kind in kinds.items():
        if name in whole:
            columns.append(plain.get_column(name))
            continue
        cells = frame.get_column(name)
        if kind not in ("number", "time"):
            texts = as_text(cells, tidy=kind == "category")
            columns.append(without(texts, phrases_of(notation.get(name, {}))) if kind == "text" else texts)
            continue
        done = (parsed or {}).get(name)
        if done is not None:
            values, wrong = done.values, done.unparsed
        elif kind == "number":
            values, wrong = _number(cells, notation.get(name, {}))
        else:
            values, wrong = _time(cells, notation.get(name, {}))
        if wrong.any():
            places = wrong.arg_true()
            unparsed[name] = dict(zip(places.to_list(), as_text(cells.gather(places)).to_list(), strict=True))
        columns.append(values.alias(name))
    return pl.DataFrame(columns), unparsed


def _plain_number(name: str, dtype: Any) -> pl.Expr:
    """The column as finite numbers without looking at how text is written; null where that is not enough."""
    column = pl.col(name)
    if dtype == pl.String:
        return numbers.plain(column)
    if dtype.is_numeric() or dtype == pl.Boolean:
        value = column.cast(pl.Float64)
        return pl.when(value.is_finite()).then(value)
    if dtype == pl.Duration:
        return column.dt.total_microseconds().cast(pl.Float64) / 1e6
    if dtype == pl.Time:
        return column.cast(pl.Int64).cast(pl.Float64) / 1e9
    if dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64) / 1e6
    return pl.when(column.is_null() & pl.lit(False)).then(0.0).alias(name)


def _number(cells: pl.Series, notation: Mapping[str, str]) -> tuple[pl.Series, pl.Series]:
    """Values, and where a cell says something that is no number."""
    if cells.dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        read = numbers.parse(cells, notation)
        return read.values, read.unparsed
    values = cells.to_frame().select(_plain_number(cells.name, cells.dtype)).to_series()
    absent = cells.is_null() | (cells.is_nan() if cells.dtype.is_float() else False)
    return values, values.is_null() & ~absent


def _time(cells: pl.Series, notation: Mapping[str, str]) -> tuple[pl.Series, pl.Series]:
    """Values, and where a cell says something that is no time."""
    dtype = cells.dtype
    if dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        read = times.parse(cells, notation)
    elif isinstance(dtype, pl.Datetime):
        plain = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else cells
        return plain.cast(times.US), pl.repeat(False, len(cells), eager=True)
    elif dtype == pl.Date:
        return cells.cast(times.US), pl.repeat(False, len(cells), eager=True)
    elif dtype.is_numeric() and notation.get("order") == "digits":
        read = times.parse(cells.cast(pl.Int64, strict=False).cast(pl.String), notation)
    elif dtype.is_numeric():
        read = times.of_numbers(cells, notation.get("order", ""))
    else:
        return pl.repeat(None, len(cells), dtype=times.US, eager=True), cells.is_not_null()
    return read.values, read.unparsed


def as_text(cells: pl.Series, tidy: bool = False) -> pl.Series:
    """Any column as text; nan is null, 3.0 is 3, nested cells are null. With tidy, True is true.

    True and true are the same answer written by pandas and by polars or JSON, so as categories they are made one.
    """
    dtype: Any = cells.dtype
    if dtype == pl.String:
        return cells.replace(TRUTH) if tidy else cells
    if is_nested(dtype) or dtype == pl.Null:
        return pl.Series(cells.name, [None], dtype=pl.String).new_from_index(0, len(cells))
    if dtype.is_float() or dtype.is_decimal():
        values = cells.cast(pl.Float64).fill_nan(None)
        whole = (values == values.floor()) & (values.abs() < 1e15)
        text = values.cast(pl.String)
        return pl.select(
            pl.when(whole).then(values.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(text).alias(cells.name)
        ).to_series()
    return cells.cast(pl.String)
