"""What the methods that change encoded training rows share: which features are sparse, and a family's learner."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.features._base import Matrix
from melior.features.parts import Ragged
from melior.models._base import FamilyLearner, FamilyScorer, FitContext, Learner, Model
from melior.predictor import Scorer

MOSTLY = 0.5  # a feature that is 0 in more than this share of the rows is a sparse one
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Encoded:
    """Encoded training rows with labels, (rows,) or (rows, labels), and weights, (rows,) or None for 1 each."""

    matrix: Matrix
    labels: NDArray[Any]
    weights: Floats | None

    def take(self, which: Rows) -> "Encoded":
        weights = None if self.weights is None else self.weights[which]
        return Encoded(self.matrix.take(which), self.labels[which], weights)


Change = Callable[[Encoded, np.random.Generator], Encoded]


class ChangedLearner:
    """Fits one family on its encoded training rows, changed by `changes` in order. Other rows stay as they are."""

    def __init__(self, inner: FamilyLearner, changes: tuple[Change, ...]) -> None:
        self.inner, self.changes = inner, changes
        self.model = inner.model

    def fit(self, train: Table, context: FitContext) -> Scorer:
        inner = self.inner
        encoding, matrix = context.encode(train, inner.model, inner.table_steps, inner.matrix_steps)
        labels = train.given_label_matrix() if train.multilabel else train.given_labels()
        rows = Encoded(matrix, labels, train.weights)
        for number, change in enumerate(self.changes):
            rows = change(rows, np.random.default_rng([context.seed, 90, number]))
        return FamilyScorer(encoding, inner.fit_encoded(rows.matrix, rows.labels, rows.weights, context))


def changed(learner: Learner, change: Change) -> ChangedLearner:
    """The learner of a family with one more change of its rows."""
    if isinstance(learner, ChangedLearner):
        return ChangedLearner(learner.inner, (*learner.changes, change))
    if not isinstance(learner, FamilyLearner):
        raise UserError(
            "methods: encoded rows can be changed for a single family alone, and another method wraps it; take one of "
            "the two out."
        )
    return ChangedLearner(learner, (change,))


def nothing_sparse(table: Table, model: Model) -> str | None:
    """Why no encoded feature of such a table is sparse for a family, or None."""
    if table.of_kind("category", "language"):
        return None
    if not table.of_kind("text"):
        return "there are no columns of categories or texts, and numbers are present in every row; use noise_training"
    dense = "text_dimensions" in type(model).model_fields and getattr(model, "texts", "dimensions") != "words"
    if not dense:
        return None
    words = "; with texts: words it reads their words" if "texts" in type(model).model_fields else ""
    return f"{model.name} reads texts in a few dimensions, which are present in every row{words}; linear reads terms"


def sparse_features(matrix: Matrix) -> Mask:
    """(features,) True where more than half of the rows have a 0; category codes are not among them."""
    if matrix.sparse:
        filled = np.bincount(matrix.values.indices[matrix.values.data != 0], minlength=matrix.features)
    else:
        filled = (np.asarray(matrix.values) != 0).sum(axis=0)
    found = np.asarray(filled < (1 - MOSTLY) * matrix.rows)
    found[list(matrix.categorical)] = False
    return found


def with_tokens(matrix: Matrix, change: Callable[[Ragged], Ragged]) -> Matrix:
    """The matrix with another sequence of tokens in each text part."""
    parts = {name: change(part) if isinstance(part, Ragged) else part for name, part in matrix.parts.items()}
    return replace(matrix, parts=parts)


def chosen_tokens(part: Ragged, kept: Mask) -> Ragged:
    """The tokens that are kept, (tokens,), in their order."""
    before = np.concatenate([[0], np.cumsum(kept)])
    return Ragged(part.flat[kept], before[part.starts].astype(np.int64))


def together(first: Matrix, second: Matrix) -> Matrix:
    """The rows of one matrix and then those of another of the same features."""
    from scipy.sparse import vstack

    values: Any = (
        vstack([first.values, second.values], format="csr")
        if first.sparse
        else np.concatenate([np.asarray(first.values), np.asarray(second.values)])
    )
    parts = {}
    for name, part in first.parts.items():
        other = second.parts[name]
        assert isinstance(part, Ragged)
        assert isinstance(other, Ragged)
        lengths = np.concatenate([part.lengths, other.lengths])
        parts[name] = Ragged.of(np.concatenate([part.flat, other.flat]), lengths)
    return replace(first, values=values, parts=parts)


def without_zeros(values: csr_matrix) -> csr_matrix:
    """The same matrix without entries that are 0."""
    values.eliminate_zeros()
    assert issparse(values)
    return values
