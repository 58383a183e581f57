"""Optimizer choice: which rule turns gradients into steps."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.models._network import NetworkModel, Optimizer
from melior.recipe import Recipe

SUITS: dict[Optimizer, float] = {"sgd": 30, "adam": 1, "adamw": 1, "rmsprop": 0.3, "adafactor": 3, "muon": 10}
COUPLED = 0.001


class OptimizerChoice(Method):
    """Trains with another optimiser.

    optimizer  sgd (with momentum), adam, adamw, rmsprop, adafactor (little memory) or muon (default: orthogonal steps
               for matrices, adamw for the rest)
    factor     times the learning rate of the family, which is meant for adamw, 0.001..1000; auto (default, none): what
               suits the optimiser, 30 for sgd, 1 for adam and adamw, 0.3 for rmsprop, 3 for adafactor, 10 for muon
    """

    treats: ClassVar[frozenset[str]] = frozenset({"slow_training", "untuned"})
    questions: ClassVar[tuple[int, ...]] = (16,)
    reference: ClassVar[str] = "Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024"
    order: ClassVar[int] = 54
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"optimizer": "sgd"}, {"optimizer": "rmsprop"})

    optimizer: Optimizer = "muon"
    factor: Annotated[float, Field(ge=0.001, le=1000)] | None = None

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "optimizer", "it has a solver of its own")

    def model(self, model: Model) -> Model:
        assert isinstance(model, NetworkModel)
        factor = SUITS[self.optimizer] if self.factor is None else self.factor
        rate = "found" if model.learning_rate == "found" else model.rate() * factor
        # a step of adamw shrinks weights by rate times decay, which stays as it was; where the decay is part of the
        # gradient it counts beside the slope of the loss, and a thousandth is the usual amount
        decay = model.weight_decay * (COUPLED if self.optimizer in ("sgd", "adam", "rmsprop") else 1 / factor)
        return model.model_copy(update={"optimizer": self.optimizer, "learning_rate": rate, "weight_decay": decay})
