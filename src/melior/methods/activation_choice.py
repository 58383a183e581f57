"""Activation choice: units that neither die nor saturate let gradients through."""

from typing import Any, ClassVar

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.models._network import Activation
from melior.recipe import Recipe


class ActivationChoice(Method):
    """Builds the network with another activation.

    activation  relu, leaky_relu (never dead), gelu (default), silu, tanh or sigmoid
    """

    treats: ClassVar[frozenset[str]] = frozenset({"exploding_gradients", "vanishing_gradients"})
    questions: ClassVar[tuple[int, ...]] = (15,)
    reference: ClassVar[str] = "Hendrycks and Gimpel, Gaussian Error Linear Units, 2016"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"activation": "leaky_relu"}, {"activation": "tanh"})

    activation: Activation = "gelu"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "activation", "transfer_learning begins with layers that work already")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"activation": self.activation})
