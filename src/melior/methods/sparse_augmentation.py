"""Sparse augmentation: new rows of terms and categories, each between two rows of one class, and as sparse as they."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Rows, Table
from melior.features._base import Matrix
from melior.features.parts import Ragged
from melior.methods._base import Method
from melior.methods._encoded import (
    Encoded,
    changed,
    chosen_tokens,
    nothing_sparse,
    sparse_features,
    together,
    without_zeros,
)
from melior.models._base import Learner, Model
from melior.recipe import Recipe


def chances(rows: NDArray[np.int64], features: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A number in 0..1 for each pair of row and feature, the same wherever the pair is asked for.

    The bits of SplitMix64 (Steele et al., OOPSLA 2014), so that two sparse matrices can agree on a draw for a place
    that one of them does not hold.
    """
    with np.errstate(over="ignore"):
        mixed = np.uint64(seed) + rows.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
        for part in (features.astype(np.uint64), np.uint64(1)):
            mixed = mixed + part * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)


def mates_of(labels: NDArray[Any], random: np.random.Generator) -> Rows:
    """(rows,) for each row another row of its class, drawn at random; itself where it is alone."""
    mates = np.arange(len(labels))
    for label in np.unique(labels):
        inside = np.flatnonzero(labels == label)
        if len(inside) > 1:  # a step around a circle of all others: never the row itself
            step = random.integers(1, len(inside), len(inside))
            mates[inside] = inside[(np.arange(len(inside)) + step) % len(inside)]
    return mates


def swapped(matrix: Matrix, seeds: Rows, mates: Rows, swap: float, drop: float, random: np.random.Generator) -> Matrix:
    """New rows (seeds,): each sparse feature and category code from the mate with probability `swap`, else from the
    seed, present or absent as it is there; then a share `drop` of the present sparse features is left out.

    Features that most rows have are the seed's. Of a text's tokens the seed's are kept with probability 1 - swap and
    followed by the mate's with probability swap.
    """
    chosen = sparse_features(matrix)
    drawn = int(random.integers(2**62))
    values: Any
    if matrix.sparse:
        own, others = matrix.values[seeds], matrix.values[mates]
        for part, is_mate in ((own, False), (others, True)):
            rows = np.repeat(np.arange(len(seeds)), np.diff(part.indptr))
            taken = chances(rows, part.indices.astype(np.int64), drawn) < swap
            left = random.random(len(part.data)) < drop
            part.data = np.where(
                chosen[part.indices], part.data * ((taken == is_mate) & ~left), 0.0 if is_mate else part.data
            )
        values = without_zeros((own + others).tocsr())
        values.sort_indices()
    else:
        values = np.array(matrix.values[seeds], dtype=np.float64)
        other = np.asarray(matrix.values[mates], dtype=np.float64)
        for number in [*np.flatnonzero(chosen).tolist(), *matrix.categorical]:
            taken = random.random(len(seeds)) < swap
            values[taken, number] = other[taken, number]
            if chosen[number]:
                values[random.random(len(seeds)) < drop, number] = 0.0
    parts = {
        name: _mixed_tokens(part, seeds, mates, swap, drop, random) if isinstance(part, Ragged) else part.take(seeds)
        for name, part in matrix.parts.items()
    }
    return replace(matrix, values=values, parts=parts)


def _mixed_tokens(
    part: Ragged, seeds: Rows, mates: Rows, swap: float, drop: float, random: np.random.Generator
) -> Ragged:
    own, others = part.take(seeds), part.take(mates)
    own = chosen_tokens(own, random.random(len(own.flat)) < (1 - swap) * (1 - drop))
    others = chosen_tokens(others, random.random(len(others.flat)) < swap * (1 - drop))
    rows = np.concatenate([np.repeat(np.arange(len(seeds)), one.lengths) for one in (own, others)])
    order = np.argsort(rows, kind="stable")  # each row's own tokens, then its mate's
    return Ragged.of(np.concatenate([own.flat, others.flat])[order], own.lengths + others.lengths)


class SparseAugmentation(Method):
    """Adds rows made of two training rows of one class, term by term; they are as sparse as the rows themselves.

    Rows are made of the encoded training rows, in which terms and categories are features; all rows together weigh as
    much as before.

    share   0.1..20 new rows a training row, default 1
    swap    0..0.5, the share of a new row's sparse features that come from its mate, default 0.3
    drop    0..0.9, the share of present features left out of a new row, default 0.1
    weight  0.01..1, what a new row weighs beside a real one, default 0.5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"sparse_features", "small_data"})
    kinds: ClassVar[frozenset[str]] = frozenset({"category", "language", "text"})
    questions: ClassVar[tuple[int, ...]] = (18, 26)
    reference: ClassVar[str] = (
        "Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019 (deletion); Chawla et al., SMOTE, JAIR 2002 "
        "(between rows of a class)"
    )
    order: ClassVar[int] = 74
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"share": 4.0}, {"swap": 0.0, "drop": 0.3})
    cost: ClassVar[float] = 2.0

    share: Annotated[float, Field(ge=0.1, le=20)] = 1.0
    swap: Annotated[float, Field(ge=0, le=0.5)] = 0.3
    drop: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    weight: Annotated[float, Field(ge=0.01, le=1)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "row_weights" not in model.can:
            return f"{model.name} takes no row weights, and new rows have to weigh less; bagging works with any family"
        if table.of_kind("image"):
            return "new rows have no pictures; sparse_dropout leaves rows their pictures"
        return nothing_sparse(table, model)

    def learner(self, learner: Learner) -> Learner:
        return changed(learner, self.enlarged)

    def enlarged(self, rows: Encoded, random: np.random.Generator) -> Encoded:
        """The rows and after them the new ones."""
        count = max(1, round(self.share * rows.matrix.rows))
        whole, rest = divmod(count, rows.matrix.rows)
        every = np.arange(rows.matrix.rows)
        seeds = np.concatenate([*[every] * whole, np.sort(random.choice(every, rest, replace=False))]).astype(np.int64)
        mates = np.concatenate(
            [mates_of(rows.labels, random)[part] for part in np.array_split(seeds, whole + 1)]
        )  # another mate each time
        new = swapped(rows.matrix, seeds, mates, self.swap, self.drop, random)
        own = np.ones(rows.matrix.rows) if rows.weights is None else rows.weights
        weights = np.concatenate([own, self.weight * own[seeds]])
        weights = weights * (own.sum() / weights.sum())
        return Encoded(together(rows.matrix, new), np.concatenate([rows.labels, rows.labels[seeds]]), weights)
