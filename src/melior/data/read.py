"""Reading: a file or a table in memory becomes a Table, with kinds inferred once and kept for all later rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data import marks, target_sets
from melior.data import target as targets
from melior.data.columns import Unparsed, plain_numbers, plainly_typed, store
from melior.data.files import Raw, is_parquet, read_file, read_parquet_part
from melior.data.folders import IMAGE, LABEL, read_folder, usable_answers
from melior.data.frames import of_memory
from melior.data.image_cells import with_images
from melior.data.kinds import Inferred, infer
from melior.data.label_sets import LabelSets
from melior.data.naming import instead, named
from melior.data.schema import FEATURE_KINDS, KINDS, Schema
from melior.data.seen import seen_in
from melior.data.table import LabelMatrix, Labels, Rows, Table, said_row
from melior.data.unread import unread
from melior.errors import UserError
from melior.storage import of_address

Progress = Callable[[str], None]

MEMORY = 0.25  # of the memory at hand: rows, their parsed copy, and what checks make of them


def read(
    source: Any,
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    missing_target: str = "stop",
    encoding: str | None = None,
    separator: str | None = None,
    name: str | None = None,
    sample: int | Literal["fitting"] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    label_separator: str | None = None,
    part: bool = False,
) -> Table:
    """A Table of a file (CSV, TSV, JSONL, Parquet, plain, .gz or .zst), a folder of images, or a table in memory.

    source          a path, a pandas or polars frame, an Arrow table, a Hugging Face dataset, dicts of either shape.
                    A column of image files holds paths from the table's own folder. A folder of images gives `image`,
                    and `label`, the name of the folder that each lies in, which is the target
    target          the column to predict; for a folder of images what the folders' names are called
    columns         kinds that differ from what `kinds` infers
    missing_target  stop, or drop the rows without a target (the others keep their numbers); no_label: in a target of
                    several labels a row, an empty cell has none
    encoding, separator   of text files, found when not given
    name            what messages call the table; the file's name otherwise
    sample          so many rows, drawn at random by `seed`, which keep their numbers; "fitting" draws only where a
                    Parquet file would take more than a quarter of the memory at hand. A Parquet file is never whole
                    in memory then
    progress        is told what is being done, a few times
    label_separator stands between the labels of a target of several labels a row; lists need none
    part            these are some of the rows of a whole, so one class among them is enough
    """
    tell = progress or (lambda said: None)
    raw = _open(source, encoding, separator, name, tell, sample, seed, label=None if target is None else str(target))
    target = None if target is None else named(target, raw.frame.columns)
    columns = {named(column, raw.frame.columns): kind for column, kind in (columns or {}).items()}
    _known_names(raw, target, columns)
    if target is None and raw.label is not None:
        if raw.frame.get_column(raw.label).drop_nulls().n_unique() > 1:
            target = raw.label
        else:
            raw = replace(raw, frame=raw.frame.drop(raw.label))  # one folder is no answer to learn
    usable_answers(raw, target, missing_target)
    frame = raw.frame
    rows: Rows = np.arange(frame.height, dtype=np.int64) if raw.rows is None else raw.rows
    without: Rows | None = None
    labels: Labels | None = None
    matrix: LabelMatrix | None = None
    sets: LabelSets | None = None
    classes: tuple[str, ...] = ()
    notes = [*raw.notes, *([raw.below] if raw.below else [])]
    if target is not None:
        cells = frame.get_column(target)
        if target_sets.is_sets(cells, label_separator):
            several = target_sets.learn(cells, raw.name, label_separator, missing_target, part=part)
            matrix, classes, sets, kept = several.matrix, several.classes, several.how, several.kept
            notes += _always(target, classes, matrix)
        else:
            if missing_target == "no_label":
                raise UserError(
                    f"{raw.name}: data.missing_target: no_label is for a target of several labels a row, and "
                    f'"{target}" has one; name what stands between labels with data.label_separator, or use drop.'
                )
            learned = targets.learn(cells, raw.name, missing_target, part=part)
            labels, classes, kept = learned.labels, learned.classes, learned.kept
            notes += learned.notes
        without = rows[~kept]
        frame, rows = _kept(frame, rows, kept, notes, target)
        frame = frame.drop(target)
    tell(f"looking at {frame.width:,} columns")
    plain = plain_numbers(frame)
    inferred = infer(frame, columns=columns, plain=plain, semicolons=raw.separator == ";")
    kinds = {column: found.kind for column, found in inferred.items()}
    notation = {column: dict(found.notation) for column, found in inferred.items() if found.notation}
    for column, found in inferred.items():
        if found.doubt is not None:
            decimal = found.notation.get("decimal", ".")
            notes.append(marks.said_doubt(column, found.doubt, decimal, said_row(int(rows[found.doubt.place]))))
    tell(f"parsing {frame.height:,} rows")
    parsed = {column: found.parsed for column, found in inferred.items() if found.parsed is not None}
    frame, images = with_images(raw, frame, kinds, rows, tell)
    stored, unparsed = store(frame, kinds, notation, plain, parsed)
    seen = seen_in(stored, [column for column, kind in kinds.items() if kind in ("category", "language")])
    _not_hopeless(raw.name, frame, stored, inferred, columns or {}, rows)
    return Table.make(
        stored,
        Schema(kinds, target, classes, notation, sets, seen, encoding, separator),
        labels,
        unparsed=_by_row(unparsed, rows),
        name=raw.name,
        row_ids=rows,
        notes=(*notes, *_ignored(inferred, columns or {})),
        why={column: found.why for column, found in inferred.items()},
        drawn_from=raw.drawn_from,
        without_target=without,
        images=images,
        label_matrix=matrix,
    )


def opened(
    source: Any,
    *,
    target: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Raw:
    """A source as raw columns, which `read` takes in its place: for who must know the columns first."""
    return _open(source, encoding, separator, name, progress or (lambda said: None), label=target)


def read_like(
    source: Any,
    schema: Schema,
    *,
    need_target: bool = False,
    missing_target: str = "stop",
    encoding: str | None = None,
    separator: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Table:
    """New rows for a predictor that was trained on a table of this schema.

    Cells are read by the schema's kinds and notation; what cannot be read so, and values that were never seen, stand in
    the table's notes. Columns may stand in any order and others beside them; a column that models read must be there.
    Labels are -1 where the target is empty, and None where there is no target; need_target refuses both, or leaves
    rows without one out where missing_target is drop. The encoding and the separator are those of the training rows
    where they were said and nothing else is.
    """
    tell = progress or (lambda said: None)
    raw = _open_like(source, encoding, separator, name, tell, schema)
    return _like(raw, schema, missing_target if need_target else "keep", "the model", tell)


def read_pair(
    main: Any,
    test: Any,
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    missing_target: str = "stop",
    encoding: str | None = None,
    separator: str | None = None,
    sample: int | Literal["fitting"] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    label_separator: str | None = None,
) -> tuple[Table, Table]:
    """A table and a second one, read as the first: same kinds, notation and classes. The second has origin 1.

    A class that only the second has is refused: nothing could have learned it.
    """
    how = {"encoding": encoding, "separator": separator, "progress": progress, "sample": sample, "seed": seed}
    first = read(
        main,
        target=target,
        columns=columns,
        missing_target=missing_target,
        label_separator=label_separator,
        **how,  # type: ignore[arg-type]
    )
    tell = progress or (lambda said: None)
    raw = _open_like(test, encoding, separator, None, tell, first.schema)
    if raw.name == first.name:
        raw = replace(raw, name="the test rows")
    second = _like(raw, first.schema, missing_target, first.name, tell)
    return first, replace(second, origin=np.ones(len(second), dtype=np.int8))


def _like(raw: Raw, schema: Schema, missing_target: str, learned_from: str, tell: Progress) -> Table:
    """missing_target: stop, drop, or keep (as -1, and the whole column may be absent)."""
    frame = raw.frame
    if raw.label is not None and missing_target == "keep":
        known = frame.get_column(raw.label).drop_nulls().is_in(list(schema.classes)).all()
        frame = frame if known else frame.drop(raw.label)  # new images, put into folders for other reasons
    elif missing_target != "keep":
        usable_answers(raw, schema.target, missing_target)
    there = set(frame.columns)
    absent = [column for column in schema.kinds if column not in there]
    needed = [column for column in absent if schema.kinds[column] in FEATURE_KINDS]
    target = schema.target
    if missing_target != "keep" and target is not None and target not in there:
        needed.append(target)
    if needed:
        raise UserError(f"{raw.name}: {_columns_said(needed)} missing. {instead(needed[0], frame.columns)}")
    rows: Rows = np.arange(frame.height, dtype=np.int64)
    labels: Labels | None = None
    matrix: LabelMatrix | None = None
    notes = list(raw.notes)
    if target is not None and target in there:
        cells = frame.get_column(target)
        need = missing_target == "stop"
        if schema.label_sets is not None:
            sets = schema.label_sets
            matrix = target_sets.known(cells, raw.name, schema.classes, sets, learned_from=learned_from, need=need)
        else:
            labels = targets.known(cells, raw.name, schema.classes, learned_from=learned_from, need=need)
        if missing_target == "drop":
            given = matrix if labels is None else labels[:, None]
            assert given is not None
            kept = np.asarray((given >= 0).all(axis=1))
            frame, rows = _kept(frame, rows, kept, notes, target)
            labels = None if labels is None else labels[kept]
            matrix = None if matrix is None else matrix[kept]
            if not frame.height:
                raise UserError(f'{raw.name}: "{target}" is empty in every row. Fill it.')
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column) for column in absent)
    frame, images = with_images(raw, frame, schema.kinds, rows, tell)
    notation = _as_here(frame, schema, rows, notes)
    stored, wrong = store(frame, schema.kinds, notation)
    unparsed = _by_row(wrong, rows)
    notes += unread(stored, schema, unparsed, rows, images)
    return Table.make(
        stored,
        schema,
        labels,
        unparsed=unparsed,
        name=raw.name,
        row_ids=rows,
        notes=tuple(notes),
        images=images,
        label_matrix=matrix,
    )


def _as_here(frame: pl.DataFrame, schema: Schema, rows: Rows, notes: list[str]) -> Mapping[str, Mapping[str, str]]:
    """How the columns are written in new rows: as the schema says, but with the decimal mark that the cells show."""
    numeric = [name for name in schema.of_kind("number") if frame.schema[name] == pl.String]
    if not numeric:
        return schema.notation
    read = dict(zip(numeric, plain_numbers(frame.select(numeric)).null_count().row(0), strict=True))
    empty = dict(zip(numeric, frame.select(numeric).null_count().row(0), strict=True))
    commas = {name for name in numeric if schema.notation.get(name, {}).get("decimal") == ","}
    loose = {name: frame.get_column(name) for name in numeric if name in commas or read[name] > empty[name]}
    plain = {name: frame.get_column(name) for name in numeric if name not in loose}
    found = marks.compared(loose, plain, schema.notation)
    for decimal in (",", "."):
        names = [name for name in found.switched if found.decimal[name] == decimal]
        notes += [marks.said_switched(targets.listed(names), decimal)] if names else []
    for name, mark in found.doubts.items():
        own = schema.notation.get(name, {}).get("decimal", ".")
        notes.append(marks.said_doubt(name, mark, own, said_row(int(rows[mark.place]))))
    changed = {name: marks.noted(schema.notation.get(name, {}), mark) for name, mark in found.decimal.items()}
    return {**schema.notation, **changed}


def _open_like(
    source: Any, encoding: str | None, separator: str | None, name: str | None, tell: Progress, schema: Schema
) -> Raw:
    """A source whose columns should be those of the schema; those of a folder are called as in the schema.

    The encoding and the separator that the recipe said of the training rows are taken where the file shows no others.
    """
    pictures = schema.of_kind("image")
    image = pictures[0] if len(pictures) == 1 else IMAGE
    names: dict[str, Any] = {"label": schema.target, "image": image, "usual": schema.encoding}
    if separator is None and schema.separator is not None and isinstance(source, str | Path):
        raw = _open(source, encoding, schema.separator, name, tell, **names)
        if set(schema.features()) <= set(raw.frame.columns):
            return raw
    return _open(source, encoding, separator, name, tell, **names)


def _open(
    source: Any,
    encoding: str | None,
    separator: str | None,
    name: str | None,
    tell: Progress,
    sample: int | Literal["fitting"] | None = None,
    seed: int = 0,
    *,
    label: str | None = None,
    image: str = IMAGE,
    usual: str | None = None,
) -> Raw:
    """A source as raw columns, refused when there are no rows or no columns."""
    if isinstance(source, Raw):
        return source
    if isinstance(source, str | Path):
        path = of_address(str(source)) or Path(source)
        tell(f"reading {name or path.name}")
        part = None
        if sample is not None and is_parquet(path):
            size = None if sample == "fitting" else sample
            part = read_parquet_part(path, name or path.name, size, seed, MEMORY * memory_at_hand())
        folder = read_folder(path, name=name, image=image, label=label or LABEL) if source and path.is_dir() else None
        raw = folder or part or read_file(path, encoding=encoding, separator=separator, name=name, usual=usual)
        raw = replace(raw, folder=path if folder else path.parent)
    else:
        frame, notes = of_memory(source)
        raw = Raw(frame, name or "table", tuple(notes))
    index = [column for column in raw.frame.columns if re.fullmatch(r"__index_level_\d+__", column)]
    raw = replace(raw, frame=raw.frame.drop(index))  # the row labels of pandas are no column
    if not raw.frame.width:
        raise UserError(f"{raw.name}: there are no columns.")
    if not raw.frame.height:
        raise UserError(f"{raw.name}: there are no rows, only the names of {raw.frame.width:,} columns.")
    if isinstance(sample, int) and raw.rows is None:
        raw = raw.sampled(sample, seed)
    return replace(raw, frame=plainly_typed(raw.frame))


def memory_at_hand() -> float:
    """Bytes that can still be used, as the system says; 4 GiB where it does not."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * float(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return 4.0 * 2**30


def _known_names(raw: Raw, target: str | None, columns: Mapping[str, str]) -> None:
    if target is not None and target not in raw.frame.columns:
        raise UserError(f'{raw.name}: the target "{target}" is no column. {instead(target, raw.frame.columns)}')
    for column, kind in columns.items():
        if column not in raw.frame.columns:
            there = instead(column, raw.frame.columns)
            raise UserError(f'{raw.name}: data.columns names "{column}", which is no column. {there}')
        if kind not in KINDS:
            raise UserError(f'data.columns: "{column}" is to be {kind!r}, which is no kind; one of {", ".join(KINDS)}.')


def _columns_said(names: Sequence[str]) -> str:
    return f"column {targets.listed(names)} is" if len(names) == 1 else f"columns {targets.listed(names)} are"


def _kept(
    frame: pl.DataFrame, rows: Rows, kept: NDArray[np.bool_], notes: list[str], target: str
) -> tuple[pl.DataFrame, Rows]:
    """Without the rows that have no target; the others keep their numbers."""
    if kept.all():
        return frame, rows
    gone = int((~kept).sum())
    notes.append(f'{gone:,} {"row has" if gone == 1 else "rows have"} no "{target}" and were left out.')
    return frame.filter(pl.Series(kept)), rows[kept]


def _always(target: str, classes: Sequence[str], matrix: LabelMatrix) -> list[str]:
    """A note on labels that every row has: whatever is answered for them is right, and raises the scores."""
    always = [label for label, every in zip(classes, np.asarray(matrix.all(axis=0)), strict=True) if every]
    said = f"label {targets.listed(always)} is" if len(always) == 1 else f"labels {targets.listed(always)} are"
    return [f'the {said} on every row of "{target}": there is nothing to learn of that.'] if always else []


def _not_hopeless(
    table: str,
    frame: pl.DataFrame,
    stored: pl.DataFrame,
    inferred: Mapping[str, Inferred],
    columns: Mapping[str, str],
    rows: Rows,
) -> None:
    """A kind that a recipe demands and no cell has."""
    for column in columns:
        if column not in inferred or inferred[column].kind not in ("number", "time"):
            continue
        given = frame.get_column(column)
        if given.null_count() < len(given) and stored.get_column(column).null_count() == len(given):
            first = int(given.is_not_null().arg_true()[0])
            raise UserError(
                f'{table}, {said_row(int(rows[first]))}: "{column}" is to be a {inferred[column].kind}, but is '
                f'"{str(given[first])[:60]}", and no row has one. Change data.columns: {{{column}: category}}.'
            )


def _by_row(unparsed: Unparsed, rows: Rows) -> Unparsed:
    return {column: {int(rows[at]): text for at, text in cells.items()} for column, cells in unparsed.items()}


def _ignored(inferred: Mapping[str, Inferred], columns: Mapping[str, str]) -> list[str]:
    """One sentence for each reason why columns are ignored that nobody asked to ignore."""
    reasons: dict[str, list[str]] = {}
    for column, found in inferred.items():
        if found.kind == "ignore" and column not in columns:
            reasons.setdefault(found.why, []).append(column)
    return [f"{targets.listed(names, 5)} ignored: {why}." for why, names in reasons.items()]
