"""Oversampling: more rows of the rare classes, as copies or as new rows between a row and one of its neighbours."""

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from melior.data.table import Rows, Table
from melior.methods._base import Method
from melior.methods._encoded import changed
from melior.methods._encoded_rows import lengthened
from melior.methods._rows import mixed_space
from melior.methods._sampling import between, commonest_of_neighbours, dealt, missing_rows, smote_pairs
from melior.models._base import FitContext, Learner, Model
from melior.recipe import Recipe


class Oversampling(Method):
    """Adds rows of the rare classes until each has `ratio` times the rows of the largest.

    kind        copies (default); smote: number columns between a row and one of its nearest neighbours of the same
                class, categories by the majority of the neighbours, all else from the row (SMOTE-NC); embedded: the
                same in what the family reads, where texts and images are numbers too
    ratio       0.01..1, default 1 (all classes equally large); a class that already has more is left alone
    neighbours  1..50 nearest rows that `smote` and `embedded` choose from, default 5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Chawla et al., SMOTE: Synthetic Minority Over-sampling Technique, JAIR 2002"
    order: ClassVar[int] = 65
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"weighted_loss", "class_weights", "undersampling", "balanced_ensemble", "gan_samples"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "smote"}, {"kind": "embedded", "ratio": 0.3})
    cost: ClassVar[float] = 1.8

    kind: Literal["copies", "smote", "embedded"] = "copies"
    ratio: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    neighbours: Annotated[int, Field(ge=1, le=50)] = 5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind == "smote" and not table.of_kind("number"):
            other = "embedded" if table.of_kind("text", "image") else "copies"
            return f"there are no number columns to place new rows in; use kind: {other}"
        if self.kind == "embedded" and getattr(model.encoder(table, scaled=False), "parts", None):
            return f"{model.name} reads words or pixels, and between two of them is nothing; use kind: copies"
        return None

    def learner(self, learner: Learner) -> Learner:
        if self.kind != "embedded":
            return learner
        return changed(learner, partial(lengthened, ratio=self.ratio, k=self.neighbours))

    def rows(self, train: Table, context: FitContext) -> Table:
        if self.kind == "embedded":
            return train
        labels = train.given_labels()
        random = np.random.default_rng([context.seed, self.order])
        copies: list[Rows] = []
        made: list[Table] = []
        for number, count in enumerate(missing_rows(labels, len(train.classes), self.ratio)):
            if not count:
                continue
            inside = np.flatnonzero(labels == number)
            if self.kind == "copies" or len(inside) < 2:
                copies.append(dealt(inside, count, random))
            else:
                made.append(self._made(train, inside, count, random))
        if copies:
            train = train.take(np.concatenate([np.arange(train.rows), *copies]))
        for new in made:
            train = train.joined(new)
        return train

    def _made(self, train: Table, inside: Rows, count: int, random: np.random.Generator) -> Table:
        # distances are measured on the scale of all rows, so that a column that is constant in the class stays small
        seeds, mates, shares, neighbours = smote_pairs(mixed_space(train)[inside], self.neighbours, count, random)
        own = train.take(inside)
        new = own.take(seeds)  # keeps the row number of the seed, so that folds keep a row and its offspring together
        columns: list[pl.Series] = []
        for name in train.of_kind("number"):
            values = between(own.numbers(name), seeds, mates, shares)
            everywhere = train.numbers(name)
            known = everywhere[np.isfinite(everywhere)]
            if np.array_equal(known, np.round(known)):
                values = np.round(values)  # counts and codes stay whole
            columns.append(pl.Series(name, values, nan_to_null=True))
        for name in train.of_kind("category", "language"):
            series = own.column(name)
            codes = series.fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
            chosen = commonest_of_neighbours(codes, neighbours)
            # a row that holds the chosen value, so that a missing value can be chosen like any other
            holder = np.full(codes.max(initial=0) + 1, 0)
            holder[codes] = np.arange(len(codes))
            columns.append(series[holder[chosen[seeds]]].alias(name))
        return new.with_frame(new.frame.with_columns(columns))
