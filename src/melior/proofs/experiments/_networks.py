"""Networks that several experiments train."""

from typing import Any


def plain_layers(depth: int, **settings: Any) -> dict[str, Any]:
    """So many layers of 64 units on numbers as they are, 15 epochs: nothing that helps a deep network to learn."""
    own = {"depth": depth, "width": 64, "dropout": 0.0, "embedding": "none", "epochs": 15}
    return {"tabular_network": {**own, **settings}}
