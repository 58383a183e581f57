"""Dynamic lengths: rows of like length are trained on together, so that little time goes into padding."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.recipe import Recipe


class DynamicLengths(Method):
    """Batches by length, and texts read as far as they need to be.

    longest  tokens of a text that are read, 1..100,000; auto (default, none): as many as the family reads
    """

    treats: ClassVar[frozenset[str]] = frozenset({"slow_training", "truncated_text"})
    questions: ClassVar[tuple[int, ...]] = (5,)
    reference: ClassVar[str] = "https://arxiv.org/abs/1708.05604 (Khomenko et al., sequence bucketing, 2016)"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)

    longest: Annotated[int, Field(ge=1, le=100_000)] | None = None

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not isinstance(model, NetworkModel) or not model.reads_lengths(table):
            return f"{model.name} reads rows of one length only, so there is no padding to save; it is for text_encoder"
        if self.longest is not None and "longest" not in type(model).model_fields:
            return f"{model.name} has no setting for the tokens that it reads; leave longest out"
        return None

    def model(self, model: Model) -> Model:
        update: dict[str, Any] = {"by_length": True}
        if self.longest is not None:
            update["longest"] = self.longest
        return model.model_copy(update=update)
