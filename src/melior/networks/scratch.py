"""Small models from nothing: an encoder like BERT and a causal model like Llama, in transformers' own format."""

from typing import Any

import torch

from melior.errors import UserError
from melior.networks.library import whole_library


def small_encoder(
    vocabulary: int,
    *,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    context: int = 256,
    dropout: float = 0.1,
    pad: int = 0,
    seed: int = 0,
) -> Any:
    """An untrained encoder (Devlin et al., BERT, 2019).

    vocabulary  tokens. width  of the states, a multiple of `heads`. depth  layers. context  most tokens of a row
    dropout     in states and attention, 0..1. pad  id of the pad token. seed  of the weights
    """
    whole_library()
    from transformers import BertConfig, BertModel

    _checked(width, heads)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=context,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=pad,
        type_vocab_size=1,
    )
    return _seeded(lambda: BertModel(config, add_pooling_layer=False), seed)


def small_causal(
    vocabulary: int,
    *,
    width: int = 128,
    depth: int = 4,
    heads: int = 4,
    context: int = 256,
    pad: int | None = None,
    end: int | None = None,
    seed: int = 0,
) -> Any:
    """An untrained causal model (Touvron et al., LLaMA, 2023): rotary positions, SwiGLU, RMSNorm, tied token vectors.

    vocabulary  tokens. width  of the states, a multiple of 2 * `heads`. depth  layers. context  most tokens of a row
    pad, end    ids of the pad and the end token. seed  of the weights
    """
    whole_library()
    from transformers import LlamaConfig, LlamaForCausalLM

    _checked(width, 2 * heads)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        # three matrices instead of two: 8/3 instead of 4 widths, to a multiple of 8
        intermediate_size=-(-(8 * width // 3) // 8) * 8,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=pad,
    )
    return _seeded(lambda: LlamaForCausalLM(config), seed)


def _checked(width: int, multiple: int) -> None:
    if width % multiple:
        raise UserError(f"a width of {width} cannot be shared by the heads: make it a multiple of {multiple}.")


def _seeded(make: Any, seed: int) -> Any:
    """The global random state is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()
