"""A file to columns: which format it has, unpacked, decoded, and its column names made usable.

The bytes decide, the extension only helps: a gzip file called .csv and a Parquet file called .data are read.
"""

import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zstandard
from numpy.typing import NDArray

from melior.data.delimited import read_delimited, separator_of
from melior.data.encodings import decode
from melior.data.frames import of_records
from melior.data.table import said_row
from melior.errors import UserError

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
REFUSED = (
    (b"PK\x03\x04", "is a zip archive or an Excel workbook", "save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "save the sheet as CSV"),
    (b"BZh", "is compressed by bzip2", "compress it by gzip or zstd, or not at all"),
    (b"\xfd7zXZ\x00", "is compressed by xz", "compress it by gzip or zstd, or not at all"),
    (b"ARROW1", "is an Arrow file", "save it as Parquet"),
    (b"Obj\x01", "is an Avro file", "save it as Parquet"),
    (b"ORC", "is an ORC file", "save it as Parquet"),
    (b"SQLite format 3\x00", "is a database", "export the table as CSV or Parquet"),
    (b"\x89HDF", "is an HDF5 file", "save it as Parquet"),
    (b"%PDF", "is a PDF document", "save the table as CSV"),
    (b"\x89PNG", "is an image", "name its folder, or a table with its path"),
    (b"\xff\xd8\xff", "is an image", "name its folder, or a table with its path"),
    (b"<!DOCTYPE", "is a web page", "download the file itself"),
    (b"<html", "is a web page", "download the file itself"),
    (b"version https://git-lfs", "is a pointer that stands for the file", "fetch the file with git lfs pull"),
    (b"\x80\x04", "is a pickle, which could run code when it is read", "save it as Parquet"),
)
PROBED = 1000  # rows that tell how large a row is
EXAMPLE = '{"age": 31}'


@dataclass(frozen=True)
class Raw:
    """Rows before their kinds are known: named columns, strings where the file had only text, and what to tell."""

    frame: pl.DataFrame
    name: str
    notes: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = None  # numbers of the rows in the file, where only some were read
    drawn_from: int | None = None  # and how many the file has
    folder: Path = Path()  # where relative paths in cells begin
    listed: bool = False  # whether the rows are the files of the folder, in order of their paths
    separator: str = ""  # between the cells of a file of text
    label: str | None = None  # the column that holds the names of folders, which is the target unless another is named
    below: str = ""  # of a folder that wraps another with all images in folders: a sentence that names it

    def sampled(self, size: int, seed: int) -> "Raw":
        """So many of the rows, drawn at random, in their order, with their numbers."""
        if size >= self.frame.height:
            return self
        rows = sample_of(self.frame.height, size, seed)
        note = said_sample(size, self.frame.height)
        return replace(self, frame=self.frame[rows], notes=(*self.notes, note), rows=rows, drawn_from=self.frame.height)


def read_file(
    path: Path,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    name: str | None = None,
    usual: str | None = None,
) -> Raw:
    """The rows of a CSV, TSV, JSONL, JSON or Parquet file, plain or compressed by gzip or zstd. usual: see `decode`."""
    name = name or path.name
    data = unpacked(_bytes_of(path), name)
    suffix = _suffix(path)
    if not data:
        raise UserError(f"{name}: the file is empty.")
    if data.startswith(PARQUET):
        return _parquet(data, name)
    for magic, what, instead in REFUSED:
        if data.startswith(magic):
            raise UserError(f"{name}: this {what}; {instead}.")
    if data[257:262] == b"ustar":
        raise UserError(f"{name}: this is a tar archive; unpack it and name the file in it.")
    decoded = decode(data, encoding, name, usual)
    notes = [f"read as {decoded.encoding}; if letters look wrong, say data.encoding."] if decoded.judged else []
    start = decoded.data[:4096].lstrip()[:1]
    if suffix in (".jsonl", ".ndjson", ".json") or (suffix not in (".csv", ".tsv", ".tab") and start == b"{"):
        raw = _json(decoded.data, name)
        return Raw(raw.frame, name, (*notes, *raw.notes))
    hint = "\t" if suffix in (".tsv", ".tab") else ","
    separator = separator or separator_of(decoded.data, hint)
    header, frame = read_delimited(decoded.data, name, separator, hint)
    names, said = usable_names(header)
    if len(header) > 1 and all(re.fullmatch(r"-?\d+\.\d+", cell.strip()) for cell in header):
        said.append("every column name is a number: if the file has no header line, put one on top.")
    named = frame.rename(dict(zip(frame.columns, names, strict=True)))
    return Raw(named, name, (*notes, *said), separator=separator)


def sample_of(rows: int, size: int, seed: int) -> NDArray[np.int64]:
    """Numbers of `size` of `rows` rows, drawn without replacement, in their order."""
    chosen = np.random.default_rng([seed, 17]).choice(rows, size, replace=False, shuffle=False)
    return np.sort(chosen).astype(np.int64)


def said_sample(size: int, rows: int) -> str:
    return f"{size:,} of {rows:,} rows were read, drawn at random."


def is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET
    except OSError:
        return False


def read_parquet_part(path: Path, name: str, size: int | None, seed: int, memory: float) -> Raw | None:
    """Some rows of a Parquet file, read row group by row group, so that the whole file is never in memory.

    size    so many rows; None for as many as fit in `memory` bytes. None is returned where all rows fit, and should
            be read in the ordinary way
    """
    try:
        lazy = pl.scan_parquet(path, hive_partitioning=False)
        rows = int(lazy.select(pl.len()).collect().item())
        first = lazy.head(PROBED).collect()
        each = first.estimated_size() / max(first.height, 1)
        fitting = int(memory / max(each, 1.0))
        size = min(size if size is not None else fitting, fitting)
        if size >= rows or rows == 0:
            return None
        chosen = sample_of(rows, size, seed)
        number = "melior row"
        pieces = lazy.with_row_index(number).filter(pl.col(number).is_in(pl.Series(chosen, dtype=pl.UInt32).implode()))
        frame = pieces.collect(engine="streaming").sort(number).drop(number)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{name}: the Parquet file cannot be read ({reason}); fetch or make it again.") from None
    names, notes = usable_names(frame.columns)
    renamed = frame.rename(dict(zip(frame.columns, names, strict=True)))
    return Raw(renamed, name, (*notes, said_sample(size, rows)), chosen, rows, path.parent)


def _bytes_of(path: Path) -> bytes:
    if re.match(r"[a-z][a-z0-9+]+:/", str(path)):
        raise UserError(f"{path}: only files on this machine are read; download it first.")
    if path.is_dir():
        raise UserError(f"{path}: this is a folder without images; name a CSV, TSV, JSONL or Parquet file in it.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise UserError(f"{path}: you may not read this file; change its permissions.") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read ({error.strerror}); name a CSV, TSV, JSONL or Parquet.") from None


def _suffix(path: Path) -> str:
    """The extension below .gz and .zst, in lower case."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() not in (".gz", ".zst", ".zstd", ".gzip")]
    return suffixes[-1] if suffixes else ""


def unpacked(data: bytes, name: str) -> bytes:
    """The content of gzip or zstd, as told by the first bytes; anything else as it is."""
    if data.startswith(GZIP):
        try:
            return gzip.decompress(data)
        except (EOFError, OSError, zlib.error):
            raise UserError(f"{name}: the gzip file is damaged or cut short; fetch or make it again.") from None
    if data.startswith(ZSTD):
        pieces = []
        try:
            while data:
                frame = zstandard.ZstdDecompressor().decompressobj()
                pieces.append(frame.decompress(data))
                if not frame.eof:
                    raise zstandard.ZstdError("cut short")
                data = frame.unused_data
        except zstandard.ZstdError:
            raise UserError(f"{name}: the zstd file is damaged or cut short; fetch or make it again.") from None
        return b"".join(pieces)
    return data


def _parquet(data: bytes, name: str) -> Raw:
    try:
        frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{name}: the Parquet file cannot be read ({reason}); fetch or make it again.") from None
    names, notes = usable_names(frame.columns)
    return Raw(frame.rename(dict(zip(frame.columns, names, strict=True))), name, tuple(notes))


def _json(data: bytes, name: str) -> Raw:
    """JSON lines, or one JSON array of objects."""
    if data[:4096].lstrip().startswith(b"["):
        try:
            records = json.loads(data)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{name}, line {error.lineno:,}: this is not JSON ({error.msg}). Write one object a line."
            ) from None
        if not all(isinstance(record, dict) for record in records):
            raise UserError(f"{name}: the JSON list must hold objects such as {EXAMPLE}, one for each row.")
        return _of_records(records, name)
    tidy = not re.search(rb"(?m)^[ \t]*[^{\s]", data) and rb"\ud" not in data.lower()
    if tidy and data.strip():
        try:
            frame = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
        except pl.exceptions.PolarsError:
            pass  # mixed types, or damage: the slower way tells which
        else:
            if frame.width:
                names, notes = usable_names(frame.columns)
                return Raw(frame.rename(dict(zip(frame.columns, names, strict=True))), name, tuple(notes))
    return _of_records(list(_json_lines(data, name)), name)


def _json_lines(data: bytes, name: str) -> Iterable[dict[str, Any]]:
    row = 0
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{name}, line {number:,} ({said_row(row)}): this is not JSON ({error.msg}). "
                "Correct the line: one whole object a line."
            ) from None
        if not isinstance(record, dict):
            raise UserError(
                f"{name}, line {number:,} ({said_row(row)}): an object such as {EXAMPLE} is expected, "
                f"not {str(record)[:40]!r}."
            )
        yield record
        row += 1


def _of_records(records: Sequence[dict[str, Any]], name: str) -> Raw:
    frame, notes = of_records(records)
    names, said = usable_names(frame.columns)
    return Raw(frame.rename(dict(zip(frame.columns, names, strict=True))), name, (*notes, *said))


def usable_names(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Column names that are all there and all different, and what was changed.

    >>> usable_names(["a", "", " a "])
    (['a', 'column_2', 'a_2'], ['column 2 has no name and is called "column_2".', 'a second "a" is called "a_2".'])
    """
    trimmed = [cell.strip() for cell in header]
    taken = Counter(trimmed)
    names: list[str] = []
    notes: list[str] = []
    seen: set[str] = set()
    for number, cell in enumerate(trimmed, start=1):
        name = cell or f"column_{number}"
        if name in seen or (not cell and name in taken):
            again = 2
            while f"{name}_{again}" in seen or f"{name}_{again}" in taken:
                again += 1
            if cell:
                notes.append(f'a second "{cell}" is called "{name}_{again}".')
            name = f"{name}_{again}"
        if not cell:
            notes.append(f'column {number} has no name and is called "{name}".')
        seen.add(name)
        names.append(name)
    return names, notes
