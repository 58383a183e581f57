"""Attention pooling: the model learns which tokens of a text count, and can show it."""

from typing import Any, ClassVar

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._texts import only_text_encoders
from melior.models._base import Model
from melior.models.text_encoder import TextEncoder
from melior.recipe import Recipe


class AttentionPooling(Method):
    """Sums the states of a text's tokens by learned weights instead of taking their mean; with chunking, its windows
    too. A weight is softmax(v . tanh(W h + b)) over the tokens of the text; `predictor.token_weights(rows)` gives them.

    A frozen encoder has to go over the texts in every epoch then: its features cannot be kept.
    """

    treats: ClassVar[frozenset[str]] = frozenset({"truncated_text"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    questions: ClassVar[tuple[int, ...]] = (5,)
    reference: ClassVar[str] = (
        "https://arxiv.org/abs/1703.03130 (Lin et al., A Structured Self-attentive Sentence Embedding, ICLR 2017)"
    )
    order: ClassVar[int] = 55  # after chunking, so that it sees whether there are windows
    networks: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    cost: ClassVar[float] = 2.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return only_text_encoders(model, table, self.model)

    def model(self, model: Model) -> Model:
        assert isinstance(model, TextEncoder)
        changes = {"pooling": "attention", **({} if model.window is None else {"windows_pooling": "attention"})}
        return model.model_copy(update=changes)
