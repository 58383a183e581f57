"""Mixed precision: products in a short type, which hardware with matrix units does several times as fast."""

from typing import Any, ClassVar, Literal

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model, have_gpu
from melior.recipe import Recipe


class MixedPrecision(Method):
    """Computes products in bfloat16 or float16, keeps weights and sums in float32; float16 with a scaled loss.

    precision  auto (default: what the hardware does fast; float32 where that is nothing shorter), bfloat16 or float16
    """

    treats: ClassVar[frozenset[str]] = frozenset({"slow_training", "out_of_memory"})
    questions: ClassVar[tuple[int, ...]] = (3, 16)
    reference: ClassVar[str] = "Micikevicius et al., Mixed Precision Training, ICLR 2018"
    order: ClassVar[int] = 52
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)

    precision: Literal["auto", "bfloat16", "float16"] = "auto"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        reason = lacking(model, "precision", "its fitting has one precision")
        if reason is None and self.precision == "float16" and not have_gpu():
            reason = "float16 is for GPUs and there is none; precision: auto takes what is fast here"
        return reason

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"precision": self.precision})
