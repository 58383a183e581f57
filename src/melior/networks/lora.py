"""LoRA: a frozen weight learns a correction of low rank beside it.

y = W x + (alpha / rank) B A x, with A (rank, inputs) drawn at random and B (outputs, rank) zero at the start, so that
nothing changes before training.  Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021
(https://arxiv.org/abs/2106.09685). A is drawn as the reference implementation does: uniform within 1 / sqrt(inputs).

Adapters on disk are in PEFT's format (see `adapters`), so that other tools read them.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from melior.errors import UserError


class LoraLayer(nn.Module):
    """A linear layer with a correction of low rank; the layer itself is frozen.

    base     Linear (weight: outputs, inputs) or transformers' Conv1D (weight: inputs, outputs)
    rank     1..min(inputs, outputs)
    alpha    the correction counts alpha / rank (alpha / sqrt(rank) where `root`, as PEFT's use_rslora)
    dropout  share of the inputs of the correction dropped in training, 0..1
    """

    def __init__(self, base: nn.Module, rank: int, alpha: float, dropout: float = 0.0, root: bool = False) -> None:
        super().__init__()
        self.base: Any = base.requires_grad_(False)
        weight: Any = base.weight
        self.transposed = not isinstance(base, nn.Linear)
        outputs, inputs = reversed(weight.shape) if self.transposed else weight.shape
        self.rank, self.alpha, self.dropout, self.root = rank, alpha, dropout, root
        self.scale = alpha / (math.sqrt(rank) if root else rank)
        self.a = nn.Parameter(torch.empty(rank, inputs, dtype=torch.float32, device=weight.device))
        self.b = nn.Parameter(torch.zeros(outputs, rank, dtype=torch.float32, device=weight.device))
        self.merged = False

    def draw(self, generator: torch.Generator) -> None:
        """A at random, B zero."""
        bound = 1 / math.sqrt(self.a.shape[1])
        with torch.no_grad():
            self.a.copy_(torch.empty(self.a.shape).uniform_(-bound, bound, generator=generator))
            self.b.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        given: Tensor = self.base(inputs)
        if self.merged:
            return given
        dropped = dropout(inputs, self.dropout, self.training) if self.dropout else inputs
        dropped = dropped.to(self.a.dtype) if not torch.is_autocast_enabled(dropped.device.type) else dropped
        return given + (self.low_rank(dropped) * self.scale).to(given.dtype)

    def low_rank(self, inputs: Tensor) -> Tensor:
        """(.., inputs) -> (.., rank) -> (.., outputs)"""
        return linear(linear(inputs, self.a), self.b)

    def correction(self) -> Tensor:
        """What the weight is changed by, in the weight's shape."""
        change = self.scale * (self.b @ self.a)
        return change.T if self.transposed else change

    @torch.no_grad()
    def merge(self) -> None:
        """Adds the correction to the weight, so that a forward pass costs no more than without. Again: nothing."""
        if not self.merged:
            self.base.weight += self.correction().to(self.base.weight.dtype)
            self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Takes it out again; the weight is then the old one up to rounding."""
        if self.merged:
            self.base.weight -= self.correction().to(self.base.weight.dtype)
            self.merged = False


def linear_names(model: nn.Module) -> list[str]:
    """Full names of the linear layers inside the model's blocks, which is where LoRA is put unless told otherwise:
    every one of them (Dettmers et al., QLoRA, 2023, section 4), never the output layer."""
    from melior.networks.freezing import blocks

    repeated = tuple(f"{name}." for name, _ in blocks(model))
    return [name for name, module in model.named_modules() if _is_linear(module) and name.startswith(repeated)]


def add_lora(
    model: nn.Module,
    *,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    targets: str | Sequence[str] | None = None,
    root: bool = False,
    seed: int = 0,
) -> list[str]:
    """Puts LoRA beside the linear layers whose names match, freezes everything else, returns the full names.

    rank     1..4,096; a layer that is smaller gets its own size. alpha > 0; dropout 0..<1
    targets  a pattern (regular expression of the whole name) or ends of names, as PEFT reads them: "q_proj" means
             every "...q_proj"; None: all linear layers of the blocks
    seed     of the random A

    UserError: nothing matches, or what matches is no linear layer.
    """
    if not 1 <= rank <= 4096 or alpha <= 0 or not 0 <= dropout < 1:
        raise UserError(f"LoRA: rank is 1..4096, alpha above 0, dropout 0..1; they are {rank}, {alpha} and {dropout}.")
    model.requires_grad_(False)
    chosen = linear_names(model) if targets is None else matching(model, targets)
    if not chosen:
        ends = sorted({name.rpartition(".")[2] for name in linear_names(model)})
        raise UserError(f"LoRA: no layer matches {targets!r}; there are {', '.join(ends) or 'no linear layers'}.")
    generator = torch.Generator().manual_seed(seed)
    for name in chosen:
        base: Any = model.get_submodule(name)
        if not _is_linear(base):
            raise UserError(f"LoRA: {name} is a {type(base).__name__} and no linear layer; name linear layers.")
        layer = LoraLayer(base, min(rank, *base.weight.shape), alpha, dropout, root)
        layer.draw(generator)
        layer.train(base.training)
        _put(model, name, layer)
    return chosen


def matching(model: nn.Module, targets: str | Iterable[str]) -> list[str]:
    """Full names of the modules that a pattern or ends of names mean, in the model's order."""
    names = [name for name, module in model.named_modules() if name and not isinstance(module, LoraLayer)]
    if isinstance(targets, str):
        if targets == "all-linear":
            return linear_names(model)
        pattern = re.compile(targets)
        return [name for name in names if pattern.fullmatch(name)]
    ends = tuple(targets)
    return [name for name in names if any(name == end or name.endswith(f".{end}") for end in ends)]


def lora_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The LoRA layers by the full name of what they wrap."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def merge(model: nn.Module) -> None:
    """Merges every LoRA layer into its weight."""
    for layer in lora_layers(model).values():
        layer.merge()


def unmerge(model: nn.Module) -> None:
    """Takes every correction out of its weight again."""
    for layer in lora_layers(model).values():
        layer.unmerge()


def remove_lora(model: nn.Module, *, keep: bool) -> None:
    """Plain layers again, with the correction in their weights (keep) or without it."""
    for name, layer in lora_layers(model).items():
        layer.merge() if keep else layer.unmerge()
        _put(model, name, layer.base)


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def trainable(model: nn.Module) -> dict[str, Any]:
    """Parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
