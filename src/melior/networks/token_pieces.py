"""The reading side of a token store: arrays that lie in several files, of which stretches are read.

They are read by position and not mapped: mapped pages count as memory of the process, so that a limit or the system
takes a training that reads a large file for one that holds it.
"""

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.errors import UserError

OPEN = 64  # files that are open together


@dataclass(frozen=True)
class Piece:
    """A file of a store: ids of `tokens` tokens (`width` bytes each), a bit for each that says whether it counts (the
    lowest bit of a byte first), and the lengths of `rows` rows (int32). All little-endian."""

    path: Path
    width: int
    tokens: int
    rows: int

    @property
    def bits_at(self) -> int:
        return self.tokens * self.width

    @property
    def lengths_at(self) -> int:
        return self.bits_at + -(-self.tokens // 8)

    @property
    def size(self) -> int:
        return self.lengths_at + 4 * self.rows


@dataclass
class Files:
    """Opens files as they are needed, and closes those that were not for longest. Safe among threads."""

    held: OrderedDict[Path, int] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, path: Path, at: int, size: int) -> bytes:
        with self.lock:
            handle = self.held.pop(path, None)
            if handle is None:
                handle = self._opened(path)
            self.held[path] = handle
            while len(self.held) > OPEN:
                os.close(self.held.popitem(last=False)[1])
            found = os.pread(handle, size, at)
        if len(found) < size:
            raise UserError(f"{path} is cut short: give the same command again, and it is made anew.")
        return found

    @staticmethod
    def _opened(path: Path) -> int:
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): give the same command again.") from None
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)  # rows come shuffled: what stands behind is of no use
        return handle

    def close(self) -> None:
        with self.lock:
            while self.held:
                os.close(self.held.popitem()[1])

    def __del__(self) -> None:
        self.close()


class _Stretches:
    """The shared part: from places in the whole to places in the pieces."""

    def __init__(self, pieces: Sequence[Piece], files: Files) -> None:
        self.pieces, self.files = [piece for piece in pieces if piece.tokens], files
        self.starts = [0, *accumulate(piece.tokens for piece in self.pieces)]

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, part: slice, /) -> NDArray[Any]:
        start, end, step = part.indices(len(self))
        assert step == 1, "stretches are read one token after the other"
        found = []
        while start < end:
            at = bisect_right(self.starts, start) - 1
            first, upto = self.starts[at], min(end, self.starts[at + 1])
            found.append(self.stretch(self.pieces[at], start - first, upto - first))
            start = upto
        return found[0] if len(found) == 1 else np.concatenate([self.none, *found])

    none: NDArray[Any]

    def stretch(self, piece: Piece, start: int, end: int) -> NDArray[Any]:
        raise NotImplementedError


class Values(_Stretches):
    """Ids."""

    none = np.zeros(0, dtype=np.uint16)

    def stretch(self, piece: Piece, start: int, end: int) -> NDArray[Any]:
        read = self.files.read(piece.path, start * piece.width, (end - start) * piece.width)
        return np.frombuffer(read, dtype=f"<u{piece.width}")


class Bits(_Stretches):
    """Whether each token counts."""

    none = np.zeros(0, dtype=np.bool_)

    def stretch(self, piece: Piece, start: int, end: int) -> NDArray[np.bool_]:
        first, last = start // 8, -(-end // 8)
        read = np.frombuffer(self.files.read(piece.path, piece.bits_at + first, last - first), dtype=np.uint8)
        bits = np.unpackbits(read, bitorder="little")
        return bits[start - 8 * first : end - 8 * first].view(np.bool_)


@dataclass(frozen=True)
class StoredTokens:
    """What `Tokens` is, on disk. In memory are `offsets` (rows + 1,) int64 and `lengths` (rows,) int32: 12 bytes a
    row, 1.2 GB of 10^8 rows."""

    values: Values
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lengths)


def read_lengths(piece: Piece) -> NDArray[np.int32]:
    """(rows,) of a piece."""
    return np.fromfile(piece.path, dtype="<i4", count=piece.rows, offset=piece.lengths_at)
