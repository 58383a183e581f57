"""Numbers and categories of a table as vectors or as one token a feature."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from melior.engine.sparse import SparseEmbedding


class Columns(nn.Module):
    """Splits (rows, features) into numbers (rows, numbers), gaps 0, and codes (rows, categories): 0 is missing, unknown
    or a code that training never had."""

    def __init__(self, numbers: list[int], categories: list[list[int]]) -> None:
        super().__init__()
        self.numbers = numbers
        self.places = [place for place, _, _ in categories]
        self.sizes = [size for _, size, _ in categories]

    def forward(self, values: Tensor) -> tuple[Tensor, list[Tensor]]:
        codes = []
        for place, size in zip(self.places, self.sizes, strict=True):
            given = torch.nan_to_num(values[:, place], nan=-1.0)
            codes.append(torch.where((given >= 0) & (given < size), given + 1, 0.0).long())
        return torch.nan_to_num(values[:, self.numbers], nan=0.0, posinf=1e3, neginf=-1e3), codes


class Periodic(nn.Module):
    """(rows, numbers) to (rows, numbers, width): each number beside a linear image of cos(2 pi (c x + b)), c and b
    learned a feature. Gorishniy, Rubachev, Babenko, On Embeddings for Numerical Features in Tabular Deep Learning,
    NeurIPS 2022, in the form of Holzmüller et al., Better by Default, NeurIPS 2024."""

    WAVES = 16
    FREQUENCY = 0.3  # standard deviation of c before training: numbers are within -3..3

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(self.FREQUENCY * torch.randn(numbers, self.WAVES))
        self.phases = nn.Parameter(torch.rand(numbers, self.WAVES) - 0.5)
        self.weight = nn.Parameter(torch.randn(numbers, self.WAVES, width - 1) / self.WAVES**0.5)
        self.bias = nn.Parameter(torch.zeros(numbers, width - 1))

    def forward(self, numbers: Tensor) -> Tensor:
        waves = torch.cos(2 * math.pi * (numbers[:, :, None] * self.frequencies + self.phases))
        made = torch.einsum("rnw,nwo->rno", waves, self.weight) + self.bias
        return torch.cat([numbers[:, :, None], made], dim=2)


class Piecewise(nn.Module):
    """(rows, numbers) to (rows, numbers, width): each number beside a linear image of how far it has come through each
    bin, 0..1; the bins lie between quantiles of the training rows (`edges`). Gorishniy et al. 2022, as `Periodic`."""

    def __init__(self, numbers: int, width: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(-1, 1, bins + 1).repeat(numbers, 1))  # (numbers, bins + 1)
        self.weight = nn.Parameter(torch.randn(numbers, bins, width - 1) / bins**0.5)
        self.bias = nn.Parameter(torch.zeros(numbers, width - 1))

    def forward(self, numbers: Tensor) -> Tensor:
        edges = self.get_buffer("edges")
        low, high = edges[:, :-1], edges[:, 1:]
        # a bin without width, where a value is common, is passed at once
        through = ((numbers[:, :, None] - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
        made = torch.einsum("rnb,nbo->rno", through, self.weight) + self.bias
        return torch.cat([numbers[:, :, None], made], dim=2)


def embedding(kind: str, numbers: int, width: int, bins: int) -> nn.Module | None:
    if kind == "none" or not numbers:
        return None
    return Periodic(numbers, width) if kind == "periodic" else Piecewise(numbers, width, bins)


def lookup(codes: int, width: int, *, sparse: bool = False) -> nn.Embedding:
    """A vector of length about 1 for every code, and one for what is no code (0). sparse: a step changes the vectors
    that its rows hold and no others, see `SparseEmbedding`."""
    table = SparseEmbedding(codes + 1, width) if sparse else nn.Embedding(codes + 1, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table


class TableVector(nn.Module):
    """(rows, features) to (rows, width): numbers, embedded or not, and the embeddings of categories, side by side."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        numbers, categories = plan["numbers"], plan["categories"]
        self.columns = Columns(numbers, categories)
        self.embedding = embedding(plan["embedding"], len(numbers), plan["embedding_width"], plan["bins"])
        sparse = plan.get("sparse", False)
        self.categories = nn.ModuleList(lookup(size, width, sparse=sparse) for _, size, width in categories)
        each = 1 if self.embedding is None else plan["embedding_width"]
        self.width = each * len(numbers) + sum(width for _, _, width in categories)

    def forward(self, values: Tensor) -> Tensor:
        numbers, codes = self.columns(values)
        first = numbers if self.embedding is None else self.embedding(numbers).flatten(1)
        return torch.cat([first, *(table(own) for table, own in zip(self.categories, codes, strict=True))], dim=1)


class TableTokens(nn.Module):
    """(rows, features) to (rows, features, width): one token a number and a category."""

    def __init__(self, plan: dict[str, Any], width: int) -> None:
        super().__init__()
        numbers, categories = plan["numbers"], plan["categories"]
        self.columns = Columns(numbers, categories)
        bound = width**-0.5
        self.embedding = embedding(plan["embedding"], len(numbers), plan["embedding_width"], plan["bins"])
        each = 1 if self.embedding is None else plan["embedding_width"]
        self.weight = nn.Parameter(torch.empty(len(numbers), each, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(len(numbers) + len(categories), width).uniform_(-bound, bound))
        sparse = plan.get("sparse", False)
        self.categories = nn.ModuleList(lookup(size, width, sparse=sparse) for _, size, _ in categories)

    def forward(self, values: Tensor) -> Tensor:
        numbers, codes = self.columns(values)
        seen = numbers[:, :, None] if self.embedding is None else self.embedding(numbers)
        tokens = torch.einsum("rne,new->rnw", seen, self.weight)
        known = [table(own)[:, None] for table, own in zip(self.categories, codes, strict=True)]
        return torch.cat([tokens, *known], dim=1) + self.bias


class Attending(nn.Module):
    """One block of attention over tokens (rows, tokens, width), normalised first, then a gated layer.

    Gorishniy, Rubachev, Khrulkov, Babenko, Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        hidden = 4 * width // 3
        self.gated, self.down = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)
        self.dropout = dropout
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, count, width = tokens.shape
        mixed = self.mixed(self.before(tokens)).view(rows, count, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # each (rows, heads, tokens, width of a head)
        seen = scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)
        tokens = tokens + self.drop(self.out(seen.transpose(1, 2).reshape(rows, count, width)))
        kept, gate = self.gated(self.between(tokens)).chunk(2, dim=2)
        tokens = tokens + self.drop(self.down(kept * torch.relu(gate)))
        return tokens
