"""Feature attention: a network that looks, row by row, at the features that matter for this row."""

from typing import Annotated, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.recipe import Recipe


class FeatureAttention(Method):
    """Makes every feature a token, and lets the answer attend over them.

    width  units of a token, 8..1,024, default 64
    """

    treats: ClassVar[frozenset[str]] = frozenset({"high_dimension"})
    questions: ClassVar[tuple[int, ...]] = (14,)
    reference: ClassVar[str] = "Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021"
    order: ClassVar[int] = 51
    networks: ClassVar[bool] = True
    cost: ClassVar[float] = 5.0

    width: Annotated[int, Field(ge=8, le=1024)] = 64

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "attention", "feature attention is for tabular_network; l1_selection drops features")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"attention": True, "width": self.width})
