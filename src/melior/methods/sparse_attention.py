"""Sparse attention: a token attends to its neighbours and to the first tokens, so that long texts can be paid for."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._texts import only_text_encoders
from melior.models._base import Model
from melior.models.text_encoder import TextEncoder
from melior.recipe import Recipe


class SparseAttention(Method):
    """Attention of a sliding window and the first tokens, and texts read to a length that full attention could not pay.

    An encoder from scratch attends so in all its layers. So does a pretrained one, with the weights that it has, if its
    attention can be set: BERT, RoBERTa, DistilBERT, ELECTRA, ALBERT and their kin; MPNet, DeBERTa and causal models are
    refused. Learned positions are repeated where it is to read more than it was trained on.

    window   tokens that a token attends to, half of them on each side, 2..100,000, default 256
    first    tokens at the beginning that attend to all and that all attend to, 1..1,000, default 1
    longest  tokens of a text that are read, 4..100,000, default 4096
    """

    treats: ClassVar[frozenset[str]] = frozenset({"truncated_text", "slow_training"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    questions: ClassVar[tuple[int, ...]] = (5,)
    reference: ClassVar[str] = "https://arxiv.org/abs/2004.05150 (Beltagy et al., Longformer, 2020)"
    order: ClassVar[int] = 54
    networks: ClassVar[bool] = True
    rivals: ClassVar[frozenset[str]] = frozenset({"chunking"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    cost: ClassVar[float] = 4.0

    window: Annotated[int, Field(ge=2, le=100_000)] = 256
    first: Annotated[int, Field(ge=1, le=1000)] = 1
    longest: Annotated[int, Field(ge=4, le=100_000)] = 4096

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return only_text_encoders(model, table, self.model) or self._read_otherwise(recipe)

    def _read_otherwise(self, recipe: Recipe) -> str | None:
        """Why it reads another number of tokens than the recipe says elsewhere, or None."""
        for choice in recipe.methods:
            other = choice.settings.get("longest") if choice.name == "dynamic_lengths" else None
            if other is not None and other != self.longest:
                return (
                    f"it reads {self.longest} tokens of a text and dynamic_lengths {other}; say longest in one of them"
                )
        return None

    def model(self, model: Model) -> Model:
        assert isinstance(model, TextEncoder)
        changes = {"attention_window": self.window, "first_tokens": self.first, "longest": self.longest}
        return model.model_copy(update=changes)
