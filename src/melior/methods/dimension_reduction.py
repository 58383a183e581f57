"""Dimension reduction: many features that say nearly the same become a few directions that vary most."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import MatrixStep
from melior.features.reduction import Projection
from melior.methods._base import Method
from melior.methods._features import no_features
from melior.models._base import Model
from melior.recipe import Recipe


class DimensionReduction(Method):
    """Principal components of dense features, truncated singular vectors of sparse ones.

    dimensions  1..10000 directions to keep, or none (default): as many as explain `share`, of sparse features at
                most 100
    share       0.1..1 of the variance to explain where `dimensions` is none, default 0.9
    """

    treats: ClassVar[frozenset[str]] = frozenset({"high_dimension", "sparse_features"})
    questions: ClassVar[tuple[int, ...]] = (14,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Hotelling, Analysis of a Complex of Statistical Variables, J. Educ. Psychology 1933"
    order: ClassVar[int] = 70
    rivals: ClassVar[frozenset[str]] = frozenset({"l1_selection", "sparse_coding", "feature_weights"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"dimensions": 10}, {"dimensions": 50})
    cost: ClassVar[float] = 1.5

    dimensions: Annotated[int, Field(ge=1, le=10_000)] | None = None
    share: Annotated[float, Field(ge=0.1, le=1)] = 0.9

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return no_features(model, table, "reduce", codes=False)

    def columns(self) -> MatrixStep:
        return Projection(self.dimensions, self.share)
