"""L1 penalty: every weight costs its size, so that those which earn less than they cost become zero."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe


class L1Penalty(Method):
    """Sets how much the absolute size of the family's weights costs.

    strength  0.001..1000 times the family's usual amount, default 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "high_dimension", "sparse_features"})
    questions: ClassVar[tuple[int, ...]] = (1, 13)
    reference: ClassVar[str] = "Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996"
    order: ClassVar[int] = 50
    rivals: ClassVar[frozenset[str]] = frozenset({"sparse_embedding"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"strength": 5.0}, {"strength": 0.3})

    strength: Annotated[float, Field(ge=0.001, le=1000)] = 1.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.name in model.can:
            return None
        return f"{model.name} has no L1 penalty; l1_selection drops features for any family"

    def model(self, model: Model) -> Model:
        return model.penalized(l1=self.strength)
