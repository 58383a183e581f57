"""Tables that are in memory already: pandas, polars, pyarrow, Hugging Face datasets, lists of dicts, dicts of columns.

Everything with the Arrow stream protocol (`__arrow_c_stream__`) comes in through it; what pandas holds beside that
(mixed objects, repeated names) is brought in column by column.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from melior.errors import UserError

HALF = re.compile("[\ud800-\udfff]")


def of_memory(source: Any) -> tuple[pl.DataFrame, list[str]]:
    """The columns of a table in memory, and what to tell of them."""
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return source, []
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return _of_pandas(source)
    if isinstance(source, Mapping):
        if source and all(hasattr(part, "features") for part in source.values()):
            first = next(iter(source))
            raise UserError(
                f"this holds several tables ({', '.join(map(str, source))}); give one, such as [{first!r}]."
            )
        return _of_columns(source)
    if isinstance(getattr(source, "features", None), Mapping) and hasattr(source, "info"):
        return _of_datasets(source)
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source), []
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if all(isinstance(record, Mapping) for record in source):
            return of_records(source)
        raise UserError("a list of rows must hold dicts such as {'age': 31}, one for each row.")
    raise UserError(
        f"rows cannot be read from {type(source).__name__}; give a path, a pandas or polars frame, an Arrow table, "
        "a Hugging Face dataset, a list of dicts or a dict of columns."
    )


def of_records(records: Sequence[Mapping[str, Any]]) -> tuple[pl.DataFrame, list[str]]:
    """Rows as dicts: every key that any row has is a column, in order of first sight; what a row lacks is null."""
    keys: dict[str, None] = {}
    for record in records:
        for key in record:
            keys.setdefault(key)
    return _of_columns({key: [record.get(key) for record in records] for key in keys})


def _of_columns(columns: Mapping[Any, Any]) -> tuple[pl.DataFrame, list[str]]:
    notes: list[str] = []
    made: dict[str, pl.Series] = {}
    for key, values in columns.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise UserError(f"column {str(key)!r} is one {type(values).__name__}, not a column of values; give a list.")
        made[whole(str(key))] = series(str(key), values, notes)
    lengths = {name: len(column) for name, column in made.items()}
    if len(set(lengths.values())) > 1:
        short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise UserError(f"columns differ in length: {short!r} has {lengths[short]:,} rows, {long!r} {lengths[long]:,}.")
    return pl.DataFrame(made), notes


def series(name: str, values: Iterable[Any], notes: list[str]) -> pl.Series:
    """A column of Python values. Values of different types become text; half characters (lone surrogates) become �."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biufM":
        return pl.Series(name, values)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return pl.Series(name, values)
    cells = [None if _missing(value) else value for value in values]
    cells = [sorted(cell, key=str) if isinstance(cell, set | frozenset) else cell for cell in cells]
    if len({cell.dtype.kind for cell in cells if isinstance(cell, np.ndarray)}) > 1:  # an empty one is of float64
        cells = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in cells]
    types = {type(cell) for cell in cells if cell is not None}
    if types <= {str}:
        if any(map(HALF.search, filter(None, cells))):
            notes.append(f'"{whole(name)}" held half characters (lone surrogates), now �.')
            cells = [None if cell is None else whole(cell) for cell in cells]
        return pl.Series(name, cells, dtype=pl.String)
    if types <= {int, float} and float in types:
        return pl.Series(name, [None if cell is None else float(cell) for cell in cells], dtype=pl.Float64)
    if len(types) == 1 or any(issubclass(kind, dict | list | tuple | np.ndarray) for kind in types):
        try:
            return pl.Series(name, cells)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError, UnicodeEncodeError):
            pass  # too large, or of several shapes: as text
    return pl.Series(name, [None if cell is None else _text(cell) for cell in cells], dtype=pl.String)


def _missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _text(value: Any) -> str:
    return whole(str(value).lower() if isinstance(value, bool | np.bool_) else str(value))


def whole(text: str) -> str:
    """Surrogate pairs joined, lone halves replaced."""
    if not HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _of_pandas(source: Any) -> tuple[pl.DataFrame, list[str]]:
    """A pandas frame; its index is no column."""
    from melior.data.files import usable_names

    given = ["_".join(map(str, name)) if isinstance(name, tuple) else whole(str(name)) for name in source.columns]
    names, notes = usable_names(given)
    plain = source.reset_index(drop=True)
    plain.columns = names
    for name in names:  # what Arrow would hand over as numbers without their meaning
        if str(plain[name].dtype).startswith("period"):
            plain[name] = plain[name].dt.to_timestamp()
        elif str(plain[name].dtype).startswith("interval"):
            plain[name] = plain[name].astype("string")
    try:
        return pl.DataFrame(_Stream(plain.__arrow_c_stream__)), notes
    except (ImportError, TypeError, ValueError, NotImplementedError, OverflowError, pl.exceptions.PolarsError):
        pass  # a column that Arrow does not know (or no pyarrow): one by one
    made = []
    for name in names:
        column = plain[name]
        try:
            made.append(pl.DataFrame(_Stream(plain[[name]].__arrow_c_stream__)).get_column(name))
        except (ImportError, TypeError, ValueError, NotImplementedError, OverflowError, pl.exceptions.PolarsError):
            cells = [None if gone else cell for cell, gone in zip(column, column.isna(), strict=True)]
            made.append(series(name, cells, notes))
    return pl.DataFrame(made), notes


class _Stream:
    """The Arrow stream of something and nothing else, so that polars takes that way in."""

    def __init__(self, stream: Callable[[Any], Any]) -> None:
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._stream(requested_schema)


def _of_datasets(source: Any) -> tuple[pl.DataFrame, list[str]]:
    """A Hugging Face dataset; numbers of a ClassLabel become the names they stand for."""
    if not hasattr(source, "__len__"):
        raise UserError("a streamed dataset has no end to wait for; load it without streaming=True.")
    if hasattr(source, "__arrow_c_stream__"):
        frame = pl.DataFrame(_Stream(source.__arrow_c_stream__))
    else:
        frame = pl.DataFrame(source.with_format("arrow")[:])
    for name, feature in source.features.items():
        inner = getattr(getattr(feature, "feature", None), "names", None)
        if inner and name in frame.columns and isinstance(frame.schema[name], pl.List):
            said = pl.element().replace_strict(dict(enumerate(inner)), default=None, return_dtype=pl.String)
            frame = frame.with_columns(pl.col(name).list.eval(said))
        labels = getattr(feature, "names", None)
        if labels and name in frame.columns and frame.schema[name].is_integer():
            spoken = dict(enumerate(labels))
            frame = frame.with_columns(pl.col(name).replace_strict(spoken, default=None, return_dtype=pl.String))
    return frame, []
