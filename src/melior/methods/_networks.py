"""What the methods that set how a network is built or trained share."""

from melior.models._base import Model


def lacking(model: Model, setting: str, instead: str) -> str | None:
    """Why a method that changes this setting of a family cannot be used with it, or None."""
    if not model.is_network:
        return f"{model.name} is no network; {instead}"
    if setting not in type(model).model_fields:
        return f"{model.name} has no setting {setting}: its layers are given; {instead}"
    return None
