"""A text as its words and what stands between them, so that a word can change and all else stays as it was written.

Where a script has no spaces each character is a word (as the families read it); characters that stand together more
often than chance allows are joined to segments first, which serve as words of Chinese without a dictionary.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.features.texts import WORD
from melior.texts.dictionary import LONGEST
from melior.texts.shingles import UNSPACED

SURE = 0.01  # of all pairs of characters together, the chance that one that does not belong together is joined
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """A text: gaps[0] words[0] gaps[1] words[1] ... gaps[-1]. There is one gap more than words."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def text(self) -> str:
        return self.gaps[0] + "".join(word + gap for word, gap in zip(self.words, self.gaps[1:], strict=True))

    # ---- what can be done to it, each with the places of the words (from 0)

    def replaced(self, places: Iterable[int], instead: Callable[[str], str | None]) -> "Pieces":
        """Other words at these places; None leaves the word. Capitals stay where they were."""
        words = list(self.words)
        for place in places:
            found = instead(words[place])
            if found is not None:
                words[place] = as_written(found, words[place])
        return Pieces(tuple(words), self.gaps)

    def swapped(self, pairs: Iterable[tuple[int, int]]) -> "Pieces":
        """The two words of each pair change places."""
        words = list(self.words)
        for one, other in pairs:
            words[one], words[other] = words[other], words[one]
        return Pieces(tuple(words), self.gaps)

    def without(self, places: Iterable[int]) -> "Pieces":
        """The words at these places left out, each with the gap before it (the first: with the gap after it). One word
        stays."""
        gone = set(places)
        if len(gone) >= len(self.words):
            gone.discard(min(gone))
        words, gaps = [], [self.gaps[0]]
        for place, word in enumerate(self.words):
            if place not in gone:
                words.append(word)
                gaps.append(self.gaps[place + 1])
            elif words:
                gaps[-1] = self.gaps[place + 1]
        return Pieces(tuple(words), tuple(gaps))

    def inserted(self, place: int, word: str) -> "Pieces":
        """One more word before the word at this place, or at the end."""
        beside = self.words[min(place, len(self.words) - 1)] if self.words else word
        space = "" if is_unspaced(beside) else " "
        words, gaps = list(self.words), list(self.gaps)
        words.insert(place, word)
        if place < len(self.words):
            gaps.insert(place + 1, space)
        else:
            gaps.insert(place, space)
        return Pieces(tuple(words), tuple(gaps))


def is_unspaced(word: str) -> bool:
    """Whether a word is of a script without spaces."""
    return any(low <= ord(word[0]) <= high for low, high in UNSPACED) if word and not word.isascii() else False


def as_written(word: str, like: str) -> str:
    """A word with the capitals of another one."""
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def folded(word: str) -> str:
    """A word as it is looked up: lower case."""
    return word.lower()


def cut(texts: pl.Series) -> list[Pieces]:
    """Each text in pieces; null is a text without words."""
    plain = texts.fill_null("")
    found = []
    for text, words in zip(plain.to_list(), plain.str.extract_all(WORD).to_list(), strict=True):
        at, gaps = 0, []
        for word in words:
            begin = text.index(word, at)
            gaps.append(text[at:begin])
            at = begin + len(word)
        found.append(Pieces(tuple(words), (*gaps, text[at:])))
    return found


def pairs_that_belong(texts: Sequence[Pieces]) -> dict[tuple[str, str], float]:
    """Pairs of neighbouring characters of a script without spaces that stand together more often than they would by
    chance, with how sure that is: the log-likelihood ratio of their 2 by 2 table, above the value that chance reaches
    in one of a hundred columns.

    Dunning, Accurate Methods for the Statistics of Surprise and Coincidence, Computational Linguistics 1993.
    """
    from scipy.stats import chi2

    together: Counter[tuple[str, str]] = Counter()
    known: dict[str, bool] = {}

    def alone(word: str) -> bool:
        if word not in known:
            known[word] = len(word) == 1 and is_unspaced(word)
        return known[word]

    for text in texts:
        for first, second, gap in zip(text.words, text.words[1:], text.gaps[1:], strict=False):
            if not gap and alone(first) and alone(second):
                together[first, second] += 1
    if not together:
        return {}
    total = together.total()
    first_of: Counter[str] = Counter()
    second_of: Counter[str] = Counter()
    for (first, second), count in together.items():
        first_of[first] += count
        second_of[second] += count
    both = np.array(list(together.values()), dtype=np.float64)
    one = np.array([first_of[first] for first, _ in together], dtype=np.float64)
    other = np.array([second_of[second] for _, second in together], dtype=np.float64)
    ratio = log_likelihood_ratio(both, one - both, other - both, total - one - other + both)
    sure = chi2.isf(SURE / len(together), 1)
    strong = (both * total > one * other) & (ratio > sure)
    pairs = list(together)
    return {pairs[number]: float(ratio[number]) for number in np.flatnonzero(strong)}


def log_likelihood_ratio(
    both: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64], neither: NDArray[np.float64]
) -> NDArray[np.float64]:
    """2 sum of observed log(observed / expected) over the four cells of 2 by 2 tables, each (tables,) counts."""
    total = both + first + second + neither
    found = np.zeros_like(total)
    for seen, row, column in (
        (both, both + first, both + second),
        (first, both + first, first + neither),
        (second, second + neither, both + second),
        (neither, second + neither, first + neither),
    ):
        expected = row * column / total
        with np.errstate(divide="ignore", invalid="ignore"):
            found += np.where(seen > 0, seen * np.log(seen / expected), 0.0)
    return 2 * found


def joined_pairs(text: Pieces, pairs: dict[tuple[str, str], float]) -> Pieces:
    """The text with pairs that belong together as one word, the surest first; a character is in one pair."""
    if not pairs:
        return text
    found = [
        (pairs[pair], place)
        for place, pair in enumerate(zip(text.words, text.words[1:], strict=False))
        if not text.gaps[place + 1] and pair in pairs
    ]
    taken: set[int] = set()
    begins: set[int] = set()
    for _, place in sorted(found, key=lambda one: (-one[0], one[1])):
        if not {place, place + 1} & taken:
            taken |= {place, place + 1}
            begins.add(place)
    words, gaps, place = [], [text.gaps[0]], 0
    while place < len(text.words):
        length = 2 if place in begins else 1
        words.append("".join(text.words[place : place + length]))
        place += length
        gaps.append(text.gaps[place])
    return Pieces(tuple(words), tuple(gaps))


def joined_entries(text: Pieces, entries: Set[str]) -> Pieces:
    """The text with what spells an entry of a list of words as one word, of several the longest: "ice cream"."""
    words, gaps, place = [], [text.gaps[0]], 0
    while place < len(text):
        for end in range(min(place + LONGEST, len(text)), place, -1):
            beside = zip(text.gaps[place + 1 : end], text.words[place + 1 : end], strict=True)
            word = text.words[place] + "".join(gap + other for gap, other in beside)
            if folded(word) in entries:
                break  # else the word alone: the last that is tried
        words.append(word)
        place = end
        gaps.append(text.gaps[place])
    return Pieces(tuple(words), tuple(gaps))


def segmented(texts: pl.Series, entries: Set[str] = frozenset()) -> list[Pieces]:
    """Each text in pieces, the entries of a list of words (folded) and characters that belong together joined."""
    found = cut(texts)
    if entries:
        found = [joined_entries(text, entries) for text in found]
    pairs = pairs_that_belong(found)
    return [joined_pairs(text, pairs) for text in found] if pairs else found
