"""Stacking: the recipe's family and the others answer together, each weighted by how right it is out of fold."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.methods._learners import others
from melior.models._base import AverageScorer, FitContext, Learner
from melior.predictor import Scorer

TINY = 1e-6
FEW = 60  # rows a class; with fewer in the rarest the weights would be learnt from next to nothing


def fit_stack(logs: Floats, labels: Labels, weights: Floats, penalty: float) -> tuple[Floats, Floats]:
    """(members,) weights and (classes,) shifts of the best multinomial logistic fit of
    softmax(sum_m weights_m logs_m + shifts).

    logs (members, rows, classes) out-of-fold log probabilities; labels, weights (rows,). The penalty, in rows, pulls
    the weights to the plain geometric mean 1 / members and the shifts to 0. Weights are never negative.
    Wolpert, Stacked Generalization, Neural Networks 1992; Ting and Witten, Issues in Stacked Generalization, 1999.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    members, rows, classes = logs.shape
    hot = np.zeros((rows, classes))
    hot[np.arange(rows), labels] = 1
    centre = np.concatenate([np.full(members, 1 / members), np.zeros(classes)])

    def loss(found: Floats) -> tuple[float, Floats]:
        said = log_softmax(np.tensordot(found[:members], logs, axes=1) + found[members:], axis=1)
        slack = weights[:, None] * (np.exp(said) - hot)
        away = found - centre
        gradient = np.concatenate([(slack * logs).sum(axis=(1, 2)), slack.sum(axis=0)]) + penalty * away
        return float(-(weights[:, None] * hot * said).sum() + 0.5 * penalty * away @ away), gradient

    bounds = [(0.0, None)] * members + [(None, None)] * classes
    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:members], found[members:]


class StackScorer(Scorer):
    """softmax(sum_m weights_m log p_m + shifts) of the members' probabilities p_m."""

    def __init__(self, members: list[Scorer], weights: Floats, shifts: Floats) -> None:
        self.members = members
        self.weights = np.asarray(weights, dtype=np.float64)
        self.shifts = np.asarray(shifts, dtype=np.float64)

    def scores(self, table: Table) -> Floats:
        from scipy.special import softmax

        logs = np.stack([log_of(member.scores(table)) for member in self.members])
        return np.asarray(softmax(np.tensordot(self.weights, logs, axes=1) + self.shifts, axis=1))


def log_of(scores: Floats) -> Floats:
    return np.asarray(np.log(np.clip(scores, TINY, 1)))


class StackedLearner:
    """The inner learner and one of every family, weighted on out-of-fold scores, or averaged."""

    def __init__(self, inner: Learner, families: tuple[str, ...], kind: str, penalty: float) -> None:
        self.inner, self.families, self.kind, self.penalty = inner, families, kind, penalty

    def fit(self, train: Table, context: FitContext) -> Scorer:
        members = [self.inner, *others(self.inner, self.families, train, context)]
        fitted = [member.fit(train, context.reseeded(number)) for number, member in enumerate(members)]
        labels = train.given_labels()
        counts = np.bincount(labels)
        if self.kind == "vote" or len(members) == 1 or counts[counts > 0].min() < FEW:
            return AverageScorer(fitted)
        logs = np.stack([log_of(context.out_of_fold(member, train)) for member in members])
        return StackScorer(fitted, *fit_stack(logs, labels, train.row_weights(), self.penalty))


class Stacking(Method):
    """Combines the recipe's family with others.

    families  names of the families that join the recipe's own, default linear and trees; what cannot read the table
              is left out
    kind      stack (default): weights learnt on out-of-fold scores, plain voting where a class has fewer than 60
              rows; vote: the mean of the probabilities
    penalty   0.01..10000 rows' worth of pull towards equal weights, default 10
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "untuned", "small_data"})
    questions: ClassVar[tuple[int, ...]] = (1, 23)
    reference: ClassVar[str] = "Wolpert, Stacked Generalization, Neural Networks 1992"
    order: ClassVar[int] = 82
    rivals: ClassVar[frozenset[str]] = frozenset({"bagging", "boosting", "voting", "balanced_ensemble"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "vote"})
    cost: ClassVar[float] = 12.0

    families: tuple[str, ...] = ("linear", "trees")
    kind: Literal["stack", "vote"] = "stack"
    penalty: Annotated[float, Field(ge=0.01, le=10_000)] = 10.0

    def learner(self, learner: Learner) -> Learner:
        return StackedLearner(learner, self.families, self.kind, self.penalty)
