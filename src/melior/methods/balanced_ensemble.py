"""Balanced ensemble: every member sees all classes equally often, and together they see nearly every row."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.methods._base import Method
from melior.methods.bagging import BaggedLearner
from melior.models._base import Learner


class BalancedEnsemble(Method):
    """Averages fits, each on as many rows of every class as the rarest class has.

    members  2..200 fits, default 10
    share    0.1..1 of the rarest class's rows that a member draws from every class, default 1
    repeats  true: rows are drawn with repeats; false (default): without, so that no rare row is left out
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Liu et al., Exploratory Undersampling for Class-Imbalance Learning, IEEE SMC B 2009"
    order: ClassVar[int] = 80
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"bagging", "boosting", "stacking", "voting", "class_weights", "oversampling", "undersampling"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"members": 30})
    cost: ClassVar[float] = 3.0

    members: Annotated[int, Field(ge=2, le=200)] = 10
    share: Annotated[float, Field(ge=0.1, le=1)] = 1.0
    repeats: bool = False

    def learner(self, learner: Learner) -> Learner:
        return BaggedLearner(learner, self.members, self.share, self.repeats, balanced=True)
