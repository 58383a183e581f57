"""A network over numbers, categories, times, texts and images; a variant attends over the features."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import Matrix
from melior.features.blocks import Block
from melior.features.images import ImageDimensions
from melior.features.network import PartBlock
from melior.models._fusion import FusionModel
from melior.models._pictures import EncodedDimensions, base_fault


class TabularNetwork(FusionModel):
    """Network over all columns: numbers scaled and embedded, categories embedded, texts and images beside them.

    Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data, NeurIPS 2024;
    with attention: Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021.

    width           units of a layer, 1..8,192
    depth           layers, 0..64; 0 is a linear model over the columns' vectors
    activation      relu, leaky_relu, gelu, silu, tanh or sigmoid
    normalization   after each layer: none, batch, layer or rms
    dropout         share of units left out of a training step, 0..0.9
    residual        each layer adds to what came in
    initialization  first weights: he, xavier or orthogonal
    embedding       of numbers: none, periodic or piecewise (linear between quantiles)
    attention       attends over the features, each a token, instead of layers over their vectors
    texts           dimensions (fitted, few) or words (embeddings under attention, trained with the rest)
    text_dimensions   of each text column, 1..512
    image_base      a pretrained model that reads images, frozen: a folder, a name or a file of weights, as the base of
                    image_network; empty: what pictures show is described without one
    image_dimensions  of each image column, 1..728
    longest         words read of a text, where texts are words, 1..100,000
    most_words      of a text column, where texts are words, 2..1,000,000
    most_categories   a column of more is hashed, 2..1,000,000
    sparse          embeddings of categories and words have sparse gradients: a step changes the vectors of its rows
    """

    cost: ClassVar[int] = 5
    files: ClassVar[tuple[str, ...]] = ("image_base",)

    attention: bool = False
    image_base: str = ""
    image_dimensions: Annotated[int, Field(ge=1, le=728)] = 100

    def unsuitable(self, table: Table) -> str | None:
        reason = super().unsuitable(table)
        if reason is None and self.image_base and table.of_kind("image"):
            return base_fault(self.image_base, tuning="frozen")
        return reason

    def _image(self, column: str, blocks: list[Block], parts: list[PartBlock]) -> None:
        if self.image_base:
            blocks.append(EncodedDimensions(column, base=self.image_base, dimensions=self.image_dimensions))
        else:
            blocks.append(ImageDimensions(column, dimensions=self.image_dimensions))

    def row_seconds(self, table: Table) -> float:
        if not self.attention:
            return super().row_seconds(table)
        tokens = len(table.features()) + self.text_dimensions * len(table.of_kind("text"))
        return 1e-5 * self.depth * max(tokens, 10)

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        plan = super().plan(matrix, classes)
        if not self.attention:
            return plan
        heads = 8 if self.width >= 64 else 2
        return {**plan, "attention": True, "heads": heads, "width": -(-self.width // heads) * heads}
