"""What the methods for long texts share."""

from collections.abc import Callable

from melior.data.table import Table
from melior.models._base import Model
from melior.recipe import Recipe


def only_text_encoders(model: Model, table: Table, changed: Callable[[Model], Model]) -> str | None:
    """Why a method that changes how texts are encoded cannot be used with a family, or None."""
    from melior.models.text_encoder import TextEncoder

    if not isinstance(model, TextEncoder):
        if model.is_network:
            return f"{model.name} reads no text with an encoder; text_encoder does"
        return f"{model.name} reads whole texts and weighs no token by itself; text_encoder has windows and attention"
    if not table.of_kind("text"):
        return "the table has no text column; name the one that holds long texts under `columns`"
    made = changed(model)
    assert isinstance(made, TextEncoder)
    return made.too_long()


def begun_elsewhere(recipe: Recipe) -> str | None:
    """Why what the encoder of the recipe's model is taught would be lost, or None: another method of the recipe begins
    with another encoder."""
    for choice in recipe.methods:
        if choice.name in ("transfer_learning", "few_shot_head") and (source := choice.settings.get("source")):
            return (
                f"{choice.name} begins with the encoder in {source} afterwards, and what is learned here would be "
                "lost; name that folder as the source of the model, and leave it out there"
            )
    return None
