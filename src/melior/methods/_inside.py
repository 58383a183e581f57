"""What a method attaches to a network, where it needs the training rows first or acts otherwise for other families."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from melior.data.table import Table
from melior.errors import UserError
from melior.methods._base import INSIDE
from melior.models._base import FamilyLearner, FitContext, Learner, Model
from melior.predictor import Scorer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from melior.engine.lessons import Moment, Run
    from melior.engine.problem import Batch
    from melior.networks.teaching import Known, RowLoss


class Acting:
    """Base of what `Model.taught_by` takes: the hooks inside training of `Method`, each the identity.

    told  a name with everything that it does depend on: the same for what does the same
    """

    told: str

    def network(self, network: "nn.Module", known: "Known") -> "nn.Module":
        return network

    def finished(self, network: "nn.Module") -> "nn.Module":
        return network

    def batch(self, batch: "Batch", moment: "Moment") -> "Batch":
        return batch

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        return loss

    def forward(self, run: "Run", network: "nn.Module", batch: "Batch", moment: "Moment") -> "tuple[Tensor, Tensor]":
        return run(batch)

    def acts(self) -> frozenset[str]:
        """The hooks that are not the identity."""
        return frozenset(name for name in INSIDE if getattr(type(self), name) is not getattr(Acting, name))


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
