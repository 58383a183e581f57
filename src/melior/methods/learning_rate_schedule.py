"""Learning rate schedule: large steps while there is far to go, small ones at the end."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.models._network import Schedule
from melior.recipe import Recipe


class LearningRateSchedule(Method):
    """Sets how the learning rate goes over the training.

    schedule  constant, linear, cosine, exponential, one_cycle (default), warmup_stable_decay or plateau (cut where rows
              put aside no longer improve; puts 15 % of the rows aside for it where early_stopping does not)
    warmup    share of the steps over which it rises first, 0..0.9, default 0.1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"slow_training", "untuned"})
    questions: ClassVar[tuple[int, ...]] = (16,)
    reference: ClassVar[str] = "Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks, 2018"
    order: ClassVar[int] = 53
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"schedule": "linear"}, {"schedule": "warmup_stable_decay"})

    schedule: Schedule = "one_cycle"
    warmup: Annotated[float, Field(ge=0, le=0.9)] = 0.1

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "schedule", "it is fitted to the end, without a learning rate that could change")

    def model(self, model: Model) -> Model:
        update: dict[str, Any] = {"schedule": self.schedule, "warmup": self.warmup}
        if self.schedule == "plateau" and getattr(model, "stop_share", 0.0) == 0:
            update["stop_share"] = 0.15
        return model.model_copy(update=update)
