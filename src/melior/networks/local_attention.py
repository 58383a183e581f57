"""Attention of a sliding window and a few tokens that see all: its cost grows with the length, not with its square.

Every token attends to the tokens at most half a window before and behind it and to the first tokens of the text,
which attend to all. Beltagy et al., Longformer: The Long-Document Transformer, 2020 (https://arxiv.org/abs/2004.05150),
without its second set of projections for the tokens that see all: a pretrained encoder is used with the weights it has.

Queries go in blocks of half a window; a block attends to itself, to the blocks beside it and to the first tokens, by
torch's `scaled_dot_product_attention`, so that it works, and can be trained, on every device: torch's own
`flex_attention` has no backward pass on a CPU (torch 2.13).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from melior.networks.library import whole_library
from melior.networks.loading import quiet

NAME = "melior_local"  # of this attention among those of transformers
LEAST_BLOCK = 16  # smaller blocks are more work for torch than they save


def local_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    real: Tensor | None = None,
    *,
    window: int,
    first: int = 1,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """softmax(scale q k^T) v, where token t attends to token s if |t - s| <= window / 2, or t < first, or s < first.

    query, key, value  (rows, heads, time, width of a head)
    real     (rows, time) true where there is a token, or None: everywhere. A row's first token must be one
    window   tokens that a token attends to, half of them on each side; from twice the time on all attend to all
    first    tokens at the beginning that attend to all and that all attend to, 1 or more
    dropout  of the weights, 0..1
    scale    None: 1 / sqrt(width of a head)

    Returns (rows, heads, time, width of a head). Memory and time are O(time * (window + first)).
    """
    rows, heads, time, width = query.shape
    half, first = window // 2, min(first, time)
    how: dict[str, Any] = {"dropout_p": dropout, "scale": scale}
    seen = None if real is None else real[:, None, None, :]  # (rows, 1, 1, time)
    if half >= time - 1:
        return scaled_dot_product_attention(query, key, value, seen, **how)
    block = max(half, LEAST_BLOCK)
    blocks = -(-time // block)
    more = blocks * block - time
    if real is None:
        real = torch.ones(rows, time, dtype=torch.bool, device=query.device)

    def cut(states: Tensor) -> Tensor:
        """(rows, heads, time, width) to (rows, heads, blocks, block, width)."""
        return pad(states, (0, 0, 0, more)).reshape(rows, heads, blocks, block, width)

    def beside(states: Tensor) -> Tensor:
        """Each block with the one before and the one behind, and the first tokens of the text ahead of them:
        (rows, heads, blocks, first + 3 * block, width)."""
        edged = pad(cut(states), (0, 0, 0, 0, 1, 1))
        ahead = states[:, :, None, :first].expand(-1, -1, blocks, -1, -1)
        return torch.cat([ahead, edged[:, :, :-2], edged[:, :, 1:-1], edged[:, :, 2:]], dim=3)

    mask = _near(real, half, block, blocks, first)  # (rows, blocks, block, first + 3 * block)
    # the heads stand behind the blocks, so that all of them share a mask
    inside = scaled_dot_product_attention(
        cut(query).transpose(1, 2).flatten(0, 1),  # (rows * blocks, heads, block, width)
        beside(key).transpose(1, 2).flatten(0, 1),
        beside(value).transpose(1, 2).flatten(0, 1),
        mask.flatten(0, 1)[:, None],
        **how,
    )
    found = inside.reshape(rows, blocks, heads, block, width).transpose(1, 2).flatten(2, 3)[:, :, :time]
    ahead = scaled_dot_product_attention(query[:, :, :first], key, value, seen, **how)  # the first tokens see all
    return torch.cat([ahead, found[:, :, first:]], dim=2)


def _near(real: Tensor, half: int, block: int, blocks: int, first: int) -> Tensor:
    """Which of the first tokens and of three blocks each token attends to; a first token that lies in the three blocks
    counts once."""
    time = real.shape[1]
    device = real.device
    inner = torch.arange(block, device=device)
    apart = torch.arange(-block, 2 * block, device=device) - inner[:, None]  # (block, 3 * block)
    # what may be attended to as one of three blocks: real, and not one of the first
    own = real & (torch.arange(time, device=device) >= first)
    edged = pad(own, (block, blocks * block - time + block)).reshape(-1, blocks + 2, block)
    around = torch.cat([edged[:, :-2], edged[:, 1:-1], edged[:, 2:]], dim=2)  # (rows, blocks, 3 * block)
    near = around[:, :, None, :] & (apart.abs() <= half)
    ahead = real[:, None, None, :first].expand(-1, blocks, block, -1)
    return torch.cat([ahead, near], dim=3)


def attention_of_library(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What a layer of transformers calls; window and first tokens stand in its config."""
    config: Any = module.config
    found = local_attention(
        query,
        key,
        value,
        attention_mask,
        window=config.melior_window,
        first=config.melior_first,
        dropout=dropout,
        scale=scaling,
    )
    return found.transpose(1, 2), None


def mask_of_library(*, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:
    """Which tokens are real, (rows, time), instead of a matrix of all pairs."""
    return None if attention_mask is None or bool(attention_mask.all()) else attention_mask.bool()


def attend_locally(encoder: Any, window: int, first: int) -> None:
    """Sets the attention of a transformers encoder, in place: `window` and `first` as in `local_attention`. For which
    encoders that can be done, `melior.networks.longer.why_not` says."""
    whole_library()
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attention_of_library)
    AttentionMaskInterface.register(NAME, mask_of_library)
    encoder.config.melior_window, encoder.config.melior_first = window, first
    with quiet():  # what cannot be set is said by `why_not`
        encoder.set_attn_implementation(NAME)
