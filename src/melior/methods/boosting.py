"""Boosting around any family: each fit turns to the rows that the fits before it got wrong."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.models._base import AverageScorer, FitContext, Learner, Model
from melior.predictor import Scorer
from melior.recipe import Recipe

Kind = Literal["discrete", "real"]

TINY = 1e-5
MOST_SAY = 20.0  # that of a fit without mistakes
MOST = 1e3  # a row's weight over the mean one, at most: beyond that rows are wrong rather than hard


def samme_weights(weights: Floats, scores: Floats, labels: Labels, rate: float) -> tuple[Floats, float]:
    """(rows,) weights after one fit, with mean 1, and the fit's say: rate (log((1 - err) / err) + log(K - 1)).

    err is the weighted share of wrong answers; wrong rows are multiplied by exp(say). A say of 0 or less is a fit no
    better than guessing.  Zhu et al., Multi-class AdaBoost, Statistics and Its Interface 2009, algorithm 2.
    """
    wrong = scores.argmax(axis=1) != labels
    error = float(np.clip(weights @ wrong / weights.sum(), TINY, 1 - TINY))
    say = rate * (np.log((1 - error) / error) + np.log(scores.shape[1] - 1))
    changed = weights * np.exp(say * wrong)
    changed = np.minimum(changed / changed.mean(), MOST)
    return np.asarray(changed / changed.mean()), float(say if error > TINY else MOST_SAY)


def samme_r_weights(weights: Floats, scores: Floats, labels: Labels, rate: float) -> Floats:
    """(rows,) weights after one fit: w exp(-rate (K - 1) / K * y . log p), with mean 1.

    weights, labels (rows,); scores (rows, classes) probabilities of the fit; y is 1 at the label and -1 / (K - 1)
    elsewhere.  Zhu et al., Multi-class AdaBoost, Statistics and Its Interface 2009, algorithm 4.
    """
    rows, classes = scores.shape
    logs = np.log(np.clip(scores, TINY, 1))
    own = logs[np.arange(rows), labels]
    agreement = own - (logs.sum(axis=1) - own) / (classes - 1)
    changed = weights * np.exp(-rate * (classes - 1) / classes * agreement)
    changed = np.minimum(changed / changed.mean(), MOST)
    return np.asarray(changed / changed.mean())


def samme_r_scores(members: list[Floats]) -> Floats:
    """(rows, classes) probabilities: softmax of the mean over members of log p, which is the geometric mean.

    SAMME.R adds h_k = (K - 1)(log p_k - mean_j log p_j) and reads probabilities off softmax(h / (K - 1)).
    """
    total = np.mean([np.log(np.clip(scores, TINY, 1)) for scores in members], axis=0)
    raised = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


class BoostedScorer(Scorer):
    """The geometric mean of the members' probabilities."""

    def __init__(self, members: list[Scorer]) -> None:
        self.members = members

    def scores(self, table: Table) -> Floats:
        return samme_r_scores([member.scores(table) for member in self.members])


class BoostedLearner:
    """SAMME or SAMME.R around a learner that heeds row weights."""

    def __init__(self, inner: Learner, kind: Kind, members: int, rate: float) -> None:
        self.inner, self.kind, self.members, self.rate = inner, kind, members, rate

    def fit(self, train: Table, context: FitContext) -> Scorer:
        labels = train.given_labels()
        weights = train.row_weights() / train.row_weights().mean()
        fitted: list[Scorer] = []
        says: list[float] = []
        for number in range(self.members):
            member = self.inner.fit(train.with_weights(weights if number else train.weights), context.reseeded(number))
            scores = member.scores(train)
            if self.kind == "real":
                weights, say = samme_r_weights(weights, scores, labels, self.rate), 1.0
            else:
                weights, say = samme_weights(weights, scores, labels, self.rate)
            if say <= 0 and fitted:
                break  # no better than guessing on the rows that are left hard
            fitted.append(member)
            says.append(max(say, TINY))
            if say >= MOST_SAY:
                break  # nothing is wrong any more
        return BoostedScorer(fitted) if self.kind == "real" else AverageScorer(fitted, np.array(says))


class Boosting(Method):
    """Fits members in turn, each on rows weighted by how wrong the members before it were.

    kind     discrete (default): SAMME, mistakes count, members' probabilities are averaged by how right they are;
             real: SAMME.R, probabilities count, the members' geometric mean answers
    members  2..200 fits, default 8
    rate     0.01..2, how strongly a mistake raises a row's weight, default 0.5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "untuned"})
    questions: ClassVar[tuple[int, ...]] = (1,)
    reference: ClassVar[str] = "Zhu et al., Multi-class AdaBoost, Statistics and Its Interface 2009"
    order: ClassVar[int] = 81
    rivals: ClassVar[frozenset[str]] = frozenset({"bagging", "stacking", "voting", "balanced_ensemble"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "real"})
    cost: ClassVar[float] = 8.0

    kind: Kind = "discrete"
    members: Annotated[int, Field(ge=2, le=200)] = 8
    rate: Annotated[float, Field(ge=0.01, le=2)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if "row_weights" not in model.can:
            return f"{model.name} takes no row weights; bagging needs none"
        return None

    def learner(self, learner: Learner) -> Learner:
        return BoostedLearner(learner, self.kind, self.members, self.rate)
