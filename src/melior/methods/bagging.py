"""Bagging: many fits on rows drawn anew, averaged, so that what one fit learnt by chance is outvoted."""

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.table import Labels, Rows, Table
from melior.methods._base import Method
from melior.models._base import AverageScorer, FitContext, Learner
from melior.predictor import Scorer


def drawn(labels: Labels, share: float, repeats: bool, balanced: bool, random: np.random.Generator) -> Rows:
    """Rows of one member: from every class `share` of its rows (balanced: of the rarest class's), at least one.

    With `repeats` it is a bootstrap: rows are put back after each draw. Drawing class by class keeps every class in
    every member.  Breiman, Bagging Predictors, Machine Learning 1996.
    """
    counts = np.bincount(labels)
    rarest = counts[counts > 0].min()
    parts = []
    for number in np.flatnonzero(counts):
        inside = np.flatnonzero(labels == number)
        most = rarest if balanced else counts[number]
        parts.append(random.choice(inside, max(1, round(share * most)), replace=repeats))
    return np.sort(np.concatenate(parts))


class BaggedLearner:
    """Fits `members` learners, each on rows of its own, and averages their probabilities."""

    def __init__(self, inner: Learner, members: int, share: float, repeats: bool, balanced: bool) -> None:
        self.inner = inner
        self.members, self.share, self.repeats, self.balanced = members, share, repeats, balanced

    def fit(self, train: Table, context: FitContext) -> Scorer:
        labels = train.strata()
        fitted: list[Scorer] = []
        for number in range(self.members):
            own = context.reseeded(number)
            random = np.random.default_rng([own.seed, 80])
            rows = drawn(labels, self.share, self.repeats, self.balanced, random)
            fitted.append(self.inner.fit(train.take(rows), own))
        return AverageScorer(fitted)


class Bagging(Method):
    """Averages the probabilities of fits on bootstrap rows.

    members  2..200 fits, default 10
    share    0.1..1 of the rows that each is fitted on, default 1
    repeats  true (default): rows are drawn with repeats, a bootstrap; false: without, for which share is below 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "untuned", "small_data"})
    questions: ClassVar[tuple[int, ...]] = (1,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Breiman, Bagging Predictors, Machine Learning 1996"
    order: ClassVar[int] = 80
    rivals: ClassVar[frozenset[str]] = frozenset({"boosting", "stacking", "voting", "balanced_ensemble"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"members": 25, "share": 0.7, "repeats": False})
    cost: ClassVar[float] = 10.0

    members: Annotated[int, Field(ge=2, le=200)] = 10
    share: Annotated[float, Field(ge=0.1, le=1)] = 1.0
    repeats: bool = True

    def learner(self, learner: Learner) -> Learner:
        return BaggedLearner(learner, self.members, self.share, self.repeats, balanced=False)
