"""Images decoded once: small pictures and facts by path, shared by every table that names the same files.

Larger pictures, as a pretrained model wants them, lie in a temporary file without a name: each is made once for all
folds and trials, and the memory that they take is the system's to give back.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from melior.errors import UserError
from melior.images.decode import (
    FAULTS,
    FORMATS,
    SIDE,
    Fault,
    Pixels,
    Unreadable,
    decode,
    file_bytes,
    quiet,
    thumbnail,
    webp,
    whole,
)
from melior.storage import of_address

Told = Callable[[int, int], None]
Floats32 = NDArray[np.float32]
T = TypeVar("T")

PICTURES = 1024  # features computed at a time: some 100 MiB
AT_ONCE = 256  # files handed to the threads between two looks at the clock
PATIENCE = 2.0  # seconds before progress is told
MISSING = -1  # fault number of an empty cell; 0 is a good picture
NAMES: tuple[Fault, ...] = tuple(FAULTS)
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")


class ImageStore:
    """Pictures of (SIDE, SIDE, 3) bytes by what the cells say, 3 KiB each; of the files themselves only those are kept
    that came in memory.

    folder  where relative paths begin
    listed  whether the rows are the files of that folder in order of their paths, so that their order says nothing
    """

    def __init__(self, folder: Path | str = "", *, listed: bool = False) -> None:
        self.folder = Path(folder)
        self.listed = listed
        self._lock = threading.RLock()
        self._number: dict[str, int] = {}
        self._pixels: Pixels = np.zeros((1, SIDE, SIDE, 3), dtype=np.uint8)  # number 0: no picture
        self._facts: NDArray[np.int64] = np.array([[0, 0, MISSING, -1]])  # width, height, fault, format
        self._digests: NDArray[np.uint64] = np.zeros(1, dtype=np.uint64)
        self._derived: dict[str, Floats32] = {}
        self._cells: list[str] = [""]  # by number
        self._held: dict[str, bytes] = {}  # what came in memory
        self._larger: dict[str, LargerPictures] = {}
        self._advice = "put it back and try again"  # where a file is gone

    def sent(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values of which `received` makes the same store on another machine: the small pictures, and
        the files that came in memory. Files in folders stay where they are, and are looked for at the same path."""
        with self._lock:
            held = list(self._held.items())
            arrays: dict[str, NDArray[Any]] = {
                "pixels": self._pixels,
                "facts": self._facts,
                "digests": self._digests,
                "held": np.frombuffer(b"".join(data for _, data in held), dtype=np.uint8),
            }
            sizes = [[cell, len(data)] for cell, data in held]
            return arrays, {"folder": str(self.folder.absolute()), "cells": list(self._cells), "held": sizes}

    @classmethod
    def received(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any], advice: str) -> "ImageStore":
        """See `sent`. advice: what to do where a file is not on this machine."""
        made = cls(about["folder"])
        made._pixels, made._facts, made._digests = arrays["pixels"], arrays["facts"], arrays["digests"]
        made._cells, made._advice = about["cells"], advice
        made._number = {cell: number for number, cell in enumerate(about["cells"]) if number}
        start = 0
        for cell, size in about["held"]:
            made._held[cell] = arrays["held"][start : start + size].tobytes()
            start += size
        return made

    def rows(self, cells: Sequence[str | None], told: Told | None = None) -> "ImageRows":
        """The images that the cells name, in their order; those not seen before are decoded, in threads.

        told  (done, of) after two seconds and then twice a second
        """
        with self._lock:
            fresh = [cell for cell in dict.fromkeys(cells) if cell is not None and cell not in self._number]
            self._add(fresh, [partial(self._read, cell) for cell in fresh], told)
            numbers = [0 if cell is None else self._number[cell] for cell in cells]
        return ImageRows(self, np.array(numbers, dtype=np.int64))

    def put(self, cells: Sequence[str], contents: Sequence[bytes | None], told: Told | None = None) -> None:
        """Images that are in memory already, under names of their own."""
        with self._lock:
            self._held.update((cell, data) for cell, data in zip(cells, contents, strict=True) if data)
            self._add(cells, [partial(_given, data) for data in contents], told)

    def path(self, cell: str) -> Path:
        """The file that a cell names, by a path or a file:// address (RFC 8089); raises Unreadable for an address on
        another machine."""
        if (local := of_address(cell)) is not None:
            return local
        if _SCHEME.match(cell) and not re.match(r"^[A-Za-z]:/", cell):
            raise Unreadable("elsewhere")
        path = self.folder / cell
        if "\\" in cell and os.sep == "/" and not os.path.lexists(path):
            path = self.folder / cell.replace("\\", "/")  # written on Windows
        return path

    def thumbnail(self, cell: str) -> bytes | None:
        """A small WebP of an image that was read, for people to look at; None where there is no picture. One whose file
        is gone is as small as the picture that is kept of it."""
        with self._lock:
            number = self._number.get(cell, 0)
            if not number or self._facts[number, 2]:
                return None
            kept = self._pixels[number]
        try:
            with quiet():
                return thumbnail(self._read(cell))
        except Unreadable:
            return webp(kept)

    def content(self, number: int) -> bytes:
        """The bytes of an image that was read, from its file or as it came. UserError: the file is gone since."""
        return self._again(number, self._read)

    def whole(self, number: int) -> Pixels:
        """(height, width, 3) an image that was read, at its own size. UserError: the file is gone since."""
        return self._again(number, lambda cell: whole(self._read(cell)))

    def _again(self, number: int, act: Callable[[str], T]) -> T:
        cell = self._cells[number]  # without the lock, which waits for the threads that ask
        try:
            return act(cell)
        except Unreadable as reason:
            raise UserError(f"{cell[:200]}: it was read before, and now {reason}; {self._advice}.") from None

    def larger(
        self, numbers: NDArray[np.int64], what: str, size: tuple[int, int, int], make: Callable[[Pixels], Pixels]
    ) -> tuple[Pixels, NDArray[np.int64]]:
        """Pictures (some, *size), each `make` of a whole picture (height, width, 3), and where that of each of
        `numbers` stands among them: at 0, which is black, where there is no picture. Computed once; `what` names
        `make` with its settings."""
        with self._lock:
            kept = self._larger.setdefault(what, LargerPictures(size))
            readable = numbers[self._facts[numbers, 2] == 0]
            fresh = [int(number) for number in np.unique(readable) if int(number) not in kept.places]

            def one(number: int) -> Pixels:
                return make(self.whole(number))

            with quiet(), ThreadPoolExecutor(_cores()) as pool:
                for start in range(0, len(fresh), AT_ONCE):
                    some = fresh[start : start + AT_ONCE]
                    kept.add(some, list(pool.map(one, some)))
            return kept.pictures(), np.array([kept.places.get(int(number), 0) for number in numbers], dtype=np.int64)

    def _read(self, cell: str) -> bytes:
        return self._held[cell] if cell in self._held else file_bytes(self.path(cell))

    def _add(self, cells: Sequence[str], sources: Sequence[Callable[[], bytes]], told: Told | None) -> None:
        if not cells:
            return
        pixels = np.zeros((len(cells), SIDE, SIDE, 3), dtype=np.uint8)
        facts = np.zeros((len(cells), 4), dtype=np.int64)
        digests = np.zeros(len(cells), dtype=np.uint64)

        def one(at: int) -> None:
            try:
                data = sources[at]()
                digest = hashlib.blake2b(data, digest_size=8).digest()
                digests[at] = int.from_bytes(digest, "big")
                found = decode(data)
            except Unreadable as reason:
                facts[at] = 0, 0, 1 + NAMES.index(reason.fault), -1
                return
            pixels[at] = found.pixels
            facts[at] = found.width, found.height, 0, FORMATS.index(found.format)

        started = said = time.monotonic()
        with quiet(), ThreadPoolExecutor(_cores()) as pool:
            for start in range(0, len(cells), AT_ONCE):
                list(pool.map(one, range(start, min(start + AT_ONCE, len(cells)))))
                now = time.monotonic()
                if told is not None and now - started > PATIENCE and now - said > 0.5:
                    said = now
                    told(min(start + AT_ONCE, len(cells)), len(cells))
        first = len(self._facts)
        self._pixels = np.concatenate([self._pixels, pixels])
        self._facts = np.concatenate([self._facts, facts])
        self._digests = np.concatenate([self._digests, digests])
        self._number.update(zip(cells, range(first, first + len(cells)), strict=True))
        self._cells.extend(cells)

    def derived(self, what: str, make: Callable[[Pixels], Any]) -> Floats32:
        """(images, features) `make` of every picture so far, computed once; `what` names it with its settings.

        A picture that could not be read has a row too, of no meaning.
        """
        with self._lock:
            known = self._derived.get(what)
            done = 0 if known is None else len(known)
            if done < len(self._pixels):
                pieces = [
                    np.asarray(make(self._pixels[at : at + PICTURES]), dtype=np.float32)
                    for at in range(done, len(self._pixels), PICTURES)
                ]
                known = np.concatenate(pieces if known is None else [known, *pieces])
                self._derived[what] = known
            assert known is not None
            return known

    # arrays of all images so far, by number
    def _all(self, what: str) -> NDArray[Any]:
        with self._lock:
            found: NDArray[Any] = getattr(self, f"_{what}")
            return found


class LargerPictures:
    """Pictures of one size in a temporary file, found by number; the first is black."""

    def __init__(self, size: tuple[int, int, int]) -> None:
        self.size = size
        self.places: dict[int, int] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the store
        self._count = 0
        self._write([np.zeros(size, dtype=np.uint8)])

    def add(self, numbers: Sequence[int], pictures: Sequence[Pixels]) -> None:
        first = self._count
        self._write(pictures)
        self.places.update(zip(numbers, range(first, first + len(numbers)), strict=True))

    def pictures(self) -> Pixels:
        """(count, *size), read from the file as they are asked for."""
        return np.memmap(self._file, dtype=np.uint8, mode="r", shape=(self._count, *self.size))

    def _write(self, pictures: Sequence[Pixels]) -> None:
        try:
            self._file.seek(self._count * int(np.prod(self.size)))
            for picture in pictures:
                assert picture.shape == self.size, "a picture of another size"
                self._file.write(picture.tobytes())
            self._file.flush()
        except OSError as error:
            said = f"{tempfile.gettempdir()} has no room for prepared pictures ({error}); set TMPDIR to a larger disk."
            raise UserError(said) from None
        self._count += len(pictures)


class ImageRows:
    """The images of some rows, in their order."""

    def __init__(self, store: ImageStore, numbers: NDArray[np.int64]) -> None:
        self.store = store
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, which: NDArray[Any]) -> "ImageRows":
        return ImageRows(self.store, self.numbers[which])

    @property
    def pixels(self) -> Pixels:
        """(rows, SIDE, SIDE, 3); zeros where there is no picture."""
        return np.asarray(self.store._all("pixels")[self.numbers])

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(rows,) where there is a picture."""
        return np.asarray(self.store._all("facts")[self.numbers, 2] == 0)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(rows, 2) width and height in pixels, upright; 0 where there is no picture."""
        return np.asarray(self.store._all("facts")[self.numbers, :2])

    @property
    def digests(self) -> NDArray[np.uint64]:
        """(rows,) 64 bits of the BLAKE2b hash of the file; 0 where there is none."""
        return np.asarray(self.store._all("digests")[self.numbers])

    def faults(self) -> list[Fault | None]:
        """Why there is no picture, a key of `decode.FAULTS`; None where there is one, and where the cell is empty."""
        found = self.store._all("facts")[self.numbers, 2]
        return [NAMES[fault - 1] if fault > 0 else None for fault in found.tolist()]

    def formats(self) -> list[str]:
        """What the bytes say, such as JPEG; empty where there is no picture."""
        return [FORMATS[kind] if kind >= 0 else "" for kind in self.store._all("facts")[self.numbers, 3].tolist()]

    def derived(self, what: str, make: Callable[[Pixels], Any]) -> Floats32:
        """(rows, features) see `ImageStore.derived`."""
        return np.asarray(self.store.derived(what, make)[self.numbers])

    def larger(
        self, what: str, size: tuple[int, int, int], make: Callable[[Pixels], Pixels]
    ) -> tuple[Pixels, NDArray[np.int64]]:
        """Pictures (some, *size) and (rows,) where that of each row is among them; see `ImageStore.larger`."""
        return self.store.larger(self.numbers, what, size, make)


def _given(data: bytes | None) -> bytes:
    if not data:
        raise Unreadable("empty")
    return data


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
