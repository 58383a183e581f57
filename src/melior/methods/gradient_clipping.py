"""Gradient clipping: a step far too long is shortened, so that one odd batch cannot undo what was learnt."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.recipe import Recipe


class GradientClipping(Method):
    """Shortens gradients before each step; over all weights together, whatever devices they lie on.

    norm   gradients longer than this are scaled down to it, 0..1000, default 0.5; 0 leaves them
    value  each entry is cut to -value..value first, 0..1000, default 0: not
    """

    treats: ClassVar[frozenset[str]] = frozenset({"exploding_gradients"})
    questions: ClassVar[tuple[int, ...]] = (15,)
    reference: ClassVar[str] = "Pascanu et al., On the Difficulty of Training Recurrent Neural Networks, ICML 2013"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"norm": 0.1}, {"norm": 0.0, "value": 0.1})

    norm: Annotated[float, Field(ge=0, le=1000)] = 0.5
    value: Annotated[float, Field(ge=0, le=1000)] = 0.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return lacking(model, "clip_norm", "its fit takes no gradient steps that could explode")

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"clip_norm": self.norm, "clip_value": self.value})
