"""Texts to sets of hashed shingles: runs of words, or of characters where a script has no spaces or texts are short.

Broder, On the resemblance and containment of documents, 1997. A whole column is cut and hashed in numpy, some million
characters at a time. A shingle is a number of 30 bits, so two different shingles of two texts are taken for the same
in about (shingles of one) (shingles of the other) / 2**30 of cases: once in 100,000 pairs of texts of a hundred words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Unit = Literal["words", "characters"]

BITS = 30
CHARACTERS_AT_ONCE = 2_000_000
WORDS = 2  # words in a shingle: with 3, one word in ten changed leaves too little in common (0.57 instead of 0.68)
SPACED_CHARACTERS = 4
UNSPACED_CHARACTERS = 3
FEWEST_WORDS = 8  # a column whose middle text has fewer is cut into characters: a changed word would change it all
POINTS = 0x110000
UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip  # Thai, Lao, Burmese, Khmer, kana, Han: written without spaces

Words = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Shingles:
    """Sets of shingles of n texts in one flat array.

    values  (total,) int32, those of one text beside each other, ascending, each once
    starts  (n + 1,) where each text's values start; a text without a letter or digit has none
    unit    what a shingle is made of, and `length` how many of them
    """

    values: NDArray[np.int32]
    starts: Counts
    unit: Unit
    length: int

    @property
    def sizes(self) -> Counts:
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, which: Counts) -> "Shingles":
        """Those of the texts at these positions, in that order."""
        starts = np.concatenate([[0], np.cumsum(self.sizes[which])]).astype(np.int64)
        return Shingles(self.values[self.places(which)], starts, self.unit, self.length)

    def places(self, which: Counts) -> Counts:
        """Where the values of the texts at these positions stand."""
        sizes = self.sizes[which]
        before = np.cumsum(sizes) - sizes
        found: Counts = np.repeat(self.starts[which] - before, sizes) + np.arange(int(sizes.sum()))
        return found


def shingles(texts: pl.Series, unit: Unit | None = None, length: int | None = None) -> Shingles:
    """The sets of shingles of a column of texts.

    texts   (n,) strings; missing is empty
    unit    `words` or `characters`; None looks at the column: characters where most of it is written without spaces
            or the middle text has fewer than 8 words
    length  words or characters in a shingle; None is 2 words, 4 characters, or 3 characters without spaces

    Case, width (NFKC), punctuation and white space make no difference. A text of fewer words or characters than a
    shingle has is one shingle.

    >>> import polars as pl
    >>> shingles(pl.Series(["The cat sat.", "the  CAT sat", "the cat", None]), "words").sizes
    array([2, 2, 1, 0])
    """
    if length is not None and length < 1:
        raise ValueError(f"a shingle of {length} words or characters is none")
    if unit is None or length is None:
        found, spaced = unit_of(texts)
        unit = unit or found
        length = length or (WORDS if unit == "words" else SPACED_CHARACTERS if spaced else UNSPACED_CHARACTERS)
    values, sizes = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int64)]
    for chunk in chunks(texts):
        tokens, counts = (hashed_words if unit == "words" else hashed_characters)(chunk)
        pieces, inside = runs(tokens, counts, length)
        owner = np.repeat(np.arange(len(inside), dtype=np.int64), inside)
        keyed = (owner << BITS) | (pieces >> np.uint64(64 - BITS)).astype(np.int64)
        keyed.sort()
        keyed = keyed[np.diff(keyed, prepend=-1) != 0]
        values.append((keyed & ((1 << BITS) - 1)).astype(np.int32))
        sizes.append(np.bincount(keyed >> BITS, minlength=len(inside)))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return Shingles(np.concatenate(values), starts, unit, length)


def unit_of(texts: pl.Series, sample: int = 2000) -> tuple[Unit, bool]:
    """The unit that suits a column, and whether it is written with spaces, by evenly spaced texts, cut after 2,000
    characters."""
    step = max(1, len(texts) // sample)
    points = code_points(texts.gather_every(step).drop_nulls().str.slice(0, 2000))
    kinds = kinds_of(points)
    first = first_of_word(kinds)
    words = counted(first, points)
    words = words[words > 0]
    if not len(words):
        return "words", True
    spaced = 2 * int((kinds == 2).sum()) <= int(first.sum())
    return ("words" if spaced and np.median(words) >= FEWEST_WORDS else "characters"), spaced


def chunks(texts: pl.Series) -> Iterator[NDArray[np.uint32]]:
    """Code points of the folded texts, as many texts at a time as have two million characters, but one at least."""
    ends = np.cumsum(texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64) + 1)
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + CHARACTERS_AT_ONCE, side="right")))
        yield code_points(texts.slice(start, stop - start))
        start = stop


def code_points(texts: pl.Series) -> NDArray[np.uint32]:
    """Every character of the folded texts, each text followed by a line feed (which no folded text has inside)."""
    texts = texts.fill_null("")
    if (texts.str.len_bytes() != texts.str.len_chars()).any():  # plain ASCII is in that form already
        texts = texts.str.normalize("NFKC")
    folded = texts.str.to_lowercase().str.replace_all("\n", " ", literal=True)
    joined = "\n".join([*folded.to_list(), ""])
    return np.frombuffer(joined.encode("utf-32-le"), dtype="<u4")


def kinds_of(points: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """For every character: 0 between words, 1 inside a word, 2 a word by itself (scripts without spaces)."""
    from unicodedata import category

    seen = np.zeros(POINTS, dtype=bool)
    seen[points] = True
    table = np.zeros(POINTS, dtype=np.uint8)
    for point in np.flatnonzero(seen).tolist():
        if category(chr(point))[0] in "LMN" or point == 0x5F:
            table[point] = 2 if any(low <= point <= high for low, high in UNSPACED) else 1
    return table[points]


def first_of_word(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where words begin."""
    before = np.concatenate([np.zeros(1, dtype=np.uint8), kinds[:-1]])
    found: NDArray[np.bool_] = (kinds == 2) | ((kinds == 1) & (before != 1))
    return found


def counted(marks: NDArray[np.bool_], points: NDArray[np.uint32]) -> Counts:
    """How many marks each text has; every text ends with a line feed."""
    total = np.cumsum(marks)[points == 0x0A]
    found: Counts = np.diff(total, prepend=0)
    return found


@cache
def point_hashes() -> Words:
    """A random number for every code point, always the same."""
    return mixed(np.arange(1, POINTS + 1, dtype=np.uint64))


def hashed_words(points: NDArray[np.uint32]) -> tuple[Words, Counts]:
    """(words,) a hash of every word in reading order, and how many each text has.

    A word's hash is the sum of its characters' random numbers times powers of an odd number, mixed.
    """
    kinds = kinds_of(points)
    first = first_of_word(kinds)
    sizes = counted(first, points)
    inside = kinds > 0
    begins = np.flatnonzero(first[inside])
    if not len(begins):
        return np.empty(0, dtype=np.uint64), sizes
    letters = points[inside]
    place = np.arange(len(letters)) - np.repeat(begins, np.diff(begins, append=len(letters)))
    powers = np.full(int(place.max()) + 1, 0x9E3779B97F4A7C15, dtype=np.uint64)
    weighted = point_hashes()[letters] * np.cumprod(powers)[place]
    return mixed(np.add.reduceat(weighted, begins)), sizes


def hashed_characters(points: NDArray[np.uint32]) -> tuple[Words, Counts]:
    """(characters,) the same for letters and digits, with one space before every word of a spaced script."""
    kinds = kinds_of(points)
    inside = kinds > 0
    begins = first_of_word(kinds) & (kinds == 1)
    sizes = counted(inside, points) + counted(begins, points)
    twice = 1 + begins[inside].astype(np.int64)
    found = np.repeat(point_hashes()[points[inside]], twice)
    found[(np.cumsum(twice) - twice)[twice == 2]] = point_hashes()[0x20]
    return found, sizes


def runs(tokens: Words, counts: Counts, length: int) -> tuple[Words, Counts]:
    """(runs,) a hash of every run of `length` tokens inside a text, and how many each text has; of fewer tokens all
    are one run."""
    inside = np.where(counts > 0, np.maximum(counts - length + 1, 1), 0)
    if not len(tokens):
        return tokens, inside
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    offset = np.concatenate([[0], np.cumsum(inside)[:-1]])
    at = np.repeat(starts - offset, inside) + np.arange(int(inside.sum()))
    ends = np.repeat(starts + counts, inside)
    total = np.zeros(len(at), dtype=np.uint64)
    for step in range(length):
        here = at + step
        token = np.where(here < ends, tokens[np.minimum(here, len(tokens) - 1)], np.uint64(0))
        total = (total * np.uint64(0xD6E8FEB86659FD93)) ^ token
    return mixed(total), inside


def mixed(values: Words) -> Words:
    """The finaliser of splitmix64: every bit of a number spread over all bits (Steele, Lea and Flood 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values
