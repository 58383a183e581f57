"""Delimited text (CSV, TSV and their like) to columns of strings.

The structure is checked first, on the bytes: where lines end outside quotes and how many fields each has. Files that
keep the rules of RFC 4180 then go through polars' reader; files with quotes in the middle of a cell go through
Python's. Both give the same cells. A line with too few or too many fields is named, never padded or cut.
"""

import csv
import io
import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.table import said_row
from melior.errors import UserError

SEPARATORS = (",", "\t", ";", "|")
SAID = re.compile(rb"sep=([^\r\n])\r?\n")
PIECE = 1 << 24  # bytes looked at at a time
QUOTE, LINE, RETURN = 0x22, 0x0A, 0x0D


@dataclass(frozen=True)
class Lines:
    """The logical lines of a file that keeps the rules: where each ends (its line feed), and how many fields it has."""

    ends: NDArray[np.int64]
    fields: NDArray[np.int64]


def read_delimited(data: bytes, name: str, separator: str | None, hint: str = ",") -> tuple[list[str], pl.DataFrame]:
    """The header's cells as they stand, and the rows as strings in columns c0, c1, ...; an empty cell is "" or null.

    data is UTF-8. Without a separator it is found among comma, tab, semicolon and bar; `hint` is preferred.
    """
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")  # the line ends of old Macs
    separator = separator or separator_of(data, hint)
    said = SAID.match(data)
    data = data[said.end() :] if said else data
    if not data.strip():
        raise UserError(f"{name}: the file is empty.")
    separator = _checked(separator, name)
    lines = scan(data, separator)
    if lines is None:
        return _read_by_python(data, name, separator)
    return _read_by_polars(data, name, separator, lines)


def separator_of(data: bytes, hint: str = ",") -> str:
    """The separator that the file's first line names (as Excel writes it), else the one that its lines show."""
    said = SAID.match(data)
    return said.group(1).decode("latin-1") if said else sniff(data, hint)


def _checked(separator: str, name: str) -> str:
    separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise UserError(f"{name}: the separator {separator!r} is not one plain character such as , ; | or tab.")
    return separator


def sniff(data: bytes, hint: str = ",") -> str:
    """The separator with which the first lines agree best on more than one field; the hint when none does."""
    head = data[:100_000]
    if len(head) < len(data):
        head = head[: head.rfind(b"\n") + 1] or head
    text = head.decode("utf-8", "ignore")
    best, found = (0.0, 0.0, 0), hint
    for candidate in (hint, *(s for s in SEPARATORS if s != hint)):
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=candidate) if row][:200]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2:
            continue
        agree = sum(len(row) == width for row in rows) / len(rows)
        named = sum(bool(cell.strip()) for cell in rows[0]) / width
        score = (round(agree, 2), named, width)
        if score > best:
            best, found = score, candidate
    return found


def scan(data: bytes, separator: str) -> Lines | None:
    """The logical lines, or None when a quote stands where RFC 4180 has none (or the last one is never closed)."""
    whole = np.frombuffer(data, dtype=np.uint8)
    mark = ord(separator)
    quotes = np.flatnonzero(whole == QUOTE)
    if quotes.size and not _quotes_in_place(whole, quotes, mark):
        return None
    ends: list[NDArray[np.int64]] = []
    fields: list[NDArray[np.int64]] = []
    carried = 0  # separators of a line that began in an earlier piece
    for start in range(0, whole.size, PIECE):
        piece = whole[start : start + PIECE]
        marks = np.flatnonzero((piece == mark) | (piece == LINE)) + start
        if quotes.size:
            marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
        breaks = np.flatnonzero(whole[marks] == LINE)
        if breaks.size:
            widths = np.diff(breaks, prepend=-1)
            widths[0] += carried
            fields.append(widths)
            ends.append(marks[breaks])
            carried = marks.size - int(breaks[-1]) - 1
        else:
            carried += marks.size
    if data[-1] != LINE:
        ends.append(np.array([whole.size]))
        fields.append(np.array([carried + 1]))
    return Lines(np.concatenate(ends), np.concatenate(fields))


def _quotes_in_place(whole: NDArray[np.uint8], quotes: NDArray[np.int64], mark: int) -> bool:
    """Openers stand at the start of a cell, closers at its end; a doubled quote is a closer and an opener."""
    if quotes.size % 2:
        return False
    opens, closes = quotes[::2], quotes[1::2]
    again = np.zeros(opens.size, dtype=bool)
    again[1:] = opens[1:] == closes[:-1] + 1
    before = whole[np.maximum(opens - 1, 0)]
    opened = (opens == 0) | again | (before == mark) | (before == LINE)
    after = whole[np.minimum(closes + 1, whole.size - 1)]
    closed = (closes == whole.size - 1) | (after == mark) | (after == LINE)
    closed[:-1] |= again[1:]
    returned = (after == RETURN) & ~closed
    if returned.any():
        follows = whole[np.minimum(closes + 2, whole.size - 1)]
        closed |= returned & ((follows == LINE) | (closes + 2 >= whole.size))
    return bool(opened.all() and closed.all())


def _read_by_polars(data: bytes, name: str, separator: str, lines: Lines) -> tuple[list[str], pl.DataFrame]:
    starts = np.concatenate([[0], lines.ends[:-1] + 1])
    lengths = lines.ends - starts
    suspects = np.flatnonzero((lines.fields == 1) & (lengths <= 200))
    blank = [i for i in suspects if not data[starts[i] : lines.ends[i]].strip()]
    first = int(np.setdiff1d(np.arange(len(blank) + 1), blank)[0])
    width = int(lines.fields[first])
    if width == 1:  # spaces alone are then a cell
        blank = [i for i in blank if i < first or not data[starts[i] : lines.ends[i]].strip(b"\r")]
    keep = np.ones(lines.ends.size, dtype=bool)
    keep[blank] = False
    ragged = np.flatnonzero(keep & (lines.fields != width))
    if ragged.size:
        line = int(ragged[0])
        place = data.count(b"\n", 0, int(starts[line])) + 1
        number = int(keep[first + 1 : line].sum())
        raise _ragged(name, place, number, int(lines.fields[line]), width, ragged.size, separator)
    header = data[starts[first] : lines.ends[first]].decode("utf-8").removesuffix("\r")
    names = next(csv.reader(io.StringIO(header, newline=""), delimiter=separator, strict=True), [""])
    body = data[lines.ends[first] + 1 :]
    schema: dict[str, pl.DataType] = {f"c{i}": pl.String() for i in range(width)}
    later = [i for i in blank if i > first]
    if later:
        pieces, at = [], int(lines.ends[first]) + 1
        for i in later:
            pieces.append(data[at : int(starts[i])])
            at = int(lines.ends[i]) + 1
        body = b"".join([*pieces, data[at:]])
    if not body:
        return names, pl.DataFrame(schema=schema)
    frame = pl.read_csv(io.BytesIO(body), has_header=False, schema=schema, separator=separator, quote_char='"')
    expected = int(keep.sum()) - 1
    if frame.height != expected:  # polars and the scan disagree: let Python's reader decide
        return _read_by_python(data, name, separator)
    return names, frame


def _read_by_python(data: bytes, name: str, separator: str) -> tuple[list[str], pl.DataFrame]:
    text = io.StringIO(data.decode("utf-8"), newline="")
    before = csv.field_size_limit(max(csv.field_size_limit(), len(data) + 1))
    reader = csv.reader(text, delimiter=separator, strict=True)
    names: list[str] | None = None
    rows: list[list[str]] = []
    line = 1
    try:
        for row in reader:
            begins, line = line, reader.line_num + 1
            if not row or (len(row) == 1 and len(names or "  ") > 1 and row[0] and not row[0].strip(" \t")):
                continue
            if names is None:
                names = row
            elif len(row) != len(names):
                raise _ragged(name, begins, len(rows), len(row), len(names), 1, separator)
            else:
                rows.append(row)
    except csv.Error as error:
        raise UserError(_quote_sentence(name, line, str(error))) from None
    finally:
        csv.field_size_limit(before)
    names = names or [""]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    frame = pl.DataFrame({f"c{i}": pl.Series(values, dtype=pl.String) for i, values in enumerate(columns)})
    return names, frame


def _ragged(name: str, line: int, row: int, found: int, width: int, lines: int, separator: str) -> UserError:
    more = f" ({lines:,} lines differ)" if lines > 1 else ""
    mark = "tab" if separator == "\t" else f'"{separator}"'
    cause = (
        f"a cell that contains the separator {mark} needs quotes around it"
        if found > width
        else f"every line needs the same number of separators {mark}"
    )
    fields = "field" if found == 1 else "fields"
    return UserError(
        f"{name}, line {line:,} ({said_row(row)}): {found} {fields} where the header has {width}{more}. "
        f"Correct the line: {cause}."
    )


def _quote_sentence(name: str, line: int, problem: str) -> str:
    if "unexpected end" in problem:
        return (
            f'{name}, line {line:,}: a quote (") is opened and never closed. Close it, '
            "or double it where it belongs to the text."
        )
    if "expected after" in problem:
        return (
            f'{name}, line {line:,}: a closing quote (") is followed by more text. '
            "Double the quotes that belong to the text."
        )
    return f"{name}, line {line:,}: the line cannot be read ({problem}). Save the file as CSV with quoted cells."
