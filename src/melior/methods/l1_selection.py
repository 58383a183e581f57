"""L1 selection: features that a fit with a price on every weight does without are dropped for any family."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import MatrixStep
from melior.features.selection import L1Features
from melior.methods._base import Method
from melior.methods._features import no_features
from melior.models._base import Model
from melior.recipe import Recipe


class L1Selection(Method):
    """Keeps the features that L1 logistic fits keep, of any class against the rest; never none.

    strength  0.001..1 of the penalty that would keep nothing, or none (default): the strongest for which an ordinary
              fit on what it keeps is within one standard error of the best inner cross-validated log loss
    level     0.001..0.9, share of false discoveries allowed in the F tests that come first, default 0.2
    many      10..1000000 features; with more, the F tests come first, default 1000
    """

    treats: ClassVar[frozenset[str]] = frozenset({"high_dimension", "sparse_features", "overfitting"})
    first_for: ClassVar[frozenset[str]] = frozenset({"high_dimension"})
    begins_for: ClassVar[frozenset[str]] = frozenset({"high_dimension"})
    questions: ClassVar[tuple[int, ...]] = (7, 14, 18, 26)
    reference: ClassVar[str] = "Ng, Feature Selection, L1 vs. L2 Regularization, and Rotational Invariance, ICML 2004"
    order: ClassVar[int] = 71
    rivals: ClassVar[frozenset[str]] = frozenset({"dimension_reduction"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"strength": 0.1}, {"strength": 0.4})
    cost: ClassVar[float] = 8.0

    strength: Annotated[float, Field(ge=0.001, le=1)] | None = None
    level: Annotated[float, Field(ge=0.001, le=0.9)] = 0.2
    many: Annotated[int, Field(ge=10, le=1_000_000)] = 1000

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return no_features(model, table, "select from")

    def columns(self) -> MatrixStep:
        return L1Features(self.strength, self.level, self.many)
