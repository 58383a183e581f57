"""Small rows and networks for the engine: numbers, and texts of mixed length."""

import numpy as np
import torch
from torch import nn

from melior.engine.problem import Batch

FEATURES, CLASSES, WORDS, WIDTH = 6, 3, 20, 8


class Numbers:
    """Rows of numbers whose class depends on two of them."""

    lengths = None

    def __init__(self, rows=64, seed=0, weighted=False):
        random = np.random.default_rng(seed)
        self.x = torch.tensor(random.normal(size=(rows, FEATURES)), dtype=torch.float32)
        self.y = (self.x[:, 0] > 0).long() + (self.x[:, 1] * self.x[:, 0] > 0).long()
        self.weights = torch.tensor(random.uniform(0.1, 3, rows), dtype=torch.float32) if weighted else None

    def __len__(self):
        return len(self.y)

    def batch(self, rows):
        rows = torch.as_tensor(rows)
        weights = None if self.weights is None else self.weights[rows]
        return Batch({"input": self.x[rows]}, self.y[rows], weights, len(rows), len(rows))


def net(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(FEATURES, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, CLASSES)
    )


class Texts:
    """Rows of 1..12 tokens; the class is that of the largest token. next_token: labels are the tokens themselves."""

    def __init__(self, rows=64, seed=0, next_token=False):
        random = np.random.default_rng(seed)
        self.lengths = random.integers(2, 13, rows)
        self.rows = [random.integers(1, WORDS, size) for size in self.lengths]
        self.y = torch.tensor([int(row.max()) * CLASSES // WORDS for row in self.rows])
        self.next_token = next_token

    def __len__(self):
        return len(self.rows)

    def batch(self, rows):
        longest = int(self.lengths[rows].max())
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : self.lengths[row]] = torch.as_tensor(self.rows[row])
        mask = tokens > 0
        real = int(mask.sum())
        labels = torch.where(mask, tokens, -100) if self.next_token else self.y[torch.as_tensor(rows)]
        return Batch({"tokens": tokens, "mask": mask}, labels, None, len(rows), real, tokens.numel() - real)


class Reader(nn.Module):
    """Attention over tokens that does not look at padding; one answer a row, or one a place (looking back only)."""

    def __init__(self, seed=0, next_token=False):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.query, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        # a bias of keys has no gradient but rounding, which Adam makes steps of full size of
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, WORDS if next_token else CLASSES)
        self.next_token = next_token

    def forward(self, tokens, mask):
        x = self.embed(tokens)  # (rows, time, width)
        seen = mask[:, None, :]
        if self.next_token:
            seen = seen & torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()
        scores = self.query(x) @ self.key(x).transpose(1, 2) / WIDTH**0.5
        mixed = x + torch.softmax(scores.masked_fill(~seen, -1e9), -1) @ self.value(x)
        hidden = self.norm(mixed)
        if self.next_token:
            return self.out(hidden)
        return self.out((hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True))


def weights(module):
    return torch.cat([one.detach().flatten() for one in module.parameters()])


def losses(trained):
    return np.array([line["loss"] for line in trained.history if line["kind"] == "step"])


def lines(trained, kind):
    return [line for line in trained.history if line["kind"] == kind]
