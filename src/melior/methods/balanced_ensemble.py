"""Balanced ensemble: every member sees all classes equally often, and together they see nearly every row."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.methods.bagging import BaggedLearner, drawn
from melior.methods.boosting import MOST, MOST_SAY, TINY, BoostedLearner
from melior.models._base import AverageScorer, FitContext, Learner, Model
from melior.predictor import Scorer
from melior.recipe import Recipe


def m2_weights(weights: Floats, scores: Floats, labels: Labels, rate: float) -> tuple[Floats, float]:
    """(rows,) weights after one fit, with mean 1, and the fit's say, log(1 / b), times the rate.

    weights, labels (rows,); scores (rows, classes) probabilities. With h the score of a row's own class and g the mean
    of the others, the pseudo-loss is e = sum of w (1 - h + g) / 2 over rows of weights that sum to 1, b = e / (1 - e),
    and a row's weight is multiplied by b ** (rate (1 + h - g) / 2): what is answered with certainty counts less. For
    two classes this is AdaBoost.M2 of Freund and Schapire, 1997; for more, the mean stands for its distribution over
    the wrong classes.
    """
    rows, classes = scores.shape
    own = scores[np.arange(rows), labels]
    others = (scores.sum(axis=1) - own) / max(classes - 1, 1)
    loss = float(np.clip(weights @ (1 - own + others) / 2 / weights.sum(), TINY, 1 - TINY))
    odds = loss / (1 - loss)
    changed = weights * odds ** (rate * (1 + own - others) / 2)
    changed = np.minimum(changed / changed.mean(), MOST)
    return np.asarray(changed / changed.mean()), float(-rate * np.log(odds))


class UndersampledBoosting:
    """RUSBoost: each member of a boosting is fitted on rows of which every class has equally many, drawn anew."""

    def __init__(self, inner: Learner, members: int, share: float, repeats: bool, rate: float) -> None:
        self.inner, self.members, self.share, self.repeats, self.rate = inner, members, share, repeats, rate

    def fit(self, train: Table, context: FitContext) -> Scorer:
        labels = train.given_labels()
        weights = train.row_weights() / train.row_weights().mean()
        fitted: list[Scorer] = []
        says: list[float] = []
        for number in range(self.members):
            own = context.reseeded(number)
            rows = drawn(labels, self.share, self.repeats, True, np.random.default_rng([own.seed, 80]))
            member = self.inner.fit(train.take(rows).with_weights(weights[rows] / weights[rows].mean()), own)
            weights, say = m2_weights(weights, member.scores(train), labels, self.rate)
            if say <= 0 and fitted:
                continue  # no better than guessing on the rows that are left hard; other rows are drawn next
            fitted.append(member)
            says.append(max(say, TINY))
            if say >= MOST_SAY:
                break
        return AverageScorer(fitted, np.array(says))


class BalancedEnsemble(Method):
    """Averages fits, each on as many rows of every class as the rarest class has.

    kind     balanced_bagging (default): a member is one fit; easy_ensemble: a member is itself a boosting of `rounds`
             fits on its rows; rus_boost: the members are a boosting, each on rows drawn anew
    members  2..200 members, default 10
    share    0.1..1 of the rarest class's rows that a member draws from every class, default 1
    repeats  true: rows are drawn with repeats; false (default): without, so that no rare row is left out
    rounds   2..100 fits of a member of easy_ensemble, default 5
    rate     0.01..2, how strongly a mistake raises a row's weight in easy_ensemble and rus_boost, default 0.5
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = (
        "Liu et al., Exploratory Undersampling for Class-Imbalance Learning, IEEE SMC B 2009; "
        "Seiffert et al., RUSBoost, IEEE SMC A 2010"
    )
    order: ClassVar[int] = 80
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"bagging", "boosting", "stacking", "voting", "class_weights", "oversampling", "undersampling", "gan_samples"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "rus_boost"}, {"kind": "easy_ensemble"})
    cost: ClassVar[float] = 3.0

    kind: Literal["balanced_bagging", "easy_ensemble", "rus_boost"] = "balanced_bagging"
    members: Annotated[int, Field(ge=2, le=200)] = 10
    share: Annotated[float, Field(ge=0.1, le=1)] = 1.0
    repeats: bool = False
    rounds: Annotated[int, Field(ge=2, le=100)] = 5
    rate: Annotated[float, Field(ge=0.01, le=2)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind != "balanced_bagging" and "row_weights" not in model.can:
            return f"{model.name} takes no row weights, which boosting needs; use kind: balanced_bagging"
        return None

    def learner(self, learner: Learner) -> Learner:
        if self.kind == "rus_boost":
            return UndersampledBoosting(learner, self.members, self.share, self.repeats, self.rate)
        if self.kind == "easy_ensemble":
            learner = BoostedLearner(learner, "discrete", self.rounds, self.rate)
        return BaggedLearner(learner, self.members, self.share, self.repeats, balanced=True)
