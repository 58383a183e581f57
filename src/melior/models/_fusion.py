"""What the networks over all columns share: how columns are encoded, and the plan of the network."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Table
from melior.features._base import Encoder, Matrix
from melior.features.blocks import Block, Times
from melior.features.network import (
    Bounded,
    Categories,
    NetworkEncoder,
    PartBlock,
    RobustNumbers,
    ScaledText,
    Words,
)
from melior.features.parts import Pixels, Ragged, SharedPixels
from melior.models._network import Activation, Initialization, NetworkModel, Normalization


class FusionModel(NetworkModel):
    """Base of the networks that read a table's columns together (data fusion).

    width           units of a layer, 1..8,192
    depth           layers, 0..64; 0 is a linear model over the columns' vectors
    activation      relu, leaky_relu, gelu, silu, tanh or sigmoid
    normalization   after each layer: none, batch, layer or rms
    dropout         share of units left out of a training step, 0..0.9
    residual        each layer adds to what came in
    initialization  first weights: he, xavier or orthogonal
    embedding       of numbers: none, periodic or piecewise (linear between quantiles)
    texts           dimensions (fitted, few) or words (embeddings under attention, trained with the rest)
    text_dimensions   of each text column, 1..512
    longest         words read of a text, where texts are words, 1..100,000
    most_words      of a text column, where texts are words, 2..1,000,000
    most_categories   a column of more is hashed, 2..1,000,000
    sparse          embeddings of categories and words have sparse gradients: a step changes the vectors of its rows
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"number", "category", "language", "text", "image", "time"})
    module: ClassVar[str] = "fusion"

    # defaults chosen on generated tables: smooth, stepped, skewed, categorical, products and linear
    usual_decay: ClassVar[float] = 1.0

    weight_decay: Annotated[float, Field(ge=0, le=10_000)] = 1.0
    width: Annotated[int, Field(ge=1, le=8192)] = 128
    depth: Annotated[int, Field(ge=0, le=64)] = 2
    activation: Activation = "silu"
    normalization: Normalization = "none"
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.4
    residual: bool = False
    initialization: Initialization = "he"
    embedding: Literal["none", "periodic", "piecewise"] = "piecewise"
    texts: Literal["dimensions", "words"] = "dimensions"
    text_dimensions: Annotated[int, Field(ge=1, le=512)] = 64
    longest: Annotated[int, Field(ge=1, le=100_000)] = 256
    most_words: Annotated[int, Field(ge=2, le=1_000_000)] = 20_000
    most_categories: Annotated[int, Field(ge=2, le=1_000_000)] = 5000
    sparse: bool = False

    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        blocks: list[Block] = []
        parts: list[PartBlock] = []
        numbers, times = table.of_kind("number"), table.of_kind("time")
        categories = table.of_kind("category", "language")
        if numbers:
            blocks.append(RobustNumbers(numbers))  # again after a step: missing values are filled here
        if categories:
            blocks.append(Categories(categories, most=self.most_categories))
        if times:
            blocks.append(Bounded(Times(times, cyclic=True)))
        for column in table.of_kind("text"):
            if self.texts == "words":
                parts.append(Words(column, longest=self.longest, most=self.most_words))
            else:
                blocks.append(ScaledText(column, dimensions=self.text_dimensions))
        for column in table.of_kind("image"):
            self._image(column, blocks, parts)
        return NetworkEncoder(blocks, parts)

    @abstractmethod
    def _image(self, column: str, blocks: list[Block], parts: list[PartBlock]) -> None:
        """Adds what is read of an image column."""

    def reads_lengths(self, table: Table) -> bool:
        return self.texts == "words" and bool(table.of_kind("text"))

    def token_limit(self, table: Table) -> int | None:
        return self.longest if self.reads_lengths(table) else None

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        codes = set(matrix.categorical)
        categories = []
        for place in matrix.categorical:
            known = np.nan_to_num(np.asarray(matrix.values[:, place], dtype=np.float64), nan=-1.0)
            size = int(known.max(initial=-1)) + 1
            categories.append([place, size, category_width(size)])
        texts = [(name, part) for name, part in matrix.parts.items() if isinstance(part, Ragged)]
        images = [(name, part) for name, part in matrix.parts.items() if isinstance(part, Pixels | SharedPixels)]
        return {
            "classes": classes,
            "numbers": [place for place in range(matrix.features) if place not in codes],
            "categories": categories,
            "texts": [[name, int(part.flat.max(initial=0)) + 1, 64] for name, part in texts],
            "images": [[name, part.channels] for name, part in images],
            "embedding": self.embedding,
            "embedding_width": 4,
            "bins": 16,
            "width": self.width,
            "depth": self.depth,
            "activation": self.activation,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "residual": self.residual,
            "initialization": self.initialization,
            "attention": False,
            "heads": 1,
            "sparse": self.sparse,
        }

    def measured(self, matrix: Matrix, weights: Floats | None, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        if plan["embedding"] == "piecewise" and plan["numbers"]:
            values = np.nan_to_num(np.asarray(matrix.values[:, plan["numbers"]], dtype=np.float64))
            count = np.ones(len(values)) if weights is None else weights
            shares = np.linspace(0, 1, plan["bins"] + 1)
            edges = np.quantile(values, shares, axis=0, weights=count, method="inverted_cdf")
            found["table.embedding.edges"] = edges.T
        for number, (name, _) in enumerate(plan["images"]):
            if name in plan.get("encoders", {}):
                continue  # it brings its own
            pixels = matrix.parts[name]
            assert isinstance(pixels, Pixels)
            mean, spread = seen_colours(pixels, weights)
            found[f"images.{number}.mean"], found[f"images.{number}.spread"] = mean, spread
        return found


def category_width(codes: int) -> int:
    """Width of the embedding of so many categories: 1.6 codes^0.56, 2 to 64 (the rule of the fastai library)."""
    return int(np.clip(round(1.6 * max(codes, 1) ** 0.56), 2, 64))


def seen_colours(pixels: Pixels, weights: Floats | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel over the readable pictures; 127.5 and 127.5 where there are none."""
    if not pixels.readable.any():
        return np.full(pixels.values.shape[3], 127.5), np.full(pixels.values.shape[3], 127.5)
    seen = pixels.values[pixels.readable]
    count = None if weights is None else weights[pixels.readable]
    mean = np.average(seen.mean(axis=(1, 2), dtype=np.float64), axis=0, weights=count)
    squares = [np.square(one, dtype=np.float64).mean(axis=(0, 1)) for one in seen]
    return mean, np.sqrt(np.maximum(np.average(squares, axis=0, weights=count) - mean**2, 1.0))
