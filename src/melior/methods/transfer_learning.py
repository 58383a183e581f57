"""Transfer learning: a network that has learnt from much other data begins where that left off."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.recipe import Recipe


class TransferLearning(Method):
    """Begins with a pretrained model and trains none, some or all of it.

    source   the folder of the pretrained model; empty (default): the one that the recipe's model names
    trained  none (its features are used as they are, default), last (the last `layers` layers) or all
    layers   how many are trained, where trained is last, 1..1000, default 2
    """

    treats: ClassVar[frozenset[str]] = frozenset({"small_data"})
    questions: ClassVar[tuple[int, ...]] = (10, 23)
    reference: ClassVar[str] = "Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018"
    order: ClassVar[int] = 49
    networks: ClassVar[bool] = True
    needs: ClassVar[str] = "a pretrained model, which does not come with the package"
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"trained": "last"}, {"trained": "all"})
    files: ClassVar[tuple[str, ...]] = ("source",)

    source: Annotated[str, Field(max_length=4096)] = ""
    trained: Literal["none", "last", "all"] = "none"
    layers: Annotated[int, Field(ge=1, le=1000)] = 2

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "transfer_learning" not in model.can:
            return f"{model.name} has no pretrained form; text_encoder and image_network begin with a pretrained model"
        assert isinstance(model, NetworkModel)
        if not self.source and not model.pretrained_source():
            return "no pretrained model is named; give its folder as source"
        return None

    def model(self, model: Model) -> Model:
        assert isinstance(model, NetworkModel)
        return model.transferred(self.source, self.trained, self.layers)
