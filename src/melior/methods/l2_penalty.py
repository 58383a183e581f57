"""L2 penalty: large weights cost, so that the fit leans on many features a little rather than on few by chance."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe


class L2Penalty(Method):
    """Sets how much the family's squared weights cost: C of linear models, lambda of trees.

    strength  0.001..1000 times the family's usual amount, default 3; below 1 loosens
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "high_dimension", "scale_mismatch"})
    questions: ClassVar[tuple[int, ...]] = (1, 13)
    reference: ClassVar[str] = "Hoerl and Kennard, Ridge Regression, Technometrics 1970"
    order: ClassVar[int] = 50
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"strength": 10.0}, {"strength": 0.3})

    strength: Annotated[float, Field(ge=0.001, le=1000)] = 3.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return None if self.name in model.can else f"{model.name} has no L2 penalty; early_stopping or bagging may help"

    def model(self, model: Model) -> Model:
        return model.penalized(l2=self.strength)
