"""Weight initialization: first weights of the right size, so that signals neither fade nor grow from layer to layer."""

from typing import Any, ClassVar

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.models._network import Initialization
from melior.recipe import Recipe


class WeightInitialization(Method):
    """Draws the first weights of all layers that are not pretrained in another way; each keeps the variance of signals.

    kind  he (by what comes in), xavier (by what comes in and goes out) or orthogonal (default)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"exploding_gradients", "vanishing_gradients"})
    questions: ClassVar[tuple[int, ...]] = (15,)
    reference: ClassVar[str] = "Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning, ICLR 2014"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "xavier"})

    kind: Initialization = "orthogonal"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "initialization", "transfer_learning begins with weights that are learnt already")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"initialization": self.kind})
