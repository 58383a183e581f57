"""Normalization: number columns brought to one scale, or to one shape, by what the training rows show."""

from typing import Any, ClassVar

from melior.data.table import Table
from melior.features._base import TableStep
from melior.features.scaling import NumberScale, Scale
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe


class Normalization(Method):
    """Scales every number column; what is missing stays missing.

    kind  power (default): Yeo-Johnson at the likeliest exponent, then mean 0 and deviation 1, against skew;
          quantile: the normal quantile of the rank, against skew and outliers;
          robust: median and interquartile range; standard: mean and deviation; min_max: to 0..1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"feature_skew", "scale_mismatch", "outliers"})
    questions: ClassVar[tuple[int, ...]] = (13,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Yeo and Johnson, A New Family of Power Transformations, Biometrika 2000"
    order: ClassVar[int] = 22
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "quantile"}, {"kind": "robust"})

    kind: Scale = "power"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return None if table.of_kind("number") else "there are no number columns; texts and categories need no scale"

    def columns(self) -> TableStep:
        return NumberScale(self.kind)
