"""Class weights: rows of rare classes count more, so that every class has the same say."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.models._base import FitContext, Model
from melior.recipe import Recipe


def class_weights(labels: Labels, classes: int, power: float, weights: Floats | None = None) -> Floats:
    """(classes,) (n / (K n_k)) ** power, scaled so that the mean over the rows is 1; 0 for classes without rows.

    n_k is the sum of the weights of the rows of class k (their number without weights), K the classes that occur.
    power 0 changes nothing, 1 gives every class the same sum.
    King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 2001.
    """
    sums = np.bincount(labels, weights=weights, minlength=classes).astype(np.float64)
    occurs = sums > 0
    found = np.zeros(classes)
    found[occurs] = (sums.sum() / (occurs.sum() * sums[occurs])) ** power
    return np.asarray(found * sums.sum() / (found @ sums))


class ClassWeights(Method):
    """Weights every row by (n / (K n_k)) ** power of its class.

    power  0..2, default 1 (every class counts the same); 0.5 is halfway to leaving the classes alone
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 13, 25)
    reference: ClassVar[str] = "King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 2001"
    order: ClassVar[int] = 60
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"oversampling", "undersampling", "balanced_ensemble", "weighted_loss"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"power": 0.5})

    power: Annotated[float, Field(ge=0, le=2)] = 1.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "row_weights" not in model.can:
            return f"{model.name} takes no row weights; oversampling does the same by copies"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        weights = class_weights(labels, len(train.classes), self.power, train.weights)
        return train.with_weights(train.row_weights() * weights[labels])
