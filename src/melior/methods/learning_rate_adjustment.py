"""Learning rate adjustment: the rate that a range test finds, or a multiple of the usual, with a warm-up and cuts."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.recipe import Recipe

PUT_ASIDE = 0.15  # of the rows, to see whether they still improve
SPIKE = 2.0  # times the mean of the losses before


class LearningRateAdjustment(Method):
    """Sets the largest learning rate, how it begins and what lowers it; learning_rate_schedule says how it goes on.

    factor  the rate is this times the family's, 0.001..1000; auto (default, none): found by a range test on the
            training rows, in which the rate rises step by step until the loss does
    warmup  share of the steps over which it rises first, 0..0.9, default 0.1
    cut     none (default), plateau: halved where rows put aside no longer improve, in place of the family's schedule
            (puts 15 % of the rows aside for it where early_stopping does not), or spike: halved where the loss of a
            step is more than twice the mean of the steps before
    """

    treats: ClassVar[frozenset[str]] = frozenset({"exploding_gradients", "untuned", "vanishing_gradients"})
    questions: ClassVar[tuple[int, ...]] = (15,)
    reference: ClassVar[str] = "Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"factor": 0.3}, {"factor": 3.0})

    factor: Annotated[float, Field(ge=0.001, le=1000)] | None = None
    warmup: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    cut: Literal["none", "plateau", "spike"] = "none"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not model.is_network:
            return f"{model.name} does not train in steps whose rate could be adjusted; l2_penalty suits it"
        return None

    def model(self, model: Model) -> Model:
        assert isinstance(model, NetworkModel)
        update: dict[str, Any] = {"warmup": self.warmup, "learning_rate": "found"}
        if self.factor is not None:
            update["learning_rate"] = model.rate() * self.factor
        if self.cut == "plateau":
            update["schedule"] = "plateau"
            if model.stop_share == 0:
                update["stop_share"] = PUT_ASIDE
        if self.cut == "spike":
            update["spike"] = SPIKE
        return model.model_copy(update=update)
