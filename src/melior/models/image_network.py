"""Networks over images: a small residual one from scratch, or a pretrained one; other columns join before the end."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Table
from melior.features._base import Encoder, Matrix
from melior.features.blocks import Block, Blocks
from melior.features.network import PartBlock, Pictures
from melior.models._fusion import FusionModel
from melior.models._network import SHRINK, TUNINGS, Activation, Normalization
from melior.models._pictures import FrozenPictures, base_fault, base_plan, pictures_part
from melior.models._pretrained import PretrainedNetwork
from melior.models.linear import Linear

PASSES = {"frozen": 1, "full": 8, "last_k": 12, "lora": 12}
LEAST_STEPS, MOST_PASSES = 200, 40  # on few rows
LEAST = 1e-6


class ImageNetwork(FusionModel, PretrainedNetwork):
    """Network over the pictures of an image column, residual from scratch or pretrained; other columns beside it.

    He et al., Deep Residual Learning for Image Recognition, CVPR 2016. From scratch pictures are 32 by 32 pixels, grey
    or colour; a pretrained model gets them as its preprocessor_config.json says.

    base            a pretrained model: the folder or name of a transformers model of pictures, a file of weights with
                    its config.json beside it, or a run of image_network; empty: from scratch. Its last layer begins as
                    a logistic regression on what comes into it
    tuning          what is trained of a pretrained model: frozen (features once, a logistic regression on them and the
                    other columns), last_k, lora, full; auto: full on a GPU, frozen without
    layers          how many of the last layers last_k trains (stages, in a model of stages), 1..1,000
    rank, alpha     of the LoRA, 1..4,096 and > 0
    image_channels  from scratch: of the first stage, 4..512; the second has twice, the third four times as many
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
    most_words      of a text column, where texts are words, 2..1,000,000
    most_categories   a column of more is hashed, 2..1,000,000
    sparse          embeddings of categories and words have sparse gradients: a step changes the vectors of its rows
    """

    rates: ClassVar[Mapping[str, float]] = {"full": 1e-4, "last_k": 3e-4, "lora": 1e-3}
    on_gpu: ClassVar[str] = "full"
    probes: ClassVar[bool] = True
    cost: ClassVar[int] = 6
    usual_rate: ClassVar[float] = 5e-3
    usual_decay: ClassVar[float] = 0.05
    files: ClassVar[tuple[str, ...]] = ("base",)

    base: str = ""
    weight_decay: Annotated[float, Field(ge=0, le=10_000)] = 0.05
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    width: Annotated[int, Field(ge=1, le=8192)] = 128
    depth: Annotated[int, Field(ge=0, le=64)] = 0
    activation: Activation = "relu"
    image_channels: Annotated[int, Field(ge=4, le=512)] = 16
    image_depth: Annotated[int, Field(ge=1, le=32)] = 2
    image_stride: Annotated[int, Field(ge=1, le=4)] = 2
    image_normalization: Normalization = "batch"

    def pretrained_source(self) -> str:
        return self.base

    def transferred(self, source: str, trained: str, layers: int) -> Self:
        return self.model_copy(update={"base": source or self.base, "tuning": TUNINGS[trained], "layers": layers})

    def unsuitable(self, table: Table) -> str | None:
        if not table.of_kind("image"):
            return f"{self.name} reads image columns and the table has none"
        reason = super().unsuitable(table)
        if reason is not None or not self.base:
            return reason
        return base_fault(self.base, **self.tuned())

    def reads_lengths(self, table: Table) -> bool:
        return self.chosen() != "frozen" and super().reads_lengths(table)

    def reads_pixels(self) -> bool:
        return self.chosen() != "frozen"

    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        if not self.base or self.chosen() != "frozen":
            return super().encoder(table, scaled=scaled)
        images = table.of_kind("image")
        beside = Linear().encoder(table.without_columns(images), scaled=scaled)
        assert isinstance(beside, Blocks)
        return Blocks([*beside.blocks, *(FrozenPictures(column, base=self.base) for column in images)])

    def _image(self, column: str, blocks: list[Block], parts: list[PartBlock]) -> None:
        parts.append(pictures_part(column, base_plan(self.base, **self.tuned())) if self.base else Pictures(column))

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        plan = {
            **super().plan(matrix, classes),
            "image_channels": self.image_channels,
            "image_depth": self.image_depth,
            "image_stride": self.image_stride,
            "image_normalization": self.image_normalization,
        }
        if self.base:
            encoder = base_plan(self.base, **self.tuned())
            plan["encoders"] = {name: encoder for name, _ in plan["images"]}
        return plan

    def begun(self, matrix: Matrix, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        if not self.base:
            return {}
        from melior.networks.vision import pretrained_weights

        return {
            f"images.{number}.{key}": value
            for number, (name, _) in enumerate(plan["images"])
            for key, value in pretrained_weights(self.base, plan["encoders"][name]).items()
        }

    def on_features(self) -> Linear:
        """A logistic regression, with the penalties of this family."""
        linear = Linear().penalized(l2=max(self.weight_decay / self.usual_decay, LEAST))
        return linear.penalized(l1=self.l1 / SHRINK) if self.l1 else linear

    def usual_epochs(self, rows: int) -> int:
        if self.base:
            steps = LEAST_STEPS * (self.batch_rows or self.usual_batch(rows)) // max(rows, 1)
            return max(PASSES[self.chosen()], min(steps, MOST_PASSES))
        return max(8, min(30, 60_000 // max(rows, 1)))

    def usual_batch(self, rows: int) -> int:
        return 32 if rows > 500 else 16

    def row_seconds(self, table: Table) -> float:
        # 0.55 ms where 16 channels begin at stride 2, as measured; products grow with the square of both
        return 5.5e-4 * self.image_depth * (self.image_channels / 16) ** 2 * (2 / self.image_stride) ** 2
