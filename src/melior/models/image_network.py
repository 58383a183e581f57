"""A small residual network over images, from scratch; other columns of the table join before the answer."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import Matrix
from melior.features.blocks import Block
from melior.features.network import PartBlock, Pictures
from melior.models._fusion import FusionModel
from melior.models._network import Activation, Normalization


class ImageNetwork(FusionModel):
    """Residual network over the pictures of an image column, trained from scratch; other columns beside it.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016. Pictures are 32 by 32 pixels, grey or colour.

    image_channels  of the first stage, 4..512; the second has twice, the third four times as many
    image_depth     residual blocks of each of the three stages, 1..32
    image_stride    of the first convolution: 1 looks at every pixel, 2 at every other and is four times as fast
    image_normalization  after each convolution: batch, layer (by groups of channels), rms (the same) or none
    width           units of a layer after the pictures, 1..8,192
    depth           such layers, 0..64
    activation      relu, leaky_relu, gelu, silu, tanh or sigmoid
    normalization   after each such layer: none, batch, layer or rms
    dropout         share of units left out of a training step there, 0..0.9
    residual        each such layer adds to what came in
    initialization  first weights: he, xavier or orthogonal
    embedding       of numbers: none, periodic or piecewise (linear between quantiles)
    texts           dimensions (fitted, few) or words (embeddings under attention, trained with the rest)
    text_dimensions   of each text column, 1..512
    longest         words read of a text, where texts are words, 1..100,000
    most_categories   a column of more is hashed, 2..1,000,000
    """

    cost: ClassVar[int] = 6
    usual_rate: ClassVar[float] = 5e-3
    usual_decay: ClassVar[float] = 0.05

    weight_decay: Annotated[float, Field(ge=0, le=10_000)] = 0.05
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    width: Annotated[int, Field(ge=1, le=8192)] = 128
    depth: Annotated[int, Field(ge=0, le=64)] = 0
    activation: Activation = "relu"
    image_channels: Annotated[int, Field(ge=4, le=512)] = 16
    image_depth: Annotated[int, Field(ge=1, le=32)] = 2
    image_stride: Annotated[int, Field(ge=1, le=4)] = 2
    image_normalization: Normalization = "batch"

    def unsuitable(self, table: Table) -> str | None:
        if not table.of_kind("image"):
            return f"{self.name} reads image columns and the table has none"
        return super().unsuitable(table)

    def _image(self, column: str, blocks: list[Block], parts: list[PartBlock]) -> None:
        parts.append(Pictures(column))

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        return {
            **super().plan(matrix, classes),
            "image_channels": self.image_channels,
            "image_depth": self.image_depth,
            "image_stride": self.image_stride,
            "image_normalization": self.image_normalization,
        }

    def usual_epochs(self, rows: int) -> int:
        return max(8, min(30, 60_000 // max(rows, 1)))

    def usual_batch(self, rows: int) -> int:
        return 32 if rows > 500 else 16

    def row_seconds(self, table: Table) -> float:
        # 0.55 ms where 16 channels begin at stride 2, as measured; products grow with the square of both
        return 5.5e-4 * self.image_depth * (self.image_channels / 16) ** 2 * (2 / self.image_stride) ** 2
