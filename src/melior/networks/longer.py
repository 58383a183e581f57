"""Pretrained encoders for texts longer than they were trained on: windows of attention, and positions repeated."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melior.networks.loading import POSITIONS_AFTER_PADDING
from melior.networks.local_attention import LEAST_BLOCK, attend_locally

POSITIONS = "position_embeddings.weight"  # how the names of learned positions end
OF_ITS_OWN = ("sliding_window", "local_attention", "attention_window", "attention_chunk_size")


def with_local_attention(encoder: Any, local: Mapping[str, int] | None) -> Any:
    """The encoder itself, with the attention that a plan says: {"window": ..., "first": ...}, or None for its own."""
    if local is not None:
        attend_locally(encoder, local["window"], local["first"])
    return encoder


@torch.no_grad()
def why_not(make: Callable[[], Any], vocabulary: int, longest: int) -> str | None:
    """Why an encoder cannot attend within windows, or None. Measured, as nothing else says it for every architecture:
    with a window over all it must give what it gives by itself, and with a small one something else.

    make        gives the encoder anew, with the same weights
    vocabulary  its tokens
    longest     tokens that it takes
    """
    encoder = make()
    if any(getattr(encoder.config, name, None) for name in OF_ITS_OWN):
        return "it attends within windows by itself; leave sparse_attention out, and set longest to what it reads"
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (2, min(longest, 4 * LEAST_BLOCK)), generator=generator)
    real = torch.ones_like(tokens)
    real[1, tokens.shape[1] // 2 :] = 0

    def states(encoder: Any) -> Tensor:
        given: Tensor = encoder.eval()(input_ids=tokens, attention_mask=real)[0]
        return given * real[..., None]

    own = states(encoder)
    near = 1e-3 * float(own.abs().max())
    try:
        wide, narrow = (
            states(with_local_attention(make(), {"window": window, "first": 1})) for window in (2 * tokens.shape[1], 2)
        )
    except Exception:  # whatever an architecture that was not made for it raises
        return "its attention cannot be set from outside"
    if not torch.allclose(own, wide, rtol=1e-3, atol=near):
        return "its tokens do not simply attend to all others: it reads in one direction, or weighs distances"
    if torch.allclose(own, narrow, rtol=1e-3, atol=near):
        return "its attention cannot be set from outside"
    return None


def lengthened(config: Mapping[str, Any], longest: int) -> dict[str, Any]:
    """The config of an encoder that takes texts of `longest` tokens."""
    known = config.get("max_position_embeddings")
    if known is None or longest + _reserved(config) <= known:
        return dict(config)
    return {**config, "max_position_embeddings": longest + _reserved(config)}


def repeated_positions(
    state: Mapping[str, NDArray[Any]], before: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Weights for `config`, which is `before` lengthened: the learned positions over again, as often as needed.
    Encoders that turn states by their position (rotary) have none, and every window looks the same to them.

    Beltagy et al., Longformer: The Long-Document Transformer, 2020, section 5.
    """
    known, wanted = before.get("max_position_embeddings"), config.get("max_position_embeddings")
    if known == wanted:
        return dict(state)
    assert known is not None
    assert wanted is not None
    reserved = _reserved(before)
    places = np.concatenate([np.arange(reserved), reserved + np.arange(wanted - reserved) % (known - reserved)])
    return {
        name: value[places] if name.endswith(POSITIONS) and len(value) == known else value
        for name, value in state.items()
    }


def _reserved(config: Mapping[str, Any]) -> int:
    """Positions that no token has: where they are counted from behind the number of the pad token."""
    return int(config["pad_token_id"]) + 1 if config["model_type"] in POSITIONS_AFTER_PADDING else 0
