"""Whether there are features for what acts on them: some networks read words or pixels as they are."""

from typing import Any

from melior.data.table import Table
from melior.models._base import Model


def no_features(model: Model, table: Table, to: str, *, codes: bool = True) -> str | None:
    """Why there is nothing `to` do something with, and what to use instead; None where there is. codes: something can
    be done with codes of categories too."""
    encoder: Any = model.encoder(table, scaled=False)
    if getattr(encoder, "parts", ()) and not encoder.blocks.blocks:
        return f"{model.name} reads words or pixels as they are, so there are no features to {to}; use linear"
    blocks = getattr(encoder, "blocks", None)
    blocks = getattr(blocks, "blocks", blocks)
    if not codes and blocks and all(block.categorical() for block in blocks):
        return f"{model.name} reads categories as codes, and there are no other columns to {to}; use linear"
    return None
