"""What the methods for long texts share."""

from collections.abc import Callable

from melior.data.table import Table
from melior.models._base import Model


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
