"""Noise correction: training allows for how often each class is given for each other, as estimated from the rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.methods._acting import Acting
from melior.methods._base import Method
from melior.methods._inside import TeachingLearner, taught
from melior.methods._networks import untrained
from melior.methods._noise import find_true_classes, fits_of
from melior.methods.label_cleaning import too_few_rows
from melior.models._base import FitContext, Learner, Model
from melior.predictor import Scorer
from melior.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from melior.networks.teaching import Known, RowLoss

STEADY = 10.0  # the condition number that a matrix may have whose inverse is used
LEAST_CHANCE = 1e-6


def soft_rows(chances: Floats, least: float) -> tuple[Rows, Labels, Floats]:
    """(pairs,) row, class and weight of every class that a row may truly have; the weights of a row sum to 1.

    chances (rows, classes), rows sum to 1; classes with a chance below `least` are left out.
    """
    chances = np.where(chances >= min(least, 1 / chances.shape[1]), chances, 0.0)
    chances = chances / chances.sum(axis=1, keepdims=True)
    rows, classes = np.nonzero(chances)
    return rows.astype(np.int64), classes.astype(np.int32), chances[rows, classes]


def seen_logits(logits: "Tensor", matrix: "Tensor") -> "Tensor":
    """(rows, classes) log of the chances of the labels that are given, sum_t p_t N[t, given].

    logits (rows, classes) of the true classes; matrix (true, given), rows sum to 1. The loss of these is the forward
    correction: lowest where the network gives the true classes' probabilities. Patrini et al., Making Deep Neural
    Networks Robust to Label Noise, CVPR 2017, theorem 2.
    """
    from torch.nn.functional import log_softmax

    logs = matrix.to(logits).clamp(min=LEAST_CHANCE).log()  # (true, given)
    return (log_softmax(logits, dim=1)[:, :, None] + logs).logsumexp(dim=1)


def unbiased_loss(logits: "Tensor", labels: "Tensor", inverse: "Tensor") -> "Tensor":
    """(rows,) sum_t N^-1[given, t] times the cross-entropy of t: over the noise its mean is the loss of the true class.

    logits (rows, classes); labels (rows,) class numbers or (rows, classes) shares; inverse (given, true). It may be
    negative. The backward correction, Patrini et al. 2017, theorem 1.
    """
    from torch.nn.functional import log_softmax

    rows = inverse.to(logits)
    own = rows[labels] if labels.ndim == 1 else labels.to(rows.dtype) @ rows  # (rows, true)
    return -(own * log_softmax(logits, dim=1)).sum(1)


def steadied(matrix: Floats, most: float = STEADY) -> Floats:
    """The matrix (true, given) with as much of the identity as its condition number needs to be at most `most`: the
    inverse of one that is nearly singular multiplies what the estimate has wrong."""
    for share in np.linspace(0, 1, 51):
        found = (1 - share) * matrix + share * np.eye(len(matrix))
        if np.linalg.cond(found) <= most:
            return np.asarray(found)
    return np.eye(len(matrix))


def among(matrix: Floats, present: Rows) -> Floats:
    """The matrix of the classes that occur, rows scaled to sum to 1."""
    found = matrix[np.ix_(present, present)]
    return np.asarray(found / found.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class CorrectedLoss(Acting):
    """Forward or backward correction with a matrix (true, given) of the classes that occur."""

    kind: str
    matrix: tuple[tuple[float, ...], ...]

    @property
    def told(self) -> str:
        return repr(self)

    def own_loss(self) -> bool:
        return self.kind == "backward"

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        import torch

        matrix = torch.tensor(self.matrix, dtype=torch.float64)
        if self.kind == "forward":
            return lambda logits, labels: loss(seen_logits(logits, matrix), labels)
        inverse = torch.linalg.inv(matrix)
        return lambda logits, labels: unbiased_loss(logits, labels, inverse)


class CorrectedLearner(TeachingLearner):
    """Estimates the noise matrix inside the training rows and fits a network with the loss corrected by it."""

    def __init__(self, inner: Learner, kind: str, rounds: int, second: str) -> None:
        super().__init__(inner)
        self.kind, self.rounds, self.second = kind, rounds, second

    def fit(self, train: Table, context: FitContext) -> Scorer:
        found = find_true_classes(train, context, self.rounds, self.second)
        matrix = among(found.matrix, np.unique(train.given_labels()).astype(np.int64))
        if self.kind == "backward":
            matrix = steadied(matrix)
        own = CorrectedLoss(self.kind, tuple(tuple(round(float(one), 6) for one in row) for row in matrix))
        return taught(self.inner, own).fit(train, context)


class NoiseCorrection(Method):
    """Estimates how often which class is given for which, by out-of-fold scores, and trains so that it does not matter.

    kind    rows (default): each row counts for every class by P(true | x) P(given | true), with any family; forward: a
            network learns the true classes through the matrix; backward: its loss is multiplied by the inverse matrix
    least   0..0.3, of kind rows: chances below are left out, default 0.02
    rounds  1..5 rounds of expectation and maximisation, default 3
    second  a family whose scores are averaged with the recipe's own: a name, none, or auto (default; linear beside
            any other family)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    first_for: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    begins_for: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    questions: ClassVar[tuple[int, ...]] = (21,)
    reference: ClassVar[str] = "Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017"
    order: ClassVar[int] = 40
    rivals: ClassVar[frozenset[str]] = frozenset({"label_cleaning", "dynamic_weights"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"second": "none"},
        {"kind": "forward", "rounds": 1, "second": "none"},
    )
    cost: ClassVar[float] = 20.0

    kind: Literal["rows", "forward", "backward"] = "rows"
    least: Annotated[float, Field(ge=0, le=0.3)] = 0.02
    rounds: Annotated[int, Field(ge=1, le=5)] = 3
    second: str = "auto"

    def fits(self, model: Model) -> float:
        return fits_of(self.cost, model)

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind != "rows" and (reason := untrained(model)):
            return f"{self.kind} correction acts on the loss of a network, and {reason}; or use kind: rows"
        if self.kind == "rows" and "row_weights" not in model.can:
            return f"{model.name} takes no row weights; label_cleaning needs none"
        return too_few_rows(table)

    def own_loss(self) -> bool:
        return self.kind == "backward"

    def learner(self, learner: Learner) -> Learner:
        return learner if self.kind == "rows" else CorrectedLearner(learner, self.kind, self.rounds, self.second)

    def rows(self, train: Table, context: FitContext) -> Table:
        if self.kind != "rows":
            return train
        found = find_true_classes(train, context, self.rounds, self.second)
        if found.right.all():
            return train  # nothing is wrong: softening right labels would only blur them
        rows, classes, weights = soft_rows(found.chances, self.least)
        soft = train.take(rows)
        return soft.with_labels(classes).with_weights(soft.row_weights() * weights)
