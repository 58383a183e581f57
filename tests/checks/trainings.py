"""Real tiny trainings by the engine: healthy ones of many kinds, and ones with a planted fault."""

import time
from contextlib import suppress
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from melior.checks._training import Record
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.errors import UserError

FEATURES, CLASSES, WORDS, TIME = 10, 3, 30, 12
PLAIN = {
    "batch_rows": 32,
    "epochs": 6,
    "validate_every": 24,
    "learning_rate": 3e-3,
    "schedule": "linear",
    "checkpoint_every": 0,
    "threads": 1,
}


class Numbers:
    """Rows of standard normal numbers, whose class a small random network decides; a part of the classes is wrong."""

    lengths = None

    def __init__(self, rows=2048, seed=0, wrong=0.1, sleeps=0.0, teacher=0):
        random = np.random.default_rng([seed, rows])
        self.x = random.normal(size=(rows, FEATURES)).astype(np.float32)
        other = np.random.default_rng(teacher)
        inside = np.tanh(self.x @ other.normal(size=(FEATURES, 6)) / 2)
        self.y = (inside @ other.normal(size=(6, CLASSES))).argmax(1)
        moved = random.random(rows) < wrong
        self.y[moved] = random.integers(0, CLASSES, moved.sum())
        self.sleeps = sleeps

    def __len__(self):
        return len(self.y)

    def batch(self, rows):
        time.sleep(self.sleeps)
        return Batch(
            {"input": torch.from_numpy(self.x[rows])}, torch.from_numpy(self.y[rows]), None, len(rows), len(rows)
        )


class Images(Numbers):
    """The same numbers as the corner of an image (1, 8, 8) with noise."""

    def batch(self, rows):
        made = np.random.default_rng(rows).normal(size=(len(rows), 1, 8, 8)).astype(np.float32) * 0.3
        made[:, 0, :2, :5] = self.x[rows].reshape(-1, 2, 5)
        return Batch({"input": torch.from_numpy(made)}, torch.from_numpy(self.y[rows]), None, len(rows), len(rows))


class Texts:
    """Rows of tokens of mixed length; the class is which of three words occurs most."""

    def __init__(self, rows=2048, seed=0, shortest=8, longest=TIME):
        random = np.random.default_rng([seed, rows])
        self.lengths = random.integers(shortest, longest + 1, rows)
        self.y = random.integers(0, CLASSES, rows)
        self.rows = [random.integers(1, WORDS, size) for size in self.lengths]
        for row, label in zip(self.rows, self.y, strict=True):
            row[random.permutation(len(row))[:3]] = label + 1

    def __len__(self):
        return len(self.y)

    def batch(self, rows):
        tokens = np.zeros((len(rows), self.lengths[rows].max()), dtype=np.int64)
        for place, row in enumerate(rows):
            tokens[place, : self.lengths[row]] = self.rows[row]
        real = int(self.lengths[rows].sum())
        labels = torch.from_numpy(self.y[rows])
        return Batch({"tokens": torch.from_numpy(tokens)}, labels, None, len(rows), real, tokens.size - real)


def mlp(seed, depth=4, width=32, activation=nn.ReLU, init="he", gain=1.0):
    """depth hidden layers. init: he, glorot, or none (as torch has it); gain: times that."""
    torch.manual_seed(seed)
    sizes = [FEATURES, *[width] * depth]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation())]
    module = nn.Sequential(*layers, nn.Linear(width, CLASSES))
    for one in module:
        if isinstance(one, nn.Linear) and init != "none":
            nn.init.kaiming_normal_(one.weight) if init == "he" else nn.init.xavier_normal_(one.weight)
            nn.init.zeros_(one.bias)
            with torch.no_grad():
                one.weight.mul_(gain)
    return module


class Residual(nn.Module):
    """Blocks x + W2 relu(W1 norm(x))."""

    def __init__(self, seed, blocks=4, width=32):
        super().__init__()
        torch.manual_seed(seed)
        self.into = nn.Linear(FEATURES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.out = nn.Linear(width, CLASSES)

    def forward(self, input):
        x = self.into(input)
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


class Transformer(nn.Module):
    """torch's own encoder, norms after or before, mean over the real tokens."""

    def __init__(self, seed, layers=2, width=32, norm_first=False):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(WORDS, width, padding_idx=0)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.1, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, CLASSES)

    def forward(self, tokens):
        padding = tokens == 0
        x = self.encoder(self.embed(tokens), src_key_padding_mask=padding)
        real = (~padding).float()[:, :, None]
        return self.out((x * real).sum(1) / real.sum(1))


def convolutions(seed, width=12):
    torch.manual_seed(seed)
    layers = []
    for before, after, stride in ((1, width, 1), (width, width, 1), (width, 2 * width, 2), (2 * width, 2 * width, 1)):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, CLASSES))


HEALTHY = {
    "relu 2": (lambda s: mlp(s, 2), Numbers, {}),
    "relu 6": (lambda s: mlp(s, 6), Numbers, {"learning_rate": 2e-3}),
    "relu 12": (lambda s: mlp(s, 12, 64), Numbers, {"learning_rate": 1e-3}),
    "tanh": (lambda s: mlp(s, 4, 32, nn.Tanh, "glorot"), Numbers, {}),
    "residual": (Residual, Numbers, {"learning_rate": 2e-3}),
    "transformer": (Transformer, Texts, {"learning_rate": 2e-3, "warmup": 0.1}),
}
MORE_HEALTHY = {
    "relu 20": (lambda s: mlp(s, 20, 64), Numbers, {"learning_rate": 1e-3, "epochs": 9}),
    "relu sgd": (lambda s: mlp(s, 4), Numbers, {"optimizer": "sgd", "learning_rate": 0.05}),
    "relu as torch has it": (lambda s: mlp(s, 3, init="none"), Numbers, {}),
    "gelu": (lambda s: mlp(s, 5, 32, nn.GELU), Numbers, {"schedule": "cosine"}),
    "silu one cycle": (lambda s: mlp(s, 3, 48, nn.SiLU), Numbers, {"schedule": "one_cycle", "learning_rate": 1e-2}),
    "tanh 8": (lambda s: mlp(s, 8, 32, nn.Tanh, "glorot"), Numbers, {"learning_rate": 1e-3}),
    "residual 10": (lambda s: Residual(s, 10), Numbers, {"schedule": "warmup_stable_decay", "learning_rate": 1e-3}),
    "norms before": (
        lambda s: Transformer(s, 4, norm_first=True), Texts, {"learning_rate": 1e-3, "schedule": "constant"}
    ),
    "convolutions": (convolutions, Images, {"learning_rate": 3e-3}),
    "easy rows": (lambda s: mlp(s, 3), lambda **k: Numbers(wrong=0.0, **k), {}),
    "muon": (lambda s: mlp(s, 3), Numbers, {"optimizer": "muon", "learning_rate": 3e-3}),
    "constant rate": (lambda s: mlp(s, 3), Numbers, {"schedule": "constant"}),
    "sigmoid 1": (lambda s: mlp(s, 1, 32, nn.Sigmoid, "glorot"), Numbers, {"learning_rate": 2e-2}),
}  # fmt: skip


def record_of(module, source, valid=None, folder=None, **settings):
    """The record of a training, also of one that stopped with an error (which needs a folder)."""
    with suppress(UserError if folder else ()):
        trained = train(module, source, class_loss, Training(**{**PLAIN, **settings}), valid=valid, folder=folder)
        return Record(trained.history)
    return Record.load(folder)


def healthy(name, seed):
    """The record of a training in which nothing is wrong, with rows put aside."""
    make, source, settings = {**HEALTHY, **MORE_HEALTHY}[name]
    return record_of(make(seed), source(seed=seed), source(rows=256, seed=seed + 1000), seed=seed, **settings)
