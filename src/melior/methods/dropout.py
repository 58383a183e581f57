"""Dropout: a share of the units is left out of each training step, so that none can lean on a few others."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.recipe import Recipe


class Dropout(Method):
    """Sets the share of units that are left out, in networks that are built and in pretrained ones.

    rate  0..0.9, default 0.3
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting"})
    questions: ClassVar[tuple[int, ...]] = (1,)
    reference: ClassVar[str] = (
        "Srivastava et al., Dropout: A Simple Way to Prevent Networks from Overfitting, JMLR 2014"
    )
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"rate": 0.5}, {"rate": 0.0})

    rate: Annotated[float, Field(ge=0, le=0.9)] = 0.3

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "dropout", "l2_penalty holds any family back")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"dropout": self.rate})
