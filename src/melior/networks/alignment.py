"""One space for two languages: an encoder taught that the texts of a translation pair say the same.

Two ways. `contrastive`: each text must be nearer to its translation than to the translations of the other pairs of the
batch, in both directions, by a margin (Feng et al., Language-agnostic BERT Sentence Embedding, ACL 2022; van den Oord
et al., Representation Learning with Contrastive Predictive Coding, 2018). `distilled`: both texts of a pair must be
where the encoder, as it came, put the source (Reimers and Gurevych, Making Monolingual Sentence Embeddings Multilingual
using Knowledge Distillation, EMNLP 2020), so that what was learned on the source language holds for the other.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from melior.engine.loop import train
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.networks.features import encoded_texts
from melior.networks.loading import Loaded
from melior.networks.losses import encoded
from melior.networks.tokens import Tokens, tokenized

Pooling = Literal["mean", "cls"]
SCALE = 20.0  # of the cosines, 1 / temperature, as in both papers' code
MARGIN = 0.3  # Feng et al. 2022


def ranking_loss(source: Tensor, target: Tensor, same: Tensor, scale: float, margin: float) -> Tensor:
    """(pairs,) -log of the probability of the right translation among those of the batch, mean of both directions.

    source, target  (pairs, width)
    same            (pairs, pairs) True where another pair says the same in one of the languages: no wrong translation

    With c the cosines, -log exp(s (c_ii - m)) / (exp(s (c_ii - m)) + sum over j != i of exp(s c_ij)), and c transposed.
    """
    cosines = normalize(source.float(), dim=1) @ normalize(target.float(), dim=1).T
    own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    logits = scale * (cosines - margin * own.float())
    logits = logits.masked_fill(same & ~own, float("-inf"))
    right = torch.arange(len(logits), device=logits.device)
    found: Tensor = (
        cross_entropy(logits, right, reduction="none") + cross_entropy(logits.T, right, reduction="none")
    ) / 2
    return found


class Siamese(nn.Module):
    """Both sides of pairs through one encoder: (pairs, width) each."""

    def __init__(self, encoder: Any, pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(
        self, source: Tensor, source_mask: Tensor, target: Tensor, target_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return (
            encoded(self.encoder, source, source_mask, self.pooling),
            encoded(self.encoder, target, target_mask, self.pooling),
        )


class PairRows:
    """Translation pairs for the engine. labels (pairs, 2): a number for each source and target text, the same for the
    same text; or (pairs, width): where both sides are to be."""

    def __init__(self, source: Tokens, target: Tokens, labels: NDArray[Any], pad: int) -> None:
        self.source, self.target, self.labels, self.pad = source, target, labels, pad

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.source.lengths + self.target.lengths

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        source, source_mask = self.source.padded(rows, self.pad)
        target, target_mask = self.target.padded(rows, self.pad)
        real = int(source_mask.sum() + target_mask.sum())
        inputs = {"source": source, "source_mask": source_mask, "target": target, "target_mask": target_mask}
        return Batch(inputs, torch.from_numpy(self.labels[rows]), None, len(rows), real,
                     source.numel() + target.numel() - real)  # fmt: skip


def contrastive_loss(outputs: tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
    """For the engine, of labels that number the texts."""
    one, other = batch.labels[:, 0], batch.labels[:, 1]
    same = (one[:, None] == one[None]) | (other[:, None] == other[None])
    losses = ranking_loss(*outputs, same, SCALE, MARGIN)
    return losses.sum(), torch.full((), float(len(losses)), device=losses.device)


def distilled_loss(outputs: tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
    """For the engine: squared distance of both sides from where they are to be, mean over the width."""
    losses = sum(((side.float() - batch.labels.float()) ** 2).mean(dim=1) for side in outputs)
    assert isinstance(losses, Tensor)
    return losses.sum(), torch.full((), float(len(losses)), device=losses.device)


def align(
    loaded: Loaded,
    source: Sequence[str],
    target: Sequence[str],
    *,
    kind: Literal["contrastive", "distilled"] = "contrastive",
    epochs: int = 3,
    batch_rows: int = 64,
    learning_rate: float = 1e-4,
    pooling: Pooling = "mean",
    limit: int = 128,
    seed: int = 0,
) -> None:
    """Teaches the encoder, in place, that source and target (pairs,) say the same; see the head of this file."""
    labels: NDArray[Any]
    tokens = [tokenized(loaded.tokenizer, texts, limit) for texts in (source, target)]
    if kind == "contrastive":
        labels = np.column_stack([np.unique(np.asarray(t, dtype=object).astype(str), return_inverse=True)[1]
                                  for t in (source, target)])  # fmt: skip
    else:
        labels = encoded_texts(loaded.model, loaded.tokenizer, source, pooling=pooling, limit=limit)
    rows = PairRows(tokens[0], tokens[1], np.ascontiguousarray(labels), int(loaded.tokenizer.pad_token_id))
    batch = min(batch_rows, len(source))
    settings = Training(
        epochs=epochs, batch_rows=batch, micro_batch=batch, learning_rate=learning_rate, schedule="cosine", warmup=0.1,
        seed=seed, checkpoint_every=0, weight_decay=0.01,
    )  # fmt: skip
    loss = contrastive_loss if kind == "contrastive" else distilled_loss
    train(Siamese(loaded.model, pooling), rows, loss, settings)
    loaded.model.eval()


def retrieval_accuracy(source: NDArray[Any], target: NDArray[Any]) -> float:
    """Share of texts whose translation is the nearest by cosine, mean of both directions; of those equally near the
    first counts.

    source, target (pairs, width), row by row translations of each other. Artetxe and Schwenk, Massively Multilingual
    Sentence Embeddings for Zero-Shot Cross-Lingual Transfer and Beyond, TACL 2019.
    """
    sides = [side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in (source, target)]
    cosines = sides[0] @ sides[1].T
    right = np.arange(len(cosines))
    return float(((cosines.argmax(axis=1) == right).mean() + (cosines.argmax(axis=0) == right).mean()) / 2)


def retrieved(
    loaded: Loaded, source: Sequence[str], target: Sequence[str], *, pooling: Pooling = "mean", limit: int = 128
) -> float:
    """The retrieval accuracy of an encoder on pairs."""
    vectors = [encoded_texts(loaded.model, loaded.tokenizer, texts, pooling=pooling, limit=limit)
               for texts in (source, target)]  # fmt: skip
    return retrieval_accuracy(*vectors)
