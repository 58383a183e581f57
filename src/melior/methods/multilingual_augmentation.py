"""Multilingual augmentation: training rows carried into other languages, by dictionary, translation or a writer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from melior.checks._languages import languages_of, read_languages
from melior.data.dictionaries import dictionaries
from melior.data.language import Row, texts_of
from melior.data.pairs import code, translation_pairs
from melior.data.table import Rows, Table
from melior.errors import UserError
from melior.methods._base import Method
from melior.models._base import FitContext, Model
from melior.recipe import Recipe
from melior.texts.dictionary import Dictionary, switched, words
from melior.texts.languages import UNKNOWN, identify
from melior.texts.names import NAMES
from melior.texts.near import near_copies

Code = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
FILE = r"^$|\.(csv|tsv|jsonl|ndjson|parquet)(\.(gz|zst))?$"
EXAMPLES = 3  # of a class that a writer is shown


class MultilingualAugmentation(Method):
    """Adds rows in other languages with the labels of the rows that they were made of.

    kind       dictionary (default): words of a row are replaced by their translations, which are learned from the pairs
               (IBM model 1) or, where these are single words, are the pairs;
               translation: rows translated by a model of yours, without those that come back empty, as they were, or in
               another language; written: rows written by a causal model of yours from three examples of a class,
               without near copies and those to which a model of the training rows gives another label
    pairs      for dictionary: a file of translation pairs or of words, `source` and `target` (with `source_language`
               and `target_language`), or two columns named by their languages
    source     for translation and written: the folder or GGUF file of the model; nothing leaves this machine
    languages  those that rows are carried into; none: for dictionary all of the pairs, for written each row's own
    share      of the words with a translation that are replaced, above 0 to 1, default 0.9
    copies     new rows for each row, 1..10, default 1; a row without a word to replace gives none
    most       rows that a model writes at most, 1..100,000, default 500: they cost seconds each without a GPU
    sure       probability of its label that a written row must have, 0..1, default 0.5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"language_gap", "language_imbalance"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text", "language"})
    questions: ClassVar[tuple[int, ...]] = (4,)
    reference: ClassVar[str] = "Qin et al., CoSDA-ML: Multi-Lingual Code-Switching Data Augmentation, IJCAI 2020"
    order: ClassVar[int] = 40
    multilabel: ClassVar[bool] = True
    needs: ClassVar[str] = "a file of translation pairs, or a language model of yours"
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"share": 0.5})
    cost: ClassVar[float] = 2.0
    files: ClassVar[tuple[str, ...]] = ("pairs", "source")

    kind: Literal["dictionary", "translation", "written"] = "dictionary"
    pairs: Annotated[str, Field(max_length=4096, pattern=FILE)] = ""
    source: Annotated[str, Field(max_length=4096)] = ""
    languages: tuple[Code, ...] = ()
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    copies: Annotated[int, Field(ge=1, le=10)] = 1
    most: Annotated[int, Field(ge=1, le=100_000)] = 500
    sure: Annotated[float, Field(ge=0, le=1)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        texts = table.of_kind("text")
        if not texts:
            return "there are no text columns to carry into another language; table_augmentation varies other columns"
        if self.kind == "written" and table.multilabel:
            return "a writer is shown rows of one class; use kind: dictionary or translation"
        if self.kind == "written" and len(texts) > 1:
            return f"a writer writes one text, and there are the columns {', '.join(texts)}; use kind: translation"
        return self._lacking() or self._unknown()

    def _lacking(self) -> str | None:
        if self.kind == "dictionary" and not self.pairs:
            return "no translation pairs are named; give their file as pairs"
        if self.kind != "dictionary" and not self.source:
            return "no language model is named; give its folder as source, or use kind: dictionary with pairs"
        if self.kind == "translation" and not self.languages:
            return "it is not said into which languages rows are translated; give their codes as languages"
        return None

    def _unknown(self) -> str | None:
        if self.kind != "dictionary" or not self.languages:
            return None
        pairs = translation_pairs(self.pairs)
        there = sorted({*pairs.source_language, *pairs.target_language})
        lacking = [language for language in self.languages if language not in there]
        return f"the pairs are in {' and '.join(there)}, not in {', '.join(lacking)}" if lacking else None

    # ---- rows of a table

    def rows(self, train: Table, context: FitContext) -> Table:
        told = context.once(train, "languages", lambda: languages_of(train, context.seed))
        languages = np.asarray([code(one) for one in told.tolist()], dtype=np.str_)  # "en-US" is en, as in the pairs
        random = np.random.default_rng([context.seed, self.order])
        if self.kind == "dictionary":
            made = self._switched(train, languages, random)
        elif self.kind == "translation":
            made = self._translated(train, languages, random)
        else:
            made = self._written(train, languages, random, context)
        return train if made is None else train.joined(made)

    def _switched(self, train: Table, languages: NDArray[np.str_], random: np.random.Generator) -> Table | None:
        known = dictionaries(self.pairs, self.languages)
        columns = train.of_kind("text")
        cells = {name: train.column(name).to_list() for name in columns}
        places: list[int] = []
        spoken: list[str] = []
        new: dict[str, list[str | None]] = {name: [] for name in columns}
        for row in np.repeat(np.arange(train.rows), self.copies).tolist():
            ways = known.get(str(languages[row]), {})
            if not ways:
                continue
            wanted = sorted(ways)[int(random.integers(len(ways)))]
            said: dict[str, str | None] = {}
            many = 0
            for name in columns:
                text = cells[name][row]
                said[name] = None
                if text is not None:
                    said[name], count = switched(text, ways[wanted], self.share, random)
                    many += count
            if many:
                places.append(row)
                spoken.append(wanted)
                for name in columns:
                    new[name].append(said[name])
        return remade(train, places, new, spoken)

    def _translated(self, train: Table, languages: NDArray[np.str_], random: np.random.Generator) -> Table | None:
        from melior.networks.written import translations

        columns = train.of_kind("text")
        order = random.permutation(train.rows).tolist()
        each = max(1, self.most // len(self.languages))
        places, spoken = [], []
        new: dict[str, list[str | None]] = {name: [] for name in columns}
        for wanted in self.languages:
            rows = sorted([row for row in order if languages[row] != wanted][:each])
            own: dict[str, list[str | None]] = {}
            for name in columns:
                cells = train.column(name).to_list()
                given: list[str | None] = [None] * len(rows)
                for language in sorted({str(languages[row]) for row in rows}):
                    here = [at for at, row in enumerate(rows) if languages[row] == language and cells[row]]
                    texts = translations(
                        self.source, [cells[rows[at]] for at in here], NAMES.get(language, "the original"),
                        NAMES.get(wanted, wanted),
                    )  # fmt: skip
                    for at, text in zip(here, texts, strict=True):
                        given[at] = text
                own[name] = given
            before = [" ".join(train.column(name)[row] or "" for name in columns) for row in rows]
            after = [" ".join(own[name][at] or "" for name in columns) for at in range(len(rows))]
            for at in np.flatnonzero(carried(before, after, wanted)).tolist():
                places.append(rows[at])
                spoken.append(wanted)
                for name in columns:
                    new[name].append(own[name][at])
        return remade(train, places, new, spoken)

    def _written(
        self, train: Table, languages: NDArray[np.str_], random: np.random.Generator, context: FitContext
    ) -> Table | None:
        from melior.networks.written import further

        (column,) = train.of_kind("text")
        cells = train.column(column).to_list()
        labels = train.given_labels()
        full = np.array([bool(text) for text in cells])
        rounds = [random.permutation(np.flatnonzero(full)) for _ in range(self.copies)]
        seeds = np.sort(np.concatenate(rounds)[: self.most])
        if not len(seeds):
            return None
        wanted = [self.languages[at % len(self.languages)] if self.languages else str(languages[row])
                  for at, row in enumerate(seeds.tolist())]  # fmt: skip
        examples = []
        for row in seeds.tolist():
            mates = np.flatnonzero(full & (labels == labels[row]) & (np.arange(train.rows) != row))
            chosen = [*random.permutation(mates)[: EXAMPLES - 1].tolist(), row]
            examples.append([cells[at] for at in chosen])
        texts = further(
            self.source, examples, [train.classes[labels[row]] for row in seeds],
            [NAMES.get(one, "") for one in wanted], seed=context.seed,
        )  # fmt: skip
        new = remade(train, seeds.tolist(), {column: list(texts)}, wanted)
        assert new is not None
        keep = np.array([bool(words(text)) for text in texts]) & unlike(cells, texts, context.seed)
        scores = context.base_learner().fit(train, context).scores(new)
        rows = np.arange(new.rows)
        keep &= (scores.argmax(axis=1) == new.given_labels()) & (scores[rows, new.given_labels()] >= self.sure)
        return new.take(keep) if keep.any() else None

    # ---- rows of a language model

    def language_rows(self, rows: Sequence[Row], seed: int) -> list[Row]:
        """Texts and prompts with words in another language, beside the rows; answers stay as they are."""
        if self.kind != "dictionary":
            raise UserError("methods.multilingual_augmentation: of task: generate only kind: dictionary can be used.")
        if reason := self._lacking():
            raise UserError(f"methods.multilingual_augmentation cannot be used here: {reason}.")
        known = dictionaries(self.pairs, self.languages)
        random = np.random.default_rng([seed, self.order])
        told = [str(row.get("language") or "") for row in rows]
        languages = told if any(told) else read_languages(pl.Series([texts_of(row) for row in rows]), seed).tolist()
        spelled = spellings(told)
        made = []
        for row, language in zip(rows, languages, strict=True):
            ways = known.get(code(language), {})
            for _ in range(self.copies if ways else 0):
                wanted = sorted(ways)[int(random.integers(len(ways)))]
                new, count = switched_row(row, ways[wanted], self.share, random)
                if count:
                    made.append({**new, **({"language": spelled.get(wanted, wanted)} if row.get("language") else {})})
        return [*rows, *made]


def remade(
    train: Table, places: Sequence[int], texts: dict[str, list[str | None]], languages: Sequence[str]
) -> Table | None:
    """The rows at these places with other texts, and in these languages where a column says the language, as it writes
    them."""
    if not places:
        return None
    rows: Rows = np.asarray(places, dtype=np.int64)
    own = train.take(rows)
    frame = own.frame.with_columns(pl.Series(name, cells, dtype=pl.String) for name, cells in texts.items())
    for name in train.of_kind("language")[:1]:
        spelled = spellings(train.column(name).drop_nulls())
        before = own.column(name).to_list()
        said = [
            old if not new or code(old or "") == new else spelled.get(new, new)
            for new, old in zip(languages, before, strict=True)
        ]
        frame = frame.with_columns(pl.Series(name, said, dtype=pl.String))
    return own.with_frame(frame)


def spellings(told: Iterable[str]) -> dict[str, str]:
    """Code of a language -> how it is written here, the commonest way where there are several.

    >>> spellings(["en-GB", "en-US", "en-US", "DE"])
    {'de': 'DE', 'en': 'en-US'}
    """
    counts = Counter(told)
    return {code(name): name for name in sorted(counts, key=lambda one: (counts[one], one))}


def carried(before: Sequence[str], after: Sequence[str], wanted: str) -> NDArray[np.bool_]:
    """(texts,) whether a translation is one: it says something, is not what it was made of, and reads as the language
    wanted, where its language can be told."""
    spoken = identify(pl.Series(list(after), dtype=pl.String)).names()
    return np.array(
        [
            bool(words(new)) and words(new) != words(old) and language in (wanted, UNKNOWN)
            for old, new, language in zip(before, after, spoken, strict=True)
        ],
        dtype=bool,
    )


def unlike(known: Sequence[str | None], new: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """(new,) whether a text is no near copy of a known one or of an earlier new one."""
    texts = pl.Series([*known, *new], dtype=pl.String)
    group = near_copies(texts, seed=seed).group
    plain = [" ".join(words(text or "")) for text in texts.to_list()]
    first: dict[Any, int] = {}
    keep = np.zeros(len(new), dtype=bool)
    for at, (number, words_of) in enumerate(zip(group.tolist(), plain, strict=True)):
        seen = first.setdefault(("group", number), at) != at
        seen |= first.setdefault(("words", words_of), at) != at  # short texts are copies of nothing to near_copies
        if at >= len(known):
            keep[at - len(known)] = not seen
    return keep


def switched_row(row: Row, dictionary: Dictionary, share: float, random: np.random.Generator) -> tuple[Row, int]:
    """A row of a language model with words of its text, prompt, or what the user says, in another language."""
    if row.get("messages"):
        messages, many = [], 0
        for message in row["messages"]:
            said, count = (message["content"], 0)
            if message.get("role") == "user":
                said, count = switched(message["content"], dictionary, share, random)
            messages.append({**message, "content": said})
            many += count
        return {**row, "messages": messages}, many
    key = "prompt" if "prompt" in row else "text"
    said, many = switched(str(row.get(key) or ""), dictionary, share, random)
    return {**row, key: said}, many
