"""Voting: the recipe's family and others answer together, each with a say earned on rows that it did not see."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.methods._learners import others
from melior.models._base import FitContext, Learner
from melior.predictor import Scorer

Kind = Literal["soft", "hard"]
Weights = Literal["held_out", "equal"]

LEAST = 1e-3
TIES = 1e-6  # share of the mean probabilities in hard votes: they decide between classes of as many votes


def says(right: Floats, classes: int) -> Floats:
    """(members,) how much each says, sum 1: log(right / (1 - right)) + log(classes - 1) of its share of right answers,
    and nothing of one that is no better than guessing; all alike where none is.

    With it a vote is the likeliest class where members err independently: Nitzan and Paroush, Optimal Decision Rules
    in Uncertain Dichotomous Choice Situations, International Economic Review 1982; for more classes Kuncheva, Combining
    Pattern Classifiers, 2014, 4.3.
    """
    clipped = np.clip(right, LEAST, 1 - LEAST)
    found = np.maximum(np.log(clipped / (1 - clipped)) + np.log(max(classes - 1, 1)), 0)
    return np.asarray(found / found.sum() if found.sum() > 0 else np.full(len(right), 1 / len(right)))


def votes(scores: Floats, weights: Floats) -> Floats:
    """(rows, classes) each class's share of the weighted votes; ties go to the class that is more probable on the
    whole.

    scores (members, rows, classes) probabilities; weights (members,), sum 1. Each member votes for its likeliest class.
    """
    voted = np.eye(scores.shape[2])[scores.argmax(axis=2)]  # (members, rows, classes)
    mean = np.tensordot(weights, scores, axes=1)
    return np.asarray((1 - TIES) * np.tensordot(weights, voted, axes=1) + TIES * mean)


class VotingScorer(Scorer):
    """The weighted mean of the members' probabilities, or their votes."""

    def __init__(self, members: list[Scorer], weights: Floats, kind: str) -> None:
        self.members = members
        self.weights = np.asarray(weights, dtype=np.float64)
        self.kind = kind

    def scores(self, table: Table) -> Floats:
        each = np.stack([member.scores(table) for member in self.members])
        return votes(each, self.weights) if self.kind == "hard" else np.tensordot(self.weights, each, axes=1)


class VotingLearner:
    """The inner learner and one of every other family."""

    def __init__(self, inner: Learner, families: tuple[str, ...], kind: Kind, weights: Weights) -> None:
        self.inner, self.families, self.kind, self.weights = inner, families, kind, weights

    def fit(self, train: Table, context: FitContext) -> Scorer:
        members = [self.inner, *others(self.inner, self.families, train, context)]
        fitted = [member.fit(train, context.reseeded(number)) for number, member in enumerate(members)]
        shares = np.full(len(members), 1 / len(members))
        if self.weights == "held_out" and len(members) > 1:
            shares = says(self._right(members, train, context), len(train.classes))
        heard = np.flatnonzero(shares > 0)
        return VotingScorer([fitted[number] for number in heard], shares[heard], self.kind)

    def _right(self, members: list[Learner], train: Table, context: FitContext) -> Floats:
        """(members,) the mean over classes of the share of right answers on rows that a fit did not see, so that a rare
        class counts as much as a common one."""
        labels: Labels = train.given_labels()
        weights = train.row_weights()
        found = []
        for member in members:
            right = context.out_of_fold(member, train).argmax(axis=1) == labels
            found.append(np.mean([np.average(right[own], weights=weights[own]) for own in _classes(labels)]))
        return np.array(found)


def _classes(labels: Labels) -> list[Any]:
    return [labels == number for number in np.unique(labels)]


class Voting(Method):
    """The recipe's family votes with others.

    families  names of the families that join the recipe's own, default linear and trees; what cannot read the table
              is left out
    kind      soft (default): the mean of the probabilities; hard: each family has one vote a row
    weights   held_out (default): by how right each family is on training rows that a fit did not see, nothing for one
              that only guesses; equal
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "untuned", "small_data"})
    questions: ClassVar[tuple[int, ...]] = (23, 1)
    reference: ClassVar[str] = "Kuncheva, Combining Pattern Classifiers, Wiley 2014"
    order: ClassVar[int] = 83
    rivals: ClassVar[frozenset[str]] = frozenset({"bagging", "boosting", "balanced_ensemble", "stacking"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "hard"})
    cost: ClassVar[float] = 12.0

    families: Annotated[tuple[str, ...], Field(min_length=1)] = ("linear", "trees")
    kind: Kind = "soft"
    weights: Weights = "held_out"

    def learner(self, learner: Learner) -> Learner:
        return VotingLearner(learner, self.families, self.kind, self.weights)
