"""How a text is written, beside what its words are: its length, capitals, digits and marks."""

from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.table import Table
from melior.features.blocks import Block, Values

ENDS = r"[.!?…。！？｡।؟]"
QUOTES = '["“”„‘’«»‹›「」『』]'  # an apostrophe stands in words and is none


def _each(counted: pl.Expr, of: pl.Expr) -> pl.Expr:
    return counted / of.clip(1)


def _many(counted: pl.Expr) -> pl.Expr:
    return (counted + 1).log()


def _measured() -> dict[str, pl.Expr]:
    text = pl.col("text")
    characters, words = text.str.len_chars(), text.str.count_matches(r"\S+")
    letters, large = text.str.count_matches(r"\p{L}"), text.str.count_matches(r"\p{Lu}")
    return {
        "characters": _many(characters),
        "words": _many(words),
        "lines": _many(text.str.count_matches("\n")),
        "letters a word": _each(letters, words),
        "capitals": _each(large, letters),
        "words in capitals": _each(text.str.count_matches(r"\b\p{Lu}{2,}\b"), words),
        "digits": _each(text.str.count_matches(r"\p{N}"), characters),
        "marks": _each(text.str.count_matches(r"[\p{P}\p{S}]"), characters),
        "commas": _each(text.str.count_matches("[,，、]"), words),
        "ends of sentences": _each(text.str.count_matches(ENDS), words),
        "exclamation marks": _many(text.str.count_matches("[!！]")),
        "question marks": _many(text.str.count_matches("[?？]")),
        "quotation marks": _many(text.str.count_matches(QUOTES)),
        "begins with a capital": text.str.contains(r"^\s*\p{Lu}").cast(pl.Float64),
        "ends as a sentence": text.str.contains(rf"{ENDS}\W*$").cast(pl.Float64),
    }


FORM = tuple(_measured())


def form_of(texts: pl.Series) -> NDArray[np.float64]:
    """(rows, 15) how each text is written, as FORM names it: counts in natural logarithms of one more, shares, and 0
    or 1. A missing text is an empty one.

    >>> dict(zip(FORM, form_of(pl.Series(["WOW, really?"]))[0].round(2)))["question marks"]
    0.69
    """
    frame = pl.DataFrame({"text": texts.fill_null("").cast(pl.String)})
    return np.asarray(frame.select(**_measured()).to_numpy(), dtype=np.float64).reshape(len(texts), len(FORM))


class TextForm(Block):
    """A text column by how it is written. What no training text reaches is taken for the most extreme of them, so that
    longer texts than any that was learned from mean nothing new.

    scale  standard deviation of each feature on the training rows; None: as measured
    """

    def __init__(self, column: str, *, scale: float | None) -> None:
        self.column = column
        self.scale = scale

    def fit(self, table: Table, seed: int) -> Self:
        values = form_of(table.column(self.column))
        rows = len(values) > 0
        self.lowest = values.min(axis=0) if rows else np.zeros(len(FORM))
        self.highest = values.max(axis=0) if rows else np.zeros(len(FORM))
        self.centre = values.mean(axis=0) if rows else np.zeros(len(FORM))
        spread = values.std(axis=0) if rows else np.ones(len(FORM))
        self.spread = np.where(spread > 1e-9, spread, 1.0)
        return self

    def transform(self, table: Table) -> Values:
        values = np.clip(form_of(table.column(self.column)), self.lowest, self.highest)
        return values if self.scale is None else (values - self.centre) / self.spread * self.scale

    def names(self) -> list[str]:
        return [f"{self.column}: {name}" for name in FORM]
