"""Early stopping: training ends when rows put aside no longer improve, before the fit turns to noise."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe


class EarlyStopping(Method):
    """Stops the family's rounds on a part of the training rows and keeps the best round.

    share     0.05..0.5 of the training rows that are put aside for this, default 0.15
    patience  1..500 rounds without improvement before it stops, default 20
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "label_noise"})
    questions: ClassVar[tuple[int, ...]] = (1,)
    reference: ClassVar[str] = "Prechelt, Early Stopping - But When?, Neural Networks: Tricks of the Trade 1998"
    order: ClassVar[int] = 51
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"share": 0.25, "patience": 10})

    share: Annotated[float, Field(ge=0.05, le=0.5)] = 0.15
    patience: Annotated[int, Field(ge=1, le=500)] = 20

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.name not in model.can:
            return f"{model.name} does not train in rounds; l2_penalty holds it back"
        least = min((count for count in table.target_counts().values() if count), default=0)
        if least * self.share < 1:
            return f"the rarest class has {least} rows, too few to put a part aside; l2_penalty needs none"
        return None

    def model(self, model: Model) -> Model:
        return model.early_stopped(self.share, self.patience)
