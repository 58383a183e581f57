"""Chunking: a long text is read in overlapping windows, and what they say becomes one answer."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._texts import only_text_encoders
from melior.models._base import Model
from melior.models.text_encoder import TextEncoder
from melior.recipe import Recipe


class Chunking(Method):
    """Reads texts in windows that go through the encoder side by side, and pools them into one vector a text.

    A text that fits into a window is read as without it. The windows of a longer one are all full and evenly spread, so
    that the end of the text is read as the beginning is, and nothing is padding.

    window   tokens of a window, 8..100,000; auto (default, none): as many as the family reads without
    overlap  share of a window that its neighbour reads too, at least, 0..0.9, default 0.25
    windows  most windows of a text, 1..10,000, default 16; what is behind them is cut off
    pooling  mean of the windows (default), max: the largest of each number, for texts where one place tells, or
             attention: learned weights
    """

    treats: ClassVar[frozenset[str]] = frozenset({"truncated_text"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    questions: ClassVar[tuple[int, ...]] = (5,)
    reference: ClassVar[str] = (
        "https://arxiv.org/abs/1910.10781 (Pappagari et al., Hierarchical Transformers for Long Documents, 2019)"
    )
    order: ClassVar[int] = 53  # after transfer learning and dynamic lengths, which say what is read at once
    networks: ClassVar[bool] = True
    rivals: ClassVar[frozenset[str]] = frozenset({"sparse_attention"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"pooling": "max"})
    cost: ClassVar[float] = 3.0

    window: Annotated[int, Field(ge=8, le=100_000)] | None = None
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    windows: Annotated[int, Field(ge=1, le=10_000)] = 16
    pooling: Literal["mean", "max", "attention"] = "mean"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return only_text_encoders(model, table, self.model)

    def model(self, model: Model) -> Model:
        assert isinstance(model, TextEncoder)
        window = self.window or model.at_once()
        changes = {"window": window, "overlap": self.overlap, "windows": self.windows, "windows_pooling": self.pooling}
        return model.model_copy(update=changes)
