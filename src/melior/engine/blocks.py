"""Activation checkpointing: blocks are computed again in the backward pass, so that less is kept between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from melior.errors import UserError


def repeated(module: nn.Module) -> list[nn.Module]:
    """The blocks of a network: members of the outermost lists or sequences that hold several of one class."""
    return [block for chain in chains(module) for block in chain]


def chains(module: nn.Module) -> list[list[nn.Module]]:
    """The blocks of each of those lists or sequences."""
    found: list[list[nn.Module]] = []

    def look(parent: nn.Module) -> None:
        for child in parent.children():
            inside = list(child.children())
            alike = [one for one in inside if type(one) is type(inside[0]) and list(one.children())]
            if isinstance(child, nn.ModuleList | nn.Sequential) and len(alike) > 1:
                found.append(alike)
            else:
                look(child)

    look(nn.ModuleList([module]))
    return found


@contextmanager
def recomputed(module: nn.Module) -> Iterator[None]:
    """Inside, every block forgets what it computed and computes it again when gradients need it.

    Chen et al., Training deep nets with sublinear memory cost, 2016.
    """
    blocks = repeated(module)
    if not blocks:
        raise UserError("activation_checkpointing: the network has no repeated blocks; set it to false.")
    for block in blocks:
        block.forward = _Again(block.forward)
    try:
        yield
    finally:
        for block in blocks:
            del block.__dict__["forward"]


class _Again:
    """In place of a block's forward. A copy of the network has its own, since copying goes into what is bound."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain

    def __call__(self, *given: Any, **named: Any) -> Any:
        return checkpoint(self.plain, *given, use_reentrant=False, **named)
