"""Losses of language models as (sum, count), and the modules that give what they need.

The logits of a big vocabulary are the largest thing in training a small language model: 8 rows of 1,024 tokens and
50,000 words are 1.6 GB in float32, and the gradient as much again. So they are made a few tokens at a time, only where
a token counts, and made again in the backward pass instead of kept.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from melior.engine.losses import IGNORED, class_loss, multi_label_loss
from melior.engine.problem import Batch
from melior.networks.pooling import AttentionPool, token_shares
from melior.networks.windows import Windows, by_text, pooled_windows, shares

__all__ = ["CausalNetwork", "TextClassifier", "TokenLoss", "class_loss", "language_loss", "multi_label_loss"]
CELLS = 2**24  # logits made at once: 64 MB in float32


class TokenLoss(NamedTuple):
    """The summed loss of the tokens that count, and how many do."""

    total: Tensor
    counted: Tensor


def next_token_loss(hidden: Tensor, head: nn.Module | None, labels: Tensor, cells: int = CELLS) -> TokenLoss:
    """Cross-entropy of the next tokens, in nats, without ever holding all logits.

    hidden  (rows, time, width), the model's last states
    head    width to vocabulary; None: `hidden` are the logits already
    labels  (rows, time), the token of each place itself and -100 for what does not count; place t is predicted from
            the state at t - 1
    cells   logits made at once, in the forward and again in the backward pass
    """
    states, wanted = hidden[:, :-1], labels[:, 1:]
    counted = wanted != IGNORED
    states, wanted = states[counted], wanted[counted]  # (tokens, width), (tokens,)
    total = hidden.sum() * 0.0 if not len(wanted) else hidden.new_zeros((), dtype=torch.float64)
    if head is None:
        return TokenLoss(total + summed(states, wanted), counted.sum().float())
    step = max(cells // _outputs(head), 1)
    for start in range(0, len(wanted), step):
        part = states[start : start + step], wanted[start : start + step]
        if torch.is_grad_enabled() and len(wanted) > step:
            total = total + checkpoint(_summed, head, *part, use_reentrant=False)
        else:
            total = total + _summed(head, *part)
    return TokenLoss(total, counted.sum().float())


def _summed(head: nn.Module, states: Tensor, wanted: Tensor) -> Tensor:
    return summed(head(states), wanted)


def summed(logits: Tensor, wanted: Tensor) -> Tensor:
    """The cross-entropy of all tokens together. logits (tokens, vocabulary); wanted (tokens,).

    Summed in float64: a sum of a thousand losses of 8 nats keeps three digits behind the point in float32, and the
    same tokens in other portions, as on more ranks, would show another loss.
    """
    return cross_entropy(logits.float(), wanted, reduction="none").sum(dtype=torch.float64)


def _outputs(head: nn.Module) -> int:
    layer: Any = getattr(head, "base", head)  # under LoRA the layer itself is one step further in
    return int(layer.weight.shape[0])


class CausalNetwork(nn.Module):
    """A causal model for the engine.

    inputs   input_ids, position_ids and labels (rows, time); padding at the end (see LanguageRows)
    outputs  TokenLoss with labels, else the logits (rows, time, vocabulary)

    Where a model does more to its logits than its output layer (soft caps, scales), which is measured once, its own
    logits are used.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.plain_head = _plain_head(model)

    def forward(
        self, input_ids: Tensor, position_ids: Tensor | None = None, labels: Tensor | None = None
    ) -> TokenLoss | Tensor:
        given = {"input_ids": input_ids, "use_cache": False}
        if position_ids is not None:
            given["position_ids"] = position_ids
        if labels is None:
            logits: Tensor = self.model(**given).logits
            return logits
        if self.plain_head:
            hidden = self.model.base_model(**given)[0]
            return next_token_loss(hidden, self.model.get_output_embeddings(), labels)
        return next_token_loss(self.model(**given).logits, None, labels)


def language_loss(outputs: TokenLoss, batch: Batch) -> tuple[Tensor, Tensor]:
    """The loss of a CausalNetwork for the engine: (sum, tokens that count)."""
    return outputs.total, outputs.counted


def _plain_head(model: Any) -> bool:
    """Whether the logits are the output layer of the last states and nothing more."""
    head = model.get_output_embeddings()
    if head is None:
        return False
    ids = torch.arange(4, device=next(model.parameters()).device)[None]
    training = model.training
    model.eval()
    with torch.no_grad():
        own = model(input_ids=ids, use_cache=False).logits
        made = head(model.base_model(input_ids=ids, use_cache=False)[0])
    model.train(training)
    return bool(own.shape == made.shape and torch.allclose(own, made, rtol=1e-4, atol=1e-5))


class TextClassifier(nn.Module):
    """A pooled encoder with a linear head.

    inputs   input_ids and attention_mask (rows, time); where texts are cut, of all their windows, and the windows
    outputs  logits (texts, classes)

    pooling  mean of the tokens, cls: the first token, or attention: what is learned to count
    dropout  before the head
    windows  None, or how the windows of a text become one vector: mean, max, attention
    """

    def __init__(
        self, encoder: Any, classes: int, *, pooling: str = "mean", dropout: float = 0.1, windows: str | None = None
    ) -> None:
        super().__init__()
        width = encoder.config.get_text_config().hidden_size
        self.encoder = encoder
        self.pooling = pooling
        self.windows = windows
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.attention = AttentionPool(width) if pooling == "attention" else None
        self.window_attention = AttentionPool(width) if windows == "attention" else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor, windows: Windows | None = None) -> Tensor:
        if self.attention is None:
            pooled = encoded(self.encoder, input_ids, attention_mask, self.pooling)
        else:
            pooled = self.attention(self.states(input_ids, attention_mask), attention_mask.bool())
        if windows is not None:
            grid, real = by_text(pooled, windows)
            many = self.window_attention
            pooled = pooled_windows(grid, real, self.windows or "mean") if many is None else many(grid, real)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(rows, time, width) of the encoder."""
        found: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        return found

    def token_weights(
        self, input_ids: Tensor, attention_mask: Tensor, windows: Windows | None = None
    ) -> tuple[Tensor, Tensor]:
        """(rows, time) what each token counts in its row, and (rows,) what each window counts in its text; both sum to
        1. Where the tokens are not weighed but the windows are, the tokens of a window count alike."""
        states = self.states(input_ids, attention_mask)
        alone = states.new_ones(len(states))
        how = "mean" if windows is not None and self.attention is None else self.pooling
        own = token_shares(attention_mask, how, states, self.attention)
        if windows is None:
            return own, alone
        vectors = (token_shares(attention_mask, self.pooling, states, self.attention)[..., None] * states).sum(dim=1)
        grid, real = by_text(vectors, windows)
        many = self.window_attention
        of_text = shares(grid, real, self.windows or "mean") if many is None else many.weights(grid, real)
        return own, of_text[windows.owners, windows.places]


def encoded(encoder: Any, input_ids: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    """(rows, width): the mean of each row's real tokens, or its first token's state.

    Reimers and Gurevych, Sentence-BERT, 2019 (mean); Devlin et al., BERT, 2019 (the first token).
    """
    states: Tensor = encoder(input_ids=input_ids, attention_mask=attention_mask)[0]  # (rows, time, width)
    if pooling == "cls":
        return states[:, 0]
    real = attention_mask[..., None].to(states.dtype)
    return (states * real).sum(1) / real.sum(1).clamp(min=1)
