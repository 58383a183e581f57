"""What methods share that fit the recipe's family in another way, or others beside it."""

from collections.abc import Sequence

from melior.data.table import Table
from melior.errors import UserError
from melior.models._base import FamilyLearner, FitContext, Learner
from melior.recipe import Recipe

# of these one at a time can decide how a family is fitted
INSTEAD = ("incremental_training", "model_fusion", "few_shot_head")


def beside(recipe: Recipe, name: str) -> str | None:
    """Why a method cannot be used with another of the recipe's, or None."""
    others = [method.name for method in recipe.methods if method.name in INSTEAD and method.name != name]
    mixing = [m.name for m in recipe.methods if m.name == "table_augmentation" and m.settings.get("kind") == "mixup"]
    both = [*others, *mixing]
    return f"{both[0]} fits the family in a way of its own too; use one of the two" if both else None


def the_family(learner: Learner, name: str) -> FamilyLearner:
    """The learner as that of a family."""
    if not isinstance(learner, FamilyLearner):
        raise UserError(f"methods.{name} fits the recipe's family itself; take out the other method that does.")
    return learner


def others(inner: Learner, families: Sequence[str], train: Table, context: FitContext) -> list[Learner]:
    """A learner of each of these families but the inner one's own; those that are not installed, or cannot read the
    table, are left out."""
    own = getattr(getattr(inner, "model", None), "name", None)
    found: list[Learner] = []
    for family in families:
        if family == own:
            continue
        try:
            learner = context.family(family)
        except UserError:
            continue  # a family that is not installed
        model = getattr(learner, "model", None)
        if model is None or model.unsuitable(train) is None:
            found.append(learner)
    return found
