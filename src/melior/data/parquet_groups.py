"""Where the row groups of a Parquet file lie: their rows, bytes in the file, and bytes unpacked.

polars reads rows by number and tells nothing of groups, so the footer is read here: a structure of Thrift's compact
protocol (Apache Parquet format, parquet.thrift: https://github.com/apache/parquet-format). Only numbers are taken from
it; rows are read by polars.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melior.errors import UserError

MAGIC = b"PAR1"
TAIL = 8  # bytes of the footer's length and the magic
DEEPEST = 32  # structures within one another; a real footer has about six
ENDS_STRUCT, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)


@dataclass(frozen=True)
class Group:
    """rows; start, end: its bytes in the file; unpacked: bytes of its columns without compression."""

    rows: int
    start: int
    end: int
    unpacked: int


def groups_of(path: Path) -> list[Group]:
    """The row groups in the order of their rows. UserError: the footer is damaged, encrypted or cut off."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            file.seek(max(size - TAIL, 0))
            tail = file.read(TAIL)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != MAGIC or length > size - TAIL - len(MAGIC):
                raise ValueError
            file.seek(size - TAIL - length)
            about = _Reader(file.read(length)).structure()
        return [_group(one, size) for one in about.get(4, [])]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        said = "its footer is damaged, cut off or encrypted"
        raise UserError(f"{path.name}: the Parquet file cannot be read ({said}); fetch or make it again.") from None


def _group(one: dict[int, Any], size: int) -> Group:
    start, end = size, 0
    for column in one[1]:
        about = column[3]
        first = min(about[9], about.get(11) or about[9])  # a dictionary, where there is one, stands before the data
        start, end = min(start, first), max(end, first + about[7])
    if not 0 <= start <= end <= size or one[3] < 0:
        raise ValueError
    return Group(int(one[3]), start, end, int(one[2]))


class _Reader:
    """Values of the compact protocol; a structure is a dictionary by the numbers of its fields."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def byte(self) -> int:
        found = self.data[self.place]
        self.place += 1
        return found

    def unsigned(self) -> int:
        found = shift = 0
        while True:
            byte = self.byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found
            shift += 7

    def signed(self) -> int:
        found = self.unsigned()
        return (found >> 1) ^ -(found & 1)

    def structure(self, depth: int = 0) -> dict[int, Any]:
        if depth > DEEPEST:
            raise ValueError
        found: dict[int, Any] = {}
        number = 0
        while True:
            head = self.byte()
            kind = head & 0x0F
            if kind == ENDS_STRUCT:
                return found
            number = number + (head >> 4) if head >> 4 else self.signed()
            found[number] = kind == TRUE if kind in (TRUE, FALSE) else self.value(kind, depth)

    def value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):  # in a list each has a byte of its own
            return self.byte() == TRUE
        if kind == BYTE:
            return self.byte()
        if kind in (I16, I32, I64):
            return self.signed()
        if kind == DOUBLE:
            return self.skip(8)
        if kind == BINARY:
            return self.skip(self.unsigned())
        if kind in (LIST, SET):
            head = self.byte()
            many = head >> 4 if head >> 4 < 15 else self.unsigned()
            if many > len(self.data):
                raise ValueError
            return [self.value(head & 0x0F, depth + 1) for _ in range(many)]
        if kind == MAP:
            many = self.unsigned()
            kinds = self.byte() if many else 0
            if many > len(self.data):
                raise ValueError
            return [(self.value(kinds >> 4, depth + 1), self.value(kinds & 0x0F, depth + 1)) for _ in range(many)]
        if kind == STRUCT:
            return self.structure(depth + 1)
        raise ValueError

    def skip(self, many: int) -> None:
        self.place += many
        if self.place > len(self.data):
            raise ValueError
