"""Table augmentation: more training rows near those that there are: noisy, mixed in pairs, or with swapped cells."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.errors import UserError
from melior.features._base import Matrix
from melior.methods._base import Method
from melior.methods._learners import the_family
from melior.methods._rows import noisy
from melior.models._base import FamilyLearner, FamilyScorer, FitContext, Learner, Model
from melior.predictor import Scorer
from melior.recipe import Recipe

Random = np.random.Generator


def mates(groups: Labels, rows: Rows, random: Random) -> Rows:
    """For each of these rows another one of the same group, itself where there is no other."""
    found = rows.copy()
    for group in np.unique(groups[rows]):
        inside = np.flatnonzero(groups == group)
        own = np.flatnonzero(groups[rows] == group)
        if len(inside) < 2:
            continue
        # a step of 1 to n - 1 round the group never ends where it began
        place = np.searchsorted(inside, rows[own])
        found[own] = inside[(place + random.integers(1, len(inside), len(own))) % len(inside)]
    return found


def mixed(matrix: Matrix, first: Rows, second: Rows, shares: Floats) -> Matrix:
    """(rows,) share * first + (1 - share) * second; codes of categories, and numbers that one of the two lacks, are
    those of the row with the larger share.

    Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.
    """
    if matrix.sparse:
        from scipy.sparse import diags

        values = (diags(shares) @ matrix.values[first] + diags(1 - shares) @ matrix.values[second]).tocsr()
        return replace(matrix, values=values)
    one, other = np.asarray(matrix.values[first]), np.asarray(matrix.values[second])
    larger = np.where(shares[:, None] >= 0.5, one, other)
    values = shares[:, None] * one + (1 - shares[:, None]) * other
    values = np.where(np.isnan(values), larger, values).astype(one.dtype)
    codes = list(matrix.categorical)
    values[:, codes] = larger[:, codes]
    return replace(matrix, values=values)


def stacked(parts: list[Matrix]) -> Matrix:
    """The rows of all, one after another."""
    if parts[0].sparse:
        from scipy.sparse import vstack

        return replace(parts[0], values=vstack([part.values for part in parts], format="csr"))
    return replace(parts[0], values=np.concatenate([part.values for part in parts]))


def halved(model: Model) -> str:
    """Why what this family reads cannot be mixed."""
    return (
        f"{model.name} reads words or pictures one by one, and half a word is none; use kind: swap, text_augmentation "
        "or image_augmentation"
    )


class MixedLearner:
    """Fits a family on the encoded rows and on mixtures of two.

    A mixture stands twice, with the label of one row and weight `share`, and with that of the other and weight
    1 - share: the loss of that is the loss of the mixed label, in every family that heeds weights.
    """

    def __init__(self, inner: FamilyLearner, copies: int, strength: float, order: int) -> None:
        self.inner, self.model = inner, inner.model
        self.copies, self.strength, self.order = copies, strength, order

    def fit(self, train: Table, context: FitContext) -> Scorer:
        encoding, matrix = context.encode(train, self.model, self.inner.table_steps, self.inner.matrix_steps)
        if matrix.parts:  # a family that another method has changed
            raise UserError(f"methods.table_augmentation: {halved(self.model)}.")
        random = np.random.default_rng([context.seed, self.order])
        first = np.tile(np.arange(train.rows), self.copies)
        second = np.concatenate([random.permutation(train.rows) for _ in range(self.copies)])
        shares = random.beta(self.strength, self.strength, len(first))
        own = train.row_weights()
        made = mixed(matrix, first, second, shares)
        rows = np.concatenate([np.arange(train.rows), first, second])
        weights = np.concatenate([own, shares * own[first], (1 - shares) * own[second]])
        kept = weights > 0
        whole = stacked([matrix, made, made]).take(np.flatnonzero(kept))
        how = {"seed": context.seed, "threads": context.threads}
        if train.multilabel:
            matched = train.given_label_matrix()[rows[kept]]
            return FamilyScorer(encoding, self.model.fit_labels(whole, matched, weights[kept], **how))
        labels = train.given_labels()[rows[kept]]
        return FamilyScorer(encoding, self.model.fit(whole, labels, weights[kept], len(train.classes), **how))


class TableAugmentation(Method):
    """Adds rows made from training rows, with their labels.

    kind      noise (default): normal noise on number columns; whole numbers stay whole and nothing leaves a column's
              range. swap: cells take the value that another row of the same class has in that column. mixup: encoded
              rows are mixed in pairs, and so are their labels
    share     0.01..1 of the cells that noise and swap change, default 0.3
    strength  0.01..10: of the noise in spreads of a column, default 0.1 where kind is noise; of mixup, the parameter of
              the beta distribution that shares are drawn from, default 0.2
    copies    1..20 new rows for each row, default 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"small_data", "overfitting", "sparse_features"})
    kinds: ClassVar[frozenset[str]] = frozenset({"number", "category", "time", "language"})
    questions: ClassVar[tuple[int, ...]] = (17, 1, 18, 26)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018"
    order: ClassVar[int] = 62
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "swap"}, {"kind": "mixup"})
    cost: ClassVar[float] = 2.0

    kind: Literal["noise", "swap", "mixup"] = "noise"
    share: Annotated[float, Field(ge=0.01, le=1)] = 0.3
    strength: Annotated[float, Field(ge=0.01, le=10)] | None = None
    copies: Annotated[int, Field(ge=1, le=20)] = 1

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind == "noise" and not table.of_kind("number"):
            return "there are no number columns to add noise to; use kind: swap, or text_augmentation for texts"
        if self.kind == "swap" and not self._swapped(table):
            return "there are no columns of numbers, categories or times to swap; text_augmentation varies texts"
        if self.kind == "mixup" and "row_weights" not in model.can:
            return f"{model.name} takes no row weights, which mixed labels need; use kind: noise or swap"
        if self.kind == "mixup" and getattr(model.encoder(table, scaled=False), "parts", None):
            return halved(model)
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        if self.kind == "mixup":
            return train
        random = np.random.default_rng([context.seed, self.order])
        seeds = np.tile(np.arange(train.rows), self.copies)
        new = train.take(seeds)  # keeps the row's number, so that folds keep a row and its offspring together
        columns = self._noise(train, seeds, random) if self.kind == "noise" else self._swaps(train, seeds, random)
        return train.joined(new.with_frame(new.frame.with_columns(columns)))

    def learner(self, learner: Learner) -> Learner:
        if self.kind != "mixup":
            return learner
        own = the_family(learner, self.name)
        return MixedLearner(own, self.copies, 0.2 if self.strength is None else self.strength, self.order)

    def _swapped(self, table: Table) -> list[str]:
        return table.of_kind("number", "category", "language", "time")

    def _noise(self, train: Table, seeds: Rows, random: Random) -> list[pl.Series]:
        strength = 0.1 if self.strength is None else self.strength
        made = []
        for name in train.of_kind("number"):
            values = train.numbers(name)
            moved = noisy(values[seeds], values, self.share, strength, random)
            made.append(pl.Series(name, moved, dtype=pl.Float64, nan_to_null=True))
        return made

    def _swaps(self, train: Table, seeds: Rows, random: Random) -> list[pl.Series]:
        groups = train.combinations()
        made = []
        for name in self._swapped(train):
            chosen = np.where(random.random(len(seeds)) < self.share, mates(groups, seeds, random), seeds)
            made.append(train.column(name)[chosen])
        return made
