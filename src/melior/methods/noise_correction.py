"""Noise correction: a row counts for every class that it may truly have, as much as it may, given the label noise."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.methods._base import Method
from melior.methods._noise import find_true_classes
from melior.methods.label_cleaning import too_few_rows
from melior.models._base import FitContext, Model
from melior.recipe import Recipe


def soft_rows(chances: Floats, least: float) -> tuple[Rows, Labels, Floats]:
    """(pairs,) row, class and weight of every class that a row may truly have; the weights of a row sum to 1.

    chances (rows, classes), rows sum to 1; classes with a chance below `least` are left out.
    """
    chances = np.where(chances >= min(least, 1 / chances.shape[1]), chances, 0.0)
    chances = chances / chances.sum(axis=1, keepdims=True)
    rows, classes = np.nonzero(chances)
    return rows.astype(np.int64), classes.astype(np.int32), chances[rows, classes]


class NoiseCorrection(Method):
    """Weights the true classes of each training row by P(true | x) P(given | true), with the noise matrix estimated.

    least   0..0.3, chances below are left out, default 0.02
    rounds  1..5 rounds of expectation and maximisation, default 3
    second  a family whose scores are averaged with the recipe's own: a name, none, or auto (default; linear beside
            any other family)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    first_for: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    questions: ClassVar[tuple[int, ...]] = (21,)
    reference: ClassVar[str] = "Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017"
    order: ClassVar[int] = 40
    rivals: ClassVar[frozenset[str]] = frozenset({"label_cleaning"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"second": "none"})
    cost: ClassVar[float] = 20.0

    least: Annotated[float, Field(ge=0, le=0.3)] = 0.02
    rounds: Annotated[int, Field(ge=1, le=5)] = 3
    second: str = "auto"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "row_weights" not in model.can:
            return f"{model.name} takes no row weights; label_cleaning needs none"
        return too_few_rows(table)

    def rows(self, train: Table, context: FitContext) -> Table:
        found = find_true_classes(train, context, self.rounds, self.second)
        if found.right.all():
            return train  # nothing is wrong: softening right labels would only blur them
        rows, classes, weights = soft_rows(found.chances, self.least)
        soft = train.take(rows)
        return soft.with_labels(classes).with_weights(soft.row_weights() * weights)
