"""Rows put aside by a digest of what they say, so that nobody needs to hold the others.

The same text is always on the same side, wherever it stands and whoever reads it. How many rows that is, is then a
matter of chance: about the share.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from melior.data.language import Row, texts_of

WHOLE = 2**64


@dataclass(frozen=True)
class Aside:
    """Rows put aside under a name: about this share (0..1) of those that earlier ones left, of which `most` are kept.

    Which ones are kept is drawn by a digest of where they stand: a row that occurs often is kept as often.
    """

    name: str
    share: float
    most: int

    def takes(self, row: Row, seed: int) -> bool:
        return _place(f"{seed} {self.name}", texts_of(row)) < self.share * WHOLE


class Kept(NamedTuple):
    """A row that was put aside, and its place in the draw, the lowest first."""

    place: int
    block: int
    number: int
    row: Row


def part_of(row: Row, seed: int, asides: Sequence[Aside]) -> Aside | None:
    """Where a row is put aside; None: nowhere, it is learned."""
    return next((aside for aside in asides if aside.share and aside.takes(row, seed)), None)


def drawn_place(seed: int, block: int, number: int) -> int:
    """The place in the draw of a row, by its block and its number in it."""
    return _place(f"{seed} drawn", f"{block} {number}")


def lowest(rows: Iterable[Kept], most: int) -> list[Kept]:
    """The rows that are kept of these, in the order in which they stand in the source."""
    found = heapq.nsmallest(most, rows, key=lambda one: one[:3])
    return sorted(found, key=lambda one: one[1:3])


def _place(salt: str, text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode())
    return int.from_bytes(digest.digest(), "little")
