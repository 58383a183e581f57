"""Sparse dropout: a share of the features that a row has is left out in training, so that none is leaned on alone."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.table import Table
from melior.features._base import Matrix
from melior.methods._base import Method
from melior.methods._encoded import (
    Encoded,
    changed,
    chosen_tokens,
    nothing_sparse,
    sparse_features,
    with_tokens,
    without_zeros,
)
from melior.models._base import Learner, Model
from melior.recipe import Recipe


def dropped(matrix: Matrix, rate: float, random: np.random.Generator) -> Matrix:
    """The same rows with a share `rate` of what is present left out; what is absent stays so.

    An entry of a sparse feature (0 in more than half of the rows) becomes 0 with probability `rate`, and x / (1 - rate)
    else, so that it is x on average. A category code becomes missing, and a token of a text is left out, with the same
    probability. Features that most rows have stay as they are.
    Srivastava et al., Dropout, JMLR 2014 (of inputs); Wager, Wang, Liang, Dropout Training as Adaptive Regularization,
    NeurIPS 2013.
    """
    chosen = sparse_features(matrix)
    if matrix.sparse:
        values: Any = matrix.values.copy()
        reached = chosen[values.indices]
        kept = random.random(len(values.data)) >= rate
        values.data = np.where(reached, np.where(kept, values.data / (1 - rate), 0.0), values.data)
        values = without_zeros(values)
    else:
        values = np.array(matrix.values, dtype=np.float64)
        for number in np.flatnonzero(chosen):
            present = np.flatnonzero(values[:, number])
            kept = random.random(len(present)) >= rate
            values[present, number] = np.where(kept, values[present, number] / (1 - rate), 0.0)
        for code in matrix.categorical:
            values[random.random(matrix.rows) < rate, code] = np.nan
    made = replace(matrix, values=values)
    return with_tokens(made, lambda part: chosen_tokens(part, random.random(len(part.flat)) >= rate))


class SparseDropout(Method):
    """Fits on several copies of the training rows, from each of which other present features are left out.

    Terms of texts and categories are left out, numbers are not. Copies weigh as much together as the rows did.

    rate    0.01..0.9, the share of a row's present features that a copy lacks, default 0.3
    copies  1..50 copies of each row, default 5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"sparse_features", "overfitting"})
    kinds: ClassVar[frozenset[str]] = frozenset({"category", "language", "text"})
    questions: ClassVar[tuple[int, ...]] = (7,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Wager, Wang, Liang, Dropout Training as Adaptive Regularization, NeurIPS 2013"
    order: ClassVar[int] = 75
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"rate": 0.1}, {"rate": 0.6})
    cost: ClassVar[float] = 4.0

    rate: Annotated[float, Field(ge=0.01, le=0.9)] = 0.3
    copies: Annotated[int, Field(ge=1, le=50)] = 5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "row_weights" not in model.can:
            return f"{model.name} takes no row weights, and copies have to weigh less; bagging works with any family"
        return nothing_sparse(table, model)

    def learner(self, learner: Learner) -> Learner:
        return changed(learner, self.copied)

    def copied(self, rows: Encoded, random: np.random.Generator) -> Encoded:
        """The copies one after another, each of them weighing its part of the row."""
        every = np.tile(np.arange(rows.matrix.rows), self.copies)
        made = rows.take(every)
        weights = np.ones(len(every)) if made.weights is None else made.weights
        return Encoded(dropped(made.matrix, self.rate, random), made.labels, weights / self.copies)
