"""Masked words: an encoder goes on learning from texts without labels, in whatever language they are.

Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019; that this adapts an encoder to a
language or domain: Gururangan et al., Don't Stop Pretraining, ACL 2020.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu

from melior.engine.loop import train
from melior.engine.losses import IGNORED
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.errors import UserError
from melior.networks.build import drawing
from melior.networks.loading import Loaded
from melior.networks.losses import TokenLoss, language_loss, summed
from melior.networks.tokens import Tokens, tokenized

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens: the mask, another token; the rest stay (Devlin et al. 2019)


def masked(
    ids: NDArray[np.int64], allowed: NDArray[np.bool_], share: float, mask: int, size: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, time) ids with some changed, and the tokens to be found: -100 where there is nothing to find.

    allowed  (rows, time) tokens that may be chosen, each with probability `share`; one at least where any may be
    mask     the id of the mask; size: of the vocabulary, from which other tokens are drawn
    """
    drawn = random.random(ids.shape)
    chosen = (drawn < share) & allowed
    if allowed.any() and not chosen.any():
        chosen.flat[np.argmin(np.where(allowed, drawn, 2.0))] = True
    labels = np.where(chosen, ids, IGNORED)
    how = random.random(ids.shape)
    other = random.integers(size, size=ids.shape)
    changed = np.where(chosen & (how < MASKED), mask, ids)
    changed = np.where(chosen & (how >= MASKED) & (how < MASKED + RANDOM), other, changed)
    return changed, labels


class MaskedRows:
    """Texts for the engine. Which tokens are masked depends on the rows of a batch and the seed: rows that stand
    together anew are masked anew."""

    def __init__(self, tokens: Tokens, tokenizer: Any, share: float, seed: int) -> None:
        self.tokens, self.share, self.seed = tokens, share, seed
        self.pad, self.mask, self.size = int(tokenizer.pad_token_id), int(tokenizer.mask_token_id), len(tokenizer)
        self.special = np.asarray(sorted(tokenizer.all_special_ids), dtype=np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.tokens.lengths

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        padded, real = self.tokens.padded(rows, self.pad)
        ids = padded.numpy()
        allowed = (real.numpy() == 1) & ~np.isin(ids, self.special)
        random = np.random.default_rng([self.seed, *np.asarray(rows).tolist()])
        changed, labels = masked(ids, allowed, self.share, self.mask, self.size, random)
        tokens = int(real.sum())
        inputs = {"input_ids": torch.from_numpy(changed), "attention_mask": real, "labels": torch.from_numpy(labels)}
        return Batch(inputs, torch.from_numpy(labels), None, len(rows), tokens, real.numel() - tokens)


class MaskedNetwork(nn.Module):
    """An encoder with a head for masked tokens: dense, GELU, layer norm, and the token embeddings themselves as the
    output layer (Press and Wolf, Using the Output Embedding to Improve Language Models, EACL 2017)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.get_input_embeddings().weight.shape[1]
        states = encoder.config.get_text_config().hidden_size
        self.dense = nn.Linear(states, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(encoder.get_input_embeddings().weight.shape[0]))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> TokenLoss:
        states: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        counted = labels != IGNORED
        made = self.norm(gelu(self.dense(states[counted])))  # (tokens, width): only where something is to be found
        logits = made @ self.encoder.get_input_embeddings().weight.T + self.bias
        total = summed(logits, labels[counted]) if counted.any() else states.sum() * 0
        return TokenLoss(total, counted.sum().float())


def go_on(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    epochs: int = 1,
    share: float = 0.15,
    batch_rows: int = 32,
    learning_rate: float = 5e-5,
    limit: int = 128,
    seed: int = 0,
) -> float:
    """Teaches the encoder, in place, to find masked tokens of the texts; gives the loss of the last steps, in nats a
    token. share: of the tokens that are to be found."""
    if loaded.tokenizer.mask_token_id is None:
        raise UserError(f"{loaded.name}: its tokenizer has no mask, so masked words cannot be learned; use an encoder.")
    rows = MaskedRows(tokenized(loaded.tokenizer, texts, limit), loaded.tokenizer, share, seed)
    settings = Training(
        epochs=epochs, batch_rows=min(batch_rows, len(texts)), learning_rate=learning_rate, schedule="cosine",
        warmup=0.1, seed=seed, checkpoint_every=0, weight_decay=0.01,
    )  # fmt: skip
    with drawing():
        torch.manual_seed(seed)
        network = MaskedNetwork(loaded.model)
    found = train(network, rows, language_loss, settings)
    loaded.model.eval()
    losses = [float(line["loss"]) for line in found.history if line.get("kind") == "step" and "loss" in line]
    return float(np.mean(losses[-max(1, len(losses) // 10) :])) if losses else float("nan")
