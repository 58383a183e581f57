"""The encoder of networks: bounded dense numbers, category codes, words of texts and pixels of images."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.table import Table
from melior.features._base import Encoder, Matrix, Part
from melior.features.blocks import Block, Blocks, Numbers, Values, codes_of, common
from melior.features.parts import Pixels, Ragged
from melior.features.texts import TextDimensions, number_words
from melior.storage import Fitted

BOUND = 3.0  # of a number after scaling: far values come close to it and never pass it


def bounded(values: NDArray[Any]) -> NDArray[np.float64]:
    """x / sqrt(1 + (x / BOUND)^2): nearly x near 0, never beyond BOUND.

    Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data, NeurIPS 2024.
    """
    return np.asarray(values / np.hypot(1.0, values / BOUND), dtype=np.float64)


class RobustNumbers(Numbers):
    """Number columns centred at the median and divided by the distance of the quartiles (half the range where they are
    one value), then bounded; missing is the median, and a column with missing training values gets another that says
    so."""

    def __init__(self, columns: list[str]) -> None:
        super().__init__(columns, scaled=True)

    def fit(self, table: Table, seed: int) -> Self:
        super().fit(table, seed)
        values = self._values(table)
        filled = np.where(np.isnan(values), self.median, values)
        if len(filled):
            low, quarter, middle, three, high = np.quantile(filled, [0, 0.25, 0.5, 0.75, 1], axis=0)
            with np.errstate(over="ignore"):
                spread = np.where(three > quarter, three - quarter, (high - low) / 2)
            self.centre = middle
            # a constant column has no spread but rounding: it must not be blown up
            self.spread = np.where(spread > 1e-12 * np.maximum(np.abs(middle), 1e-12), spread, np.inf)
        return self

    def transform(self, table: Table) -> Values:
        return bounded(super().transform(table))


class Bounded(Block):
    """Another block's features, bounded."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def fit(self, table: Table, seed: int) -> Self:
        self.block.fit(table, seed)
        return self

    def transform(self, table: Table) -> Values:
        return bounded(np.asarray(self.block.transform(table)))

    def names(self) -> list[str]:
        return self.block.names()

    def sources(self) -> list[str]:
        return self.block.sources()


class ScaledText(TextDimensions):
    """A text column in a few dimensions, scaled together so that the mean square of a feature is 1."""

    def fit(self, table: Table, seed: int) -> Self:
        super().fit(table, seed)
        self.factor = 1.0
        shown = super().transform(table)
        self.factor = 1 / max(float(np.sqrt(np.mean(shown**2))), 1e-6) if shown.size else 1.0
        return self

    def transform(self, table: Table) -> Values:
        return np.asarray(super().transform(table)) * self.factor


class Categories(Block):
    """Category columns as codes 0, 1, ...; missing, unknown and too rare are nan. A column of more than `most` values
    is hashed: its codes are the value's hash in `buckets`, so that no vocabulary is kept and every value has a code.

    Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009.
    """

    def __init__(self, columns: list[str], *, fewest: int = 2, most: int = 5000, buckets: int = 4096) -> None:
        self.columns = columns
        self.fewest = fewest
        self.most = most
        self.buckets = buckets

    def fit(self, table: Table, seed: int) -> Self:
        self.values: list[list[str] | None] = []  # None: hashed
        for column in self.columns:
            found = [v for v in common(table.column(column), self.fewest, self.most + 1) if v is not None]
            self.values.append(None if len(found) > self.most else found)
        return self

    def transform(self, table: Table) -> Values:
        made = []
        for column, values in zip(self.columns, self.values, strict=True):
            cells = table.column(column)
            made.append(hashed(cells, self.buckets) if values is None else codes_of(cells, values))
        stacked = np.column_stack(made).astype(np.float64)
        stacked[stacked < 0] = np.nan
        return stacked

    def names(self) -> list[str]:
        return list(self.columns)

    def sources(self) -> list[str]:
        return list(self.columns)

    def categorical(self) -> list[int]:
        return list(range(len(self.columns)))


def hashed(values: pl.Series, buckets: int) -> NDArray[np.int64]:
    """(rows,) a bucket of each value, the same in every process; -1 where it is missing."""
    distinct = values.drop_nulls().unique()
    digests = [blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest() for value in distinct.to_list()]
    numbers = pl.Series([int.from_bytes(digest, "big") % buckets for digest in digests], dtype=pl.Int64)
    return values.replace_strict(distinct, numbers, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()


class PartBlock(Fitted, ABC):
    """A column to a part of the matrix. `name`: "text: COLUMN" or "image: COLUMN"."""

    name: str

    @abstractmethod
    def fit(self, table: Table, seed: int) -> Self:
        """Learns from training rows only."""

    @abstractmethod
    def transform(self, table: Table) -> Part:
        """One entry a row."""


class Words(PartBlock):
    """A text column as numbers of its words: 0 is a word not known, 1, 2, ... the words of at least `fewest` training
    rows, those in most rows first, at most `most`. Each text's first `longest` words."""

    def __init__(self, column: str, *, fewest: int = 2, most: int = 20_000, longest: int = 256) -> None:
        self.column = column
        self.name = f"text: {column}"
        self.fewest = fewest
        self.most = most
        self.longest = longest

    def fit(self, table: Table, seed: int) -> Self:
        words, flat, lengths = number_words(table.column(self.column))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        pairs = np.unique(np.stack([rows, flat.astype(np.int64)], axis=1), axis=0)
        in_rows = np.bincount(pairs[:, 1], minlength=len(words))
        order = np.argsort(-in_rows, kind="stable")[: self.most]  # ties in the order of the words
        self.words = [words[number] for number in order if in_rows[number] >= self.fewest]
        return self

    def transform(self, table: Table) -> Ragged:
        number = {word: place + 1 for place, word in enumerate(self.words)}
        words, flat, lengths = number_words(table.column(self.column))
        known = np.array([number.get(word, 0) for word in words], dtype=np.int32)
        tokens = known[flat] if len(words) else np.empty(0, dtype=np.int32)
        return Ragged.of(tokens, lengths).cut(self.longest)


class Pictures(PartBlock):
    """An image column as small pictures. channels: 1 or 3; none: 1 where every training picture is grey, else 3."""

    def __init__(self, column: str, *, channels: int | None = None) -> None:
        self.column = column
        self.channels = channels
        self.name = f"image: {column}"

    def fit(self, table: Table, seed: int) -> Self:
        if self.channels is not None:
            self.grey = self.channels == 1
            return self
        images = table.pictures(self.column)
        self.grey = all(is_grey(images.take(rows).pixels) for rows in some_rows(len(images)))
        return self

    def transform(self, table: Table) -> Pixels:
        images = table.pictures(self.column)
        return Pixels(in_channels(images.pixels, 1 if self.grey else 3), images.readable)


def in_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """(pictures, height, width, 3) as it is, or in one channel of brightness (BT.601)."""
    if channels == 3 or not len(pixels):
        return pixels[..., :channels]
    parts = pixels.astype(np.uint16)
    return ((parts[..., :1] * 77 + parts[..., 1:2] * 150 + parts[..., 2:] * 29 + 128) >> 8).astype(np.uint8)


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def some_rows(rows: int, at_once: int = 4096) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + at_once, rows)) for start in range(0, rows, at_once)]


class NetworkEncoder(Encoder):
    """Dense blocks side by side as the matrix's values, and part blocks beside them."""

    def __init__(self, blocks: Sequence[Block], parts: Sequence[PartBlock] = ()) -> None:
        self.blocks = Blocks(list(blocks))
        self.parts = list(parts)

    def fit(self, table: Table, seed: int) -> Self:
        self.blocks.fit(table, seed)
        for part in self.parts:
            part.fit(table, seed)
        return self

    def transform(self, table: Table) -> Matrix:
        matrix = self.blocks.transform(table)
        return replace(matrix, parts={part.name: part.transform(table) for part in self.parts})
