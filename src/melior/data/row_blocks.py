"""Rows for language models in blocks, so that a file larger than memory is read piece by piece, by one or by several.

A source is a JSONL or Parquet file, or a folder of files of one of the two, in the order of their names. A block is a
stretch of lines of about equal size, or some row groups (a large group is cut by rows). Where blocks begin depends on
the sizes of the files alone, so that everyone who reads them cuts them alike, and none has to read the others'.

The columns are those of `melior.data.language`; which of the three forms a source has, its first row says.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from melior.data.files import is_parquet, usable_names
from melior.data.frames import HALF, whole
from melior.data.language import Row, columns_of
from melior.data.parquet_groups import Group, groups_of
from melior.data.row_files import files_of
from melior.errors import UserError
from melior.progress import Progress, silent

SMALLEST, LARGEST, MANY = 2**22, 2**26, 1024  # bytes of a block, and so many blocks before they grow
AT_ONCE = 2**20  # bytes of rows that are in memory together, a longer row aside
MOST_ROWS = 1000  # of them
CHUNK = 2**20  # bytes read at once where they are only counted or hashed
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """number: over all files. file: number of the file. start, end: bytes of lines or numbers of rows. groups: those
    that the rows are in (Parquet)."""

    number: int
    file: int
    start: int
    end: int
    groups: tuple[Group, ...] = ()


class RowBlocks:
    """A source and its blocks. UserError: no such file, another format, compressed, or no column of the three forms.

    size     bytes of a block; None: 4 MiB, and more where that would be more than 1,024 blocks, up to 64 MiB
    name     what messages call the source
    bytes    of the rows: of the lines, or of the columns without compression
    blocks   all of them
    notes    sentences for people
    """

    def __init__(self, path: str | Path, *, size: int | None = None) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.files, self.notes = files_of(self.path)
        self.parquet = is_parquet(self.files[0])
        self._groups = [groups_of(file) for file in self.files] if self.parquet else []
        sizes = [sum(group.unpacked for group in groups) for groups in self._groups]
        self.sizes = sizes or [file.stat().st_size for file in self.files]
        self.bytes = sum(self.sizes)
        self.size = size or min(max(self.bytes // MANY, SMALLEST), LARGEST)
        self._digests: dict[int, str] = {}
        self.blocks = tuple(self._cut())

    # ---- what there is

    def _cut(self) -> Iterator[Block]:
        number = 0
        for file, whole_size in enumerate(self.sizes):
            cuts = _by_groups(self._groups[file], self.size) if self.parquet else _by_bytes(whole_size, self.size)
            for start, end, groups in cuts:
                yield Block(number, file, start, end, groups)
                number += 1

    @cached_property
    def kept(self) -> list[str]:
        """The columns that are read, as the first row has them."""
        if self.parquet:
            there = set(usable_names(list(self._schema(0)))[0])
        else:
            first = next((row for block in self.blocks for _, row in self._lines(block)), None)
            if first is None:
                raise UserError(f"{self.name}: it holds no rows.")
            there = set(first)
        found = columns_of(there, self.files[0].name)
        return found if self.parquet or "language" in found else [*found, "language"]  # a later row may name it

    def where(self, block: Block) -> str:
        """What messages call the file of a block."""
        return self.name if self.path.is_file() else f"{self.name}/{self.files[block.file].name}"

    # ---- its content

    def digest(self, block: Block) -> str:
        """SHA-256 of the lines, or of the row groups and which of their rows."""
        if block.number not in self._digests:
            digest = hashlib.sha256(f"{block.start} {block.end}".encode() if self.parquet else b"")
            with self.files[block.file].open("rb") as file:
                spans = [(group.start, group.end) for group in block.groups] or [_span(file, block)]
                for start, end in spans:
                    for chunk in _chunks(file, start, end):
                        digest.update(chunk)
            self._digests[block.number] = digest.hexdigest()
        return self._digests[block.number]

    def identity(self, progress: Progress = silent) -> str:
        """A digest of all rows, wherever they lie. Reads everything."""
        each = []
        for block in self.blocks:
            progress("reading", block.number, len(self.blocks))
            each.append(self.digest(block))
        return hashlib.sha256(json.dumps([self.size, self.sizes, each]).encode()).hexdigest()

    def rows(self, block: Block) -> Iterator[list[tuple[int, Row]]]:
        """The rows of a block, some at a time, each with its number within the block."""
        found: list[tuple[int, Row]] = []
        held = 0
        for number, (size, row) in enumerate(self._cells(block) if self.parquet else self._objects(block)):
            found.append((number, row))
            held += size
            if held >= AT_ONCE or len(found) == MOST_ROWS:
                yield found
                found, held = [], 0
        if found:
            yield found

    def rows_before(self, block: Block) -> int:
        """Rows of its file before a block. The lines before it are counted, which takes long: for messages."""
        if self.parquet:
            return block.start
        with self.files[block.file].open("rb") as file:
            end, _ = _span(file, block)
            file.seek(0)
            return sum(1 for line in iter(file.readline, b"") if file.tell() <= end and line.strip())

    def _objects(self, block: Block) -> Iterator[tuple[int, Row]]:
        for size, record in self._lines(block):
            yield size, {name: record.get(name) for name in self.kept}

    def _lines(self, block: Block) -> Iterator[tuple[int, dict[str, Any]]]:
        """The size and the object of each line."""
        with self.files[block.file].open("rb") as file:
            start, end = _span(file, block)
            file.seek(start)
            while file.tell() < end:
                at = file.tell()
                line = file.readline()
                line = line.removeprefix(MARK) if at == 0 else line
                if line.strip():
                    yield len(line), self._object(line, block, at)

    def _object(self, line: bytes, block: Block, at: int) -> dict[str, Any]:
        try:
            made = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            said = "this is not UTF-8. Save the file as UTF-8."
        except json.JSONDecodeError as error:
            said = f"this is not JSON ({error.msg}). Correct the line: one whole object a line."
        except RecursionError:
            said = "it is nested too deeply. Correct the line."
        else:
            if isinstance(made, dict):
                return _without_halves(made) if b"\\ud" in line.lower() else made
            said = f"an object is expected, not {str(made)[:40]!r}."
        with self.files[block.file].open("rb") as file:
            lines = sum(chunk.count(b"\n") for chunk in _chunks(file, 0, at))
        raise UserError(f"{self.where(block)}, line {lines + 1:,}: {said}")

    def _cells(self, block: Block) -> Iterator[tuple[int, Row]]:
        """The estimated size and the content of each row of a Parquet file."""
        schema = self._schema(block.file)
        names = dict(zip(usable_names(list(schema))[0], schema, strict=True))
        missing = [name for name in self.kept if name not in names]
        if missing:
            raise UserError(
                f"{self.where(block)}: it has no column {missing[0]!r}, and {self.files[0].name} has; part them."
            )
        wanted = [pl.col(names[name]).alias(name) for name in self.kept]
        start, many = block.start, 64
        while start < block.end:
            many = min(many, block.end - start)
            try:
                frame = self._scanned(block.file).select(wanted).slice(start, many).collect()
            except pl.exceptions.PolarsError as error:
                raise UserError(_unreadable(self.where(block), error)) from None
            each = max(int(frame.estimated_size()) // max(frame.height, 1), 1)
            for row in frame.to_dicts():
                yield each, row
            if frame.height < many:
                raise UserError(f"{self.where(block)}: it has fewer rows than its footer says; fetch or make it again.")
            start += many
            many = min(max(AT_ONCE // each, 1), MOST_ROWS)

    def _scanned(self, file: int) -> pl.LazyFrame:
        return pl.scan_parquet(self.files[file], hive_partitioning=False, glob=False)

    def _schema(self, file: int) -> list[str]:
        try:
            return self._scanned(file).collect_schema().names()
        except pl.exceptions.PolarsError as error:
            raise UserError(_unreadable(self.files[file].name, error)) from None


def _unreadable(name: str, error: Exception) -> str:
    return f"{name}: the Parquet file cannot be read ({str(error).splitlines()[0]}); fetch or make it again."


def _by_bytes(whole_size: int, size: int) -> Iterator[tuple[int, int, tuple[Group, ...]]]:
    for start in range(0, whole_size, size):
        yield start, min(start + size, whole_size), ()


def _by_groups(groups: list[Group], size: int) -> Iterator[tuple[int, int, tuple[Group, ...]]]:
    """Whole groups up to a block's size together; a larger one in equal parts."""
    first, held, members = 0, 0, list[Group]()
    for group in groups:
        if members and held + group.unpacked > size:
            end = first + sum(one.rows for one in members)
            yield first, end, tuple(members)
            first, held, members = end, 0, []
        pieces = min(-(-group.unpacked // size), group.rows)
        if pieces > 1:
            for piece in range(pieces):
                start, end = (first + group.rows * at // pieces for at in (piece, piece + 1))
                yield start, end, (group,)
            first += group.rows
        elif group.rows:
            members.append(group)
            held += group.unpacked
    if members:
        yield first, first + sum(one.rows for one in members), tuple(members)


def _span(file: BinaryIO, block: Block) -> tuple[int, int]:
    """The bytes of the lines that begin within a block."""

    def line_from(place: int) -> int:
        if place == 0:
            return 0
        file.seek(place - 1)
        file.readline()
        return file.tell()

    return line_from(block.start), line_from(block.end)


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (chunk := file.read(min(CHUNK, end - start))):
        start += len(chunk)
        yield chunk


def _without_halves(value: Any) -> Any:
    """Lone surrogates, which no tokenizer takes, as �."""
    if isinstance(value, str):
        return whole(value) if HALF.search(value) else value
    if isinstance(value, dict):
        return {key: _without_halves(one) for key, one in value.items()}
    return [_without_halves(one) for one in value] if isinstance(value, list) else value
