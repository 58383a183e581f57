"""Rows and networks that the benchmarks of the engine share: generated, so that they need no download."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from melior.engine.problem import Batch

CLASSES = 4


class Numbers:
    """Rows of normal numbers; the class is that of the largest of the first few."""

    lengths = None

    def __init__(self, rows: int, features: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.x = torch.tensor(random.normal(size=(rows, features)), dtype=torch.float32)
        self.y = self.x[:, :CLASSES].argmax(1)

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, rows: Any) -> Batch:
        chosen = torch.as_tensor(rows)
        return Batch({"input": self.x[chosen]}, self.y[chosen], None, len(rows), len(rows))


class Texts:
    """Rows of token numbers whose lengths are lognormal, as those of real texts are; the class is told by a few tokens
    of its own strewn among the others. longest bounds the length."""

    def __init__(self, rows: int, *, longest: int = 256, typical: float = 40, words: int = 5000, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.lengths = np.clip(random.lognormal(np.log(typical), 0.8, rows), 4, longest).astype(np.int64)
        self.labels = random.integers(0, CLASSES, rows)
        self.rows = []
        for length, label in zip(self.lengths, self.labels, strict=True):
            tokens = random.integers(CLASSES * 10 + 1, words, length)
            marked = random.random(length) < 0.2
            tokens[marked] = 1 + label * 10 + random.integers(0, 10, marked.sum())
            self.rows.append(tokens)
        self.words = words
        self.longest = longest

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Any, width: int | None = None) -> Batch:
        """width: pad to this many tokens, and not to the longest row."""
        width = int(self.lengths[rows].max()) if width is None else width
        tokens = np.zeros((len(rows), width), dtype=np.int64)
        for place, row in enumerate(rows):
            tokens[place, : self.lengths[row]] = self.rows[row]
        real = int(self.lengths[rows].sum())
        mask = (tokens > 0).astype(np.int64)
        inputs = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
        return Batch(inputs, torch.as_tensor(self.labels[rows]), None, len(rows), real, tokens.size - real)


def dense(features: int, width: int, layers: int = 3) -> nn.Module:
    torch.manual_seed(0)
    sizes = [features, *[width] * layers]
    inner = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.GELU())]
    return nn.Sequential(*inner, nn.Linear(width, CLASSES))


def encoder(words: int, longest: int, *, width: int = 128, layers: int = 4) -> nn.Module:
    """A small BERT of transformers with a head for classes."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers, num_attention_heads=max(width // 32, 1),
        intermediate_size=4 * width, max_position_embeddings=longest, num_labels=CLASSES, pad_token_id=0,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    module: nn.Module = BertForSequenceClassification(config)
    return module
