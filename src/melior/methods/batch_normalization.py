"""Batch normalization: what every layer passes on has one size, so that training goes through many layers."""

from typing import Any, ClassVar, Literal

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.recipe import Recipe


class BatchNormalization(Method):
    """Normalises after each layer of a network that the recipe builds.

    kind  batch (default: each feature over the rows of a step), layer (each row over its features) or rms (the same
          without a mean)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"exploding_gradients", "high_dimension", "vanishing_gradients"})
    questions: ClassVar[tuple[int, ...]] = (14, 15)
    reference: ClassVar[str] = "Ioffe and Szegedy, Batch Normalization, ICML 2015"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "layer"}, {"kind": "rms"})

    kind: Literal["batch", "layer", "rms"] = "batch"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "normalization", "normalization scales the columns of any family")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"normalization": self.kind})
