"""Text augmentation: more training rows whose texts say the same in other words, in any language."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.features.word_vectors import by_chance, nearest, word_vectors
from melior.methods._base import Method
from melior.methods._pieces import Pieces, folded, segmented
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

Change = Literal["synonyms", "insert", "swap", "delete", "replace", "back_translation"]
Random = np.random.Generator

FEWEST = 5  # times that a word must occur for its company to say something of it
NEIGHBOURS = 5
MOST_WORDS = 20_000
DIFFERENT = 0.05  # chance below which two words are said to stand in different classes


@dataclass(frozen=True)
class Lexicon:
    """What the training texts of a column say of words.

    words     the words, each once, lower case
    shares    (words,) how often each occurs, of all
    synonyms  word -> words that can stand for it
    """

    words: list[str]
    shares: Floats
    synonyms: dict[str, list[str]]

    def drawn(self, random: Random) -> str:
        """A word, common ones more often."""
        return self.words[int(np.searchsorted(self._upto, random.random(), side="right"))]

    @cached_property
    def _upto(self) -> Floats:
        """(words,) the share of each word and of those before it; once, and not for each word that is drawn."""
        found = np.cumsum(self.shares)
        return np.asarray(found / found[-1])

    def instead(self, random: Random) -> Callable[[str], str | None]:
        """What gives a synonym of a word, None where there is none."""

        def one(word: str) -> str | None:
            known = self.synonyms.get(folded(word), [])
            return known[int(random.integers(len(known)))] if known else None

        return one


def same_classes(counts: NDArray[np.float64], one: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(others,) whether a word may stand in the same classes as each other word: the likelihood-ratio test of
    homogeneity of the two rows of counts does not say otherwise (Agresti, Categorical Data Analysis, 2013, 3.2).

    counts (words, classes): rows of each class that hold the word.
    """
    from scipy.stats import chi2

    own, theirs = counts[[one]], counts[others]
    both = own + theirs
    shares = both / np.maximum(both.sum(axis=1, keepdims=True), 1)

    def part(seen: NDArray[np.float64]) -> NDArray[np.float64]:
        expected = seen.sum(axis=1, keepdims=True) * shares
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(seen > 0, seen * np.log(seen / expected), 0.0).sum(axis=1))

    ratio = 2 * (part(np.broadcast_to(own, theirs.shape)) + part(theirs))
    return np.asarray(chi2.sf(ratio, np.maximum((both > 0).sum(axis=1) - 1, 1)) >= DIFFERENT)


def learned(texts: Sequence[Pieces], truth: Floats, seed: int, groups: Sequence[Sequence[str]] = ()) -> Lexicon:
    """The lexicon of the training texts of a column. Synonyms are what a list says (groups), and else the nearest words
    by the company that they keep; words whose classes differ, such as good and bad, are no synonyms here.

    truth (texts, classes) 1 where a text is of the class.
    """
    numbers: dict[str, int] = {}
    flat = [numbers.setdefault(folded(word), len(numbers)) for text in texts for word in text.words]
    ids, lengths = np.array(flat, dtype=np.int64), np.array([len(text) for text in texts], dtype=np.int64)
    words = list(numbers)
    counts = np.bincount(ids, minlength=len(words))
    shares = counts / max(counts.sum(), 1)
    often = np.flatnonzero(counts >= FEWEST)
    often = np.sort(often[np.argsort(-counts[often], kind="stable")[:MOST_WORDS]])
    place = np.full(len(words), -1, dtype=np.int64)
    place[often] = np.arange(len(often))
    synonyms: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            others = [other for other in group if other != word]
            synonyms[folded(word)] = synonyms.get(folded(word), []) + others
    known = place[ids] if len(ids) else ids
    vectors = word_vectors(known, lengths, len(often), seed=seed)
    least = by_chance(known, lengths, len(often), seed=seed)
    rows = np.repeat(np.arange(len(texts)), lengths)
    pairs = np.unique(np.column_stack([known, rows])[known >= 0], axis=0)
    told = np.zeros((len(often), truth.shape[1]))
    np.add.at(told, pairs[:, 0], truth[pairs[:, 1]])
    for number, near in enumerate(nearest(vectors, NEIGHBOURS, least)):
        word = words[often[number]]
        if word in synonyms or not len(near):
            continue
        near = near[same_classes(told, number, near)]
        if len(near):
            synonyms[word] = [words[often[one]] for one in near]
    return Lexicon(words, shares, synonyms)


def varied(text: Pieces, kind: Change, share: float, lexicon: Lexicon, random: Random) -> Pieces:
    """The text with a share of its words changed, one at least; as it is where that cannot be done.

    Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019.
    """
    size = len(text)
    count = max(1, round(share * size))
    if not size:
        return text
    instead = lexicon.instead(random)
    if kind == "synonyms":
        able = [place for place, word in enumerate(text.words) if folded(word) in lexicon.synonyms]
        chosen = random.permutation(len(able))[:count]
        return text.replaced([able[int(number)] for number in chosen], instead)
    if kind == "replace":
        return text.replaced(random.permutation(size)[:count].tolist(), lambda _: lexicon.drawn(random))
    if kind == "insert":
        for _ in range(count):
            word = text.words[int(random.integers(len(text)))]
            text = text.inserted(int(random.integers(len(text) + 1)), instead(word) or lexicon.drawn(random))
        return text
    if size < 2:
        return text
    if kind == "delete":
        return text.without(random.permutation(size)[:count].tolist())
    assert kind == "swap"
    return text.swapped([tuple(random.choice(size, 2, replace=False).tolist()) for _ in range(count)])


def word_groups(path: str) -> list[list[str]]:
    """Groups of words that mean the same, a line each, the words apart by tabs or commas; # begins a remark."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"methods.text_augmentation: {path}: there is no such file of synonyms.") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise UserError(f"methods.text_augmentation: {path}: a file of synonyms is a UTF-8 text file.") from None
    groups = []
    for number, line in enumerate(lines, 1):
        said = line.partition("#")[0].strip()
        words = [word.strip() for word in said.replace("\t", ",").split(",") if word.strip()]
        if said and len(words) < 2:
            raise UserError(
                f"methods.text_augmentation: {path}, line {number:,}: {said[:40]!r} is one word; a line holds words "
                "that mean the same, apart by commas."
            )
        if words:
            groups.append(words)
    return groups


class TextAugmentation(Method):
    """Adds rows whose texts are those of a training row with some words changed; labels and other columns stay.

    Scripts without spaces are cut into segments learned from the training texts, so no language needs a resource.

    changes       what is done, one of these at random for each new row: synonyms (a word by one that keeps the same
                  company in the training texts and stands in the same classes), insert (such a word somewhere), swap
                  (two words change places), delete (a word), replace (a word by any word of the training texts, common
                  ones more often), back_translation (there and back by `translators`). Default synonyms, insert, swap
                  and delete
    share         0.01..0.5 of the words of a text are changed, one at least, default 0.1
    copies        1..20 new rows for each row, default 1
    dictionaries  files of words that mean the same, a line each, apart by commas; these go before what is learned
    translators   two folders of translation models (seq2seq): into another language, and back
    """

    treats: ClassVar[frozenset[str]] = frozenset({"small_data", "overfitting"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    questions: ClassVar[tuple[int, ...]] = (17, 1)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019"
    order: ClassVar[int] = 60
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"copies": 4}, {"changes": ("delete",), "share": 0.3})
    cost: ClassVar[float] = 2.0
    files: ClassVar[tuple[str, ...]] = ("dictionaries", "translators")

    changes: Annotated[tuple[Change, ...], Field(min_length=1)] = ("synonyms", "insert", "swap", "delete")
    share: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    copies: Annotated[int, Field(ge=1, le=20)] = 1
    dictionaries: tuple[str, ...] = ()
    translators: tuple[str, str] | None = None

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not table.of_kind("text"):
            return "there are no text columns; table_augmentation varies numbers and categories"
        if "text" not in model.kinds:
            return f"{model.name} reads no texts; linear, trees and text_encoder do"
        if "back_translation" in self.changes and self.translators is None:
            return "back_translation needs two translation models; give their folders as translators"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        random = np.random.default_rng([context.seed, self.order])
        names = train.of_kind("text")
        groups = [group for path in self.dictionaries for group in word_groups(path)]
        entries = {folded(word) for group in groups for word in group}
        texts = {name: segmented(train.column(name), entries) for name in names}
        lexicons = {name: learned(texts[name], train.truth(), context.seed, groups) for name in names}
        chosen = [random.integers(len(self.changes), size=train.rows) for _ in range(self.copies)]
        seeds: list[int] = []
        made: dict[str, list[str | None]] = {name: [] for name in names}
        for number, kinds in enumerate(chosen):
            translated = self._translated(train, kinds, context.seed + number)
            for row in range(train.rows):
                kind = self.changes[kinds[row]]
                new = {name: translated[name][row] for name in names} if kind == "back_translation" else {
                    name: varied(texts[name][row], kind, self.share, lexicons[name], random).text for name in names
                }  # fmt: skip
                if any(new[name] != texts[name][row].text for name in names):
                    seeds.append(row)
                    for name in names:
                        made[name].append(new[name] or None)
        if not seeds:
            return train
        own = train.take(
            np.array(seeds, dtype=np.int64)
        )  # keeps the row's number: folds keep it and its copies together
        columns = [pl.Series(name, made[name], dtype=pl.String) for name in names]
        return train.joined(own.with_frame(own.frame.with_columns(columns)))

    def _translated(self, train: Table, kinds: NDArray[np.int64], seed: int) -> dict[str, list[str]]:
        """Text columns there and back, where the row is to be; else as they are."""
        found = {name: train.column(name).fill_null("").to_list() for name in train.of_kind("text")}
        wanted = [row for row in range(train.rows) if self.changes[kinds[row]] == "back_translation"]
        if not wanted:
            return found
        from melior.networks.translation import there_and_back

        assert self.translators is not None
        for texts in found.values():
            filled = [row for row in wanted if texts[row].strip()]
            for row, text in zip(
                filled, there_and_back([texts[r] for r in filled], *self.translators, seed), strict=True
            ):
                texts[row] = text if text.strip() else texts[row]
        return found
