"""Joint training: all languages in one model, the rows of rare languages seen more often than there are of them."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from melior.checks._languages import languages_of, read_languages
from melior.data.language import Row, texts_of
from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._languages import NONE, language_shares, repeated
from melior.models._base import FitContext, Model
from melior.recipe import Recipe


class JointTraining(Method):
    """Gives a language of n rows a share of the training proportional to n ** alpha.

    The language of a row is what a column of the kind `language` says (of task: generate the column "language"), else
    it is read off its texts, offline. `evaluate` scores each language by itself.

    alpha  0..1, default 0.3 (as for XLM-R): 1 leaves the languages as they are, 0 gives all the same; 1 / alpha is the
           temperature of sampling
    kind   weights (default): rows count more; sample: rows are repeated, none is left out. Of task: generate rows are
           always repeated
    most   how often a row counts at most, 1..1,000, default 20: what is seen much more often is learned by heart
    """

    treats: ClassVar[frozenset[str]] = frozenset({"language_imbalance", "language_gap"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text", "language"})
    questions: ClassVar[tuple[int, ...]] = (4,)
    reference: ClassVar[str] = "Conneau et al., Unsupervised Cross-lingual Representation Learning at Scale, ACL 2020"
    order: ClassVar[int] = 58
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"alpha": 0.7}, {"kind": "sample"})
    multilabel: ClassVar[bool] = True

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3
    kind: Literal["weights", "sample"] = "weights"
    most: Annotated[float, Field(ge=1, le=1000)] = 20.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not table.of_kind("text", "language"):
            return NONE
        if self.kind == "weights" and "row_weights" not in model.can:
            return f"{model.name} takes no row weights; use kind: sample"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        languages = context.once(train, "languages", lambda: languages_of(train, context.seed))
        often = language_shares(languages, self.alpha, self.most, train.weights)
        if (often == 1).all():
            return train
        if self.kind == "sample":
            return train.take(repeated(often, np.random.default_rng([context.seed, self.order])))
        weights = train.row_weights() * often
        return train.with_weights(weights * train.row_weights().sum() / weights.sum())

    def language_rows(self, rows: Sequence[Row], seed: int) -> list[Row]:
        told = [str(row["language"]) if row.get("language") else "" for row in rows]
        if any(told):
            languages = np.asarray(told, dtype=np.str_)
        else:
            languages = read_languages(pl.Series([texts_of(row) for row in rows], dtype=pl.String), seed)
        often = language_shares(languages, self.alpha, self.most)
        return [rows[at] for at in repeated(often, np.random.default_rng([seed, self.order]))]
