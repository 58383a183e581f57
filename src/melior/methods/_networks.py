"""What the methods that set how a network is built or trained share."""

from melior.models._base import Model


def lacking(model: Model, setting: str, instead: str) -> str | None:
    """Why a method that changes this setting of a family cannot be used with it, or None."""
    if not model.is_network:
        return f"{model.name} is no network; {instead}"
    if setting not in type(model).model_fields:
        return f"{model.name} has no setting {setting}: its layers are given; {instead}"
    return None


def untrained(model: Model) -> str | None:
    """Why nothing can act inside the training of a family with these settings, or None."""
    if not model.is_network:
        return f"{model.name} is no network; name one under `model`"
    source = getattr(model, "pretrained_source", str)()
    if source and getattr(model, "chosen", str)() == "frozen":
        return (
            f"{model.name} with a frozen pretrained model trains no network, only a logistic regression on what that "
            "model says of each row; give tuning: last_k, lora or full"
        )
    return None
