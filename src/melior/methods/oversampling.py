"""Oversampling: more rows of the rare classes, as copies or as new rows between a row and one of its neighbours."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.methods._base import Method
from melior.methods._rows import mixed_space
from melior.models._base import FitContext, Model
from melior.recipe import Recipe


def missing_rows(labels: Labels, classes: int, ratio: float) -> NDArray[np.int64]:
    """(classes,) how many rows each class lacks to have `ratio` times the rows of the largest; 0 for empty classes."""
    counts = np.bincount(labels, minlength=classes)
    wanted = np.ceil(ratio * counts.max()).astype(np.int64)
    return np.where(counts > 0, np.maximum(wanted - counts, 0), 0)


def dealt(rows: Rows, count: int, random: np.random.Generator) -> Rows:
    """`count` of these rows, each as often as any other (the rest drawn without repeats)."""
    whole, rest = divmod(count, len(rows))
    return np.concatenate([np.tile(rows, whole), random.choice(rows, rest, replace=False)]).astype(np.int64)


def smote_pairs(space: Floats, k: int, count: int, random: np.random.Generator) -> tuple[Rows, Rows, Floats, Rows]:
    """Where new rows of one class lie: seeds (count,), mates (count,), shares (count,), neighbours (rows, k).

    space (rows, dimensions): the rows of the class. A new row is x[seed] + share * (x[mate] - x[seed]) with the mate
    one of the k nearest other rows of the seed and the share uniform in 0..1.
    Chawla et al., SMOTE, JAIR 2002.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = len(space)
    k = min(k, rows - 1)
    assert k >= 1
    near = NearestNeighbors(n_neighbors=k + 1).fit(space).kneighbors(space, return_distance=False)
    # a row is its own nearest neighbour, unless it has copies: take out the row itself wherever it stands
    itself = near == np.arange(rows)[:, None]
    itself[~itself.any(axis=1), -1] = True
    neighbours = near[~itself].reshape(rows, k)
    seeds = dealt(np.arange(rows), count, random)
    mates = neighbours[seeds, random.integers(0, k, count)]
    return seeds, mates, random.random(count), neighbours


def between(values: Floats, seeds: Rows, mates: Rows, shares: Floats) -> Floats:
    """(new rows,) values[seed] + share * (values[mate] - values[seed]); where the mate's is missing, the seed's."""
    start, end = values[seeds], values[mates]
    return np.asarray(start + shares * np.where(np.isnan(end), 0.0, end - start))


def commonest_of_neighbours(codes: Rows, neighbours: Rows) -> Rows:
    """(rows,) the code that most neighbours have; of equals the row's own, then the smallest.

    codes (rows,) from 0; neighbours (rows, k).
    """
    votes = np.zeros((len(codes), codes.max(initial=0) + 1))
    np.add.at(votes, (np.arange(len(codes))[:, None], codes[neighbours]), 1)
    votes[np.arange(len(codes)), codes] += 0.5
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)


class Oversampling(Method):
    """Adds rows of the rare classes until each has `ratio` times the rows of the largest.

    kind        copies (default), or smote: number columns between a row and one of its nearest neighbours of the
                same class, categories by the majority of the neighbours, all else from the row (SMOTE-NC)
    ratio       0.01..1, default 1 (all classes equally large); a class that already has more is left alone
    neighbours  1..50 nearest rows that `smote` chooses from, default 5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Chawla et al., SMOTE: Synthetic Minority Over-sampling Technique, JAIR 2002"
    order: ClassVar[int] = 65
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"class_weights", "undersampling", "balanced_ensemble", "weighted_loss"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "smote"}, {"kind": "smote", "ratio": 0.1})
    cost: ClassVar[float] = 1.8

    kind: Literal["copies", "smote"] = "copies"
    ratio: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    neighbours: Annotated[int, Field(ge=1, le=50)] = 5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind == "smote" and not table.of_kind("number"):
            return "there are no number columns to place new rows in; use kind: copies"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
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
