"""Sparse embedding: a vector for every category and word, of which a step of training changes only those it holds."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._networks import lacking
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.recipe import Recipe

OPTIMIZERS = ("adamw", "muon")  # of the network's other weights: those beside which rows can be stepped alone


class SparseEmbedding(Method):
    """Embeds columns of very many categories, and texts as bags of words, with sparse gradients.

    A step of training reads and changes the vectors of the categories and words in its rows; with dense gradients it
    writes all vectors each time, so that time and memory grow with the number of different values. Each vector has an
    Adam of its own, over the steps that hold it, and moves the further the fewer they are; weight decay is AdamW's.

    most_categories  2..1,000,000 values of a column that have a vector each, default 200,000; a column of more is
                     hashed
    bags             true (default): each text is the mean of its words' vectors, weighted as is learned; false: texts
                     stay as the family reads them
    most_words       2..1,000,000 words of a text column that have a vector each, default 200,000
    """

    treats: ClassVar[frozenset[str]] = frozenset({"sparse_features", "slow_training", "out_of_memory"})
    kinds: ClassVar[frozenset[str]] = frozenset({"category", "language", "text"})
    questions: ClassVar[tuple[int, ...]] = (7,)
    reference: ClassVar[str] = "Guo and Berkhahn, Entity Embeddings of Categorical Variables, 2016, arXiv:1604.06737"
    order: ClassVar[int] = 53
    networks: ClassVar[bool] = True
    rivals: ClassVar[frozenset[str]] = frozenset({"l1_penalty"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"bags": False})

    most_categories: Annotated[int, Field(ge=2, le=1_000_000)] = 200_000
    bags: bool = True
    most_words: Annotated[int, Field(ge=2, le=1_000_000)] = 200_000

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        reason = lacking(model, "sparse", "linear keeps categories and words as a sparse matrix as it is")
        if reason:
            return reason
        assert isinstance(model, NetworkModel)
        return self._untrainable(recipe, model) or self._nothing_to_embed(table, model)

    def _untrainable(self, recipe: Recipe, model: NetworkModel) -> str | None:
        """What would change every vector at every step."""
        if model.optimizer not in OPTIMIZERS:
            return f"{model.optimizer} changes every vector at every step; use {' or '.join(OPTIMIZERS)}"
        chosen = {choice.name: choice.settings for choice in recipe.methods}
        other = chosen["optimizer_choice"].get("optimizer", "muon") if "optimizer_choice" in chosen else "adamw"
        if other not in OPTIMIZERS:
            return f"optimizer_choice names {other}, which changes every vector at every step; muon can be used"
        if model.l1:
            return "an L1 penalty changes every vector at every step; set l1 to 0 and use l2_penalty"
        if getattr(model, "base", "") and getattr(model, "chosen", lambda: "")() == "frozen":
            return "it reads pictures by a frozen model and all else as linear does; linear keeps categories sparse"
        if model.average:
            return "a moving average of the weights changes every vector at every step; set average to 0"
        return None

    def _nothing_to_embed(self, table: Table, model: NetworkModel) -> str | None:
        if table.of_kind("category", "language"):
            return None
        if not table.of_kind("text"):
            return "there are no columns of categories or texts; numbers need no table of vectors"
        if self.bags or getattr(model, "texts", "") == "words":
            return None
        return "there are no columns of categories, and bags is false; with bags: true texts are bags of words"

    def model(self, model: Model) -> Model:
        changes: dict[str, Any] = {"sparse": True, "most_categories": self.most_categories}
        if self.bags:
            changes |= {"texts": "words", "most_words": self.most_words}
        return model.model_copy(update=changes)
