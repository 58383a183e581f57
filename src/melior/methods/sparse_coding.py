"""Sparse coding: every row as a short sum of learnt patterns, or by patterns that have few features each."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import MatrixStep
from melior.features.coding import Kind
from melior.features.coding import SparseCoding as Step
from melior.methods._base import Method
from melior.methods._features import no_features
from melior.models._base import Model
from melior.recipe import Recipe


class SparseCoding(Method):
    """Features become codes in patterns that are learnt from the training rows, without their answers.

    kind     dictionary (default): the codes of a row are mostly 0, by dictionary learning; sparse_pca: patterns of few
             features, by sparse principal component analysis
    atoms    1..1000 patterns, or none (default): 64, a quarter of the rows at most
    penalty  0.001..1 on the codes (dictionary) or patterns (sparse_pca), for rows of length 1 on average, default 0.1;
             more makes more of them 0
    beside   true: codes stand beside the features; false (default): in their place
    """

    treats: ClassVar[frozenset[str]] = frozenset({"high_dimension", "sparse_features"})
    questions: ClassVar[tuple[int, ...]] = (14, 18, 26)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Mairal et al., Online Dictionary Learning for Sparse Coding, ICML 2009"
    order: ClassVar[int] = 72
    rivals: ClassVar[frozenset[str]] = frozenset({"dimension_reduction"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "sparse_pca"}, {"beside": True})
    cost: ClassVar[float] = 4.0

    kind: Kind = "dictionary"
    atoms: Annotated[int, Field(ge=1, le=1000)] | None = None
    penalty: Annotated[float, Field(ge=0.001, le=1)] = 0.1
    beside: bool = False

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not table.of_kind("number", "text", "time", "image") and not table.of_kind("category", "language"):
            return "there are no columns to code; take it out"
        return no_features(model, table, "code", codes=False)

    def columns(self) -> MatrixStep:
        return Step(self.kind, self.atoms, self.penalty, beside=self.beside)
