"""Several sources as one table: columns aligned by name or a mapping, what a source lacks missing, the source kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from melior.data.columns import is_picture
from melior.data.naming import instead
from melior.data.read import opened, read
from melior.data.schema import STORED_AS
from melior.data.table import Table
from melior.data.target import listed
from melior.errors import UserError
from melior.recipe import Source

Progress = Callable[[str], None]

PICTURE = {"bytes": pl.Binary, "path": pl.String}  # of an image column while it is between two tables


@dataclass(frozen=True)
class Read:
    """One source, read: its columns under the names of the whole, its answers in the words of the whole.

    target  by its name in the whole; a folder of images has one unasked
    """

    name: str
    target: str | None
    frame: pl.DataFrame
    kinds: Mapping[str, str]
    answers: pl.Series | None
    notes: tuple[str, ...]


def fuse(
    sources: Sequence[Any],
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    source_column: str = "source",
    missing_target: str = "stop",
    encoding: str | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
    progress: Progress | None = None,
) -> Table:
    """One Table of the rows of all sources, one after another.

    sources         two or more: a path; a table in memory; or a mapping as in a recipe's data.sources, with path (or
                    rows, for a table in memory), name, columns (its name of a column -> that of the whole) and labels
                    (its class -> that of the whole)
    target          the column to predict, by its name in the whole; every source has it
    columns         kinds that differ from what is inferred, by the names of the whole
    source_column   says of each row which source it is from. It is kept for splits by group and for checks, and no
                    model reads it, unless `columns` gives it a kind

    Columns of one name (after the mapping) are one column; a column that a source lacks is missing in its rows. Kinds
    are inferred source by source, so that each may write numbers and dates in its own way; a column that is of one
    kind here and of another there is refused. The other settings are those of `read`.

    >>> import polars as pl
    >>> north = pl.DataFrame({"age": [31, 40, 29], "paid": ["yes", "no", "yes"]})
    >>> south = pl.DataFrame({"years": [55, 62], "paid": ["Y", "N"], "town": ["Rome", "Bari"]})
    >>> both = fuse(
    ...     [{"rows": north, "name": "north"},
    ...      {"rows": south, "name": "south", "columns": {"years": "age"}, "labels": {"Y": "yes", "N": "no"}}],
    ...     target="paid",
    ... )
    >>> both.column("age").to_list(), both.classes
    ([31.0, 40.0, 29.0, 55.0, 62.0], ('no', 'yes'))
    """
    given = [_asked(one, number) for number, one in enumerate(sources)]
    if len(given) < 2:
        raise UserError("data.sources names one source; name two or more, or give the file as data.path.")
    names = [name for name, _, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"data.sources: two sources are called {twice!r}; give each a name of its own.")
    if target == source_column:
        raise UserError(f'data.source_column: "{target}" is the target; choose another name.')
    how = {
        "missing_target": missing_target, "encoding": encoding, "separator": separator,
        "label_separator": label_separator, "progress": progress,
    }  # fmt: skip
    wanted = {name: kind for name, kind in (columns or {}).items() if name != source_column}
    parts = [_read(name, rows, about, target, wanted, source_column, how) for name, rows, about in given]
    kinds = _agreed(parts)
    unknown = next((name for name in wanted if name not in kinds), None)
    if unknown is not None:
        raise UserError(
            f'data.columns names "{unknown}", which is a column of no source. {instead(unknown, list(kinds))}'
        )
    frame = _stacked(parts, kinds, source_column)
    if target is None:  # folders of images bring theirs
        asked = {part.target for part in parts}
        target = asked.pop() if len(asked) == 1 else None
    if target is not None:
        answers = [part.answers for part in parts if part.answers is not None]
        frame = frame.with_columns(pl.concat(answers).alias(target))
    told = {**kinds, source_column: (columns or {}).get(source_column, "ignore")}
    table = read(frame, target=target, columns=told, name=_called(names), progress=progress)
    schema = replace(table.schema, encoding=encoding, separator=separator)
    notes = (*_notes(parts, kinds), *table.notes)
    return replace(table, schema=schema, notes=notes, why={**table.why, source_column: "says the source"})


def _asked(one: Any, number: int) -> tuple[str, Any, Source]:
    """(name, rows, settings) of what a source was given as."""
    rows: Any = None
    if isinstance(one, Mapping) and ("path" in one or "rows" in one) and not _is_data(one):
        settings = {key: value for key, value in one.items() if key != "rows"}
        rows = one.get("rows")
        if rows is not None and "path" in settings:
            raise UserError(f"data.sources: source {number + 1} has a path and rows; give one of them.")
        one = Source.checked({"path": "", **settings}, f"data.sources[{number}]")
    if not isinstance(one, Source):
        rows = None if isinstance(one, str | Path) else one
        one = Source(path=str(one) if rows is None else "")
    name = one.name or (Path(one.path).name if one.path else f"source {number + 1}")
    if rows is None and not one.path:
        raise UserError(f"data.sources: source {number + 1} names no file; give its path.")
    return name, one.path if rows is None else rows, one


def _is_data(given: Mapping[str, Any]) -> bool:
    """Whether a mapping is a dict of columns, one of which happens to be called path."""
    return all(not isinstance(value, str) and isinstance(value, Sequence | np.ndarray) for value in given.values())


def _read(
    name: str,
    rows: Any,
    about: Source,
    target: str | None,
    columns: Mapping[str, str],
    source_column: str,
    how: dict[str, Any],
) -> Read:
    """A source under the names of the whole."""
    back = {ours: theirs for theirs, ours in about.columns.items()}
    if len(back) < len(about.columns):
        ours = list(about.columns.values())
        both = next(one for one in ours if ours.count(one) > 1)
        raise UserError(f'{name}: two columns are mapped to "{both}"; map one of them to another name.')
    own = None if target is None else back.get(target, target)
    raw = opened(rows, target=own, encoding=how["encoding"], separator=how["separator"], name=name)
    kinds = {back.get(ours, ours): kind for ours, kind in columns.items() if back.get(ours, ours) in raw.frame.columns}
    table = read(raw, target=own, columns=kinds, part=True, **how)
    has = [*table.frame.columns, *([] if table.target is None else [table.target])]
    lost = next((theirs for theirs in about.columns if theirs not in has), None)
    if lost is not None:
        raise UserError(f'{name}: the mapping names "{lost}", which is no column. {instead(lost, has)}')
    new = {theirs: about.columns.get(theirs, theirs) for theirs in table.frame.columns}
    double = next((ours for ours in new.values() if list(new.values()).count(ours) > 1), None)
    if double is not None:
        raise UserError(f'{name}: "{double}" is a column already, and another one is mapped to it; map it elsewhere.')
    if source_column in new.values():
        raise UserError(f'{name}: "{source_column}" is a column already; choose another data.source_column.')
    frame = table.frame.rename(new)
    for theirs in table.of_kind("image"):
        given = raw.frame.get_column(theirs)
        if is_picture(given.dtype):
            pictures = given[table.row_ids].alias(new[theirs])  # the table names them; here are the pictures themselves
        else:
            pictures = _from_here(frame.get_column(new[theirs]), raw.folder)
        frame = frame.with_columns(pictures)
    read_as = {new[theirs]: kind for theirs, kind in table.schema.kinds.items()}
    notes = tuple(f"{name}: {note}" for note in table.notes)
    asked = None if table.target is None else about.columns.get(table.target, table.target)
    return Read(name, asked, frame, read_as, _answers(table, about.labels), notes)


def _from_here(paths: pl.Series, folder: Path) -> pl.Series:
    """Paths that begin at the folder of their table, as pictures whose paths begin anywhere."""
    found = [None if path is None else str((folder / path).resolve()) for path in paths.to_list()]
    return pl.DataFrame({"bytes": None, "path": found}, schema=PICTURE).to_struct(paths.name)


def _answers(table: Table, mapping: Mapping[str, str]) -> pl.Series | None:
    """Each row's class, or list of labels, in the words of the whole; None without a target."""
    if table.target is None:
        return None
    lost = next((label for label in mapping if label not in table.classes), None)
    if lost is not None:
        raise UserError(
            f'{table.name}: labels names {lost!r}, which is no class of "{table.target}". '
            f"{instead(lost, list(table.classes))}"
        )
    said = [mapping.get(label, label) for label in table.classes]
    if table.multilabel:
        lists = [list(dict.fromkeys(said[n] for n in np.flatnonzero(row > 0))) for row in table.given_label_matrix()]
        return pl.Series("answers", lists, dtype=pl.List(pl.String))
    return pl.Series("answers", [said[number] for number in table.given_labels()], dtype=pl.String)


def _agreed(parts: Sequence[Read]) -> dict[str, str]:
    """Column -> kind, in the order of first sight; a column empty in one source is what it is in the others."""
    found: dict[str, tuple[str, str]] = {}
    for part in parts:
        for column, kind in part.kinds.items():
            if kind == "ignore":
                continue
            before = found.setdefault(column, (kind, part.name))
            if before[0] != kind:
                raise UserError(
                    f'"{column}" is of kind {before[0]} in {before[1]} and of kind {kind} in {part.name}; say which '
                    f"with data.columns: {{{column}: {before[0]}}}, or map one of them to another name."
                )
    every = dict.fromkeys(column for part in parts for column in part.kinds)
    return {column: found[column][0] if column in found else "ignore" for column in every}


def _stacked(parts: Sequence[Read], kinds: Mapping[str, str], source_column: str) -> pl.DataFrame:
    whole = []
    for part in parts:
        made = [
            (part.frame.get_column(name) if name in part.frame.columns else pl.Series(name, [None] * part.frame.height))
            .cast(pl.Struct(PICTURE) if kind == "image" else STORED_AS[kind], strict=False)
            .alias(name)
            for name, kind in kinds.items()
        ]
        which = pl.Series(source_column, [part.name] * part.frame.height, dtype=pl.String)
        whole.append(pl.DataFrame([*made, which]))
    return pl.concat(whole)


def _notes(parts: Sequence[Read], kinds: Mapping[str, str]) -> list[str]:
    """Where each source's rows are, which columns only some have, and what reading each had to tell."""
    notes, first = [], 1
    for part in parts:
        lacking = [name for name in kinds if name not in part.frame.columns]
        said = f"; it has no {listed(lacking, 5)}" if lacking else ""
        notes.append(f"rows {first:,} to {first + part.frame.height - 1:,} are of {part.name}{said}.")
        first += part.frame.height
    return [*notes, *(note for part in parts for note in part.notes)]


def _called(names: Sequence[str]) -> str:
    return " + ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} others"
