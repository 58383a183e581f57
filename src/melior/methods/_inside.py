"""What a method attaches to a network, where it needs the training rows first or acts otherwise for other families."""

from abc import ABC, abstractmethod

from melior.data.table import Table
from melior.errors import UserError
from melior.methods._acting import Acting
from melior.models._base import FamilyLearner, FitContext, Learner, Model
from melior.predictor import Scorer


class TeachingLearner(ABC):
    """Looks at the training rows, then fits a network with what follows from them acting inside its training."""

    def __init__(self, inner: Learner) -> None:
        self.inner = inner

    @abstractmethod
    def fit(self, train: Table, context: FitContext) -> Scorer: ...


def family_of(learner: Learner) -> Model:
    """The family that a learner fits."""
    if not isinstance(learner, FamilyLearner):
        raise UserError(
            "methods: of those that wrap fitting, one that acts inside training must come first, and another stands "
            "before it here; take one of them out."
        )
    return learner.model


def taught(learner: Learner, *acting: Acting) -> FamilyLearner:
    """The learner of a network with these acting inside its training, after those that it has."""
    model = family_of(learner)
    assert isinstance(learner, FamilyLearner)
    return FamilyLearner(model.taught_by(*acting), learner.table_steps, learner.matrix_steps)
