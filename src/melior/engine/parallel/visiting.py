"""A network that is looked at on a device on which it may not fit whole: each block comes when it is entered, and goes
when it is left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from melior.engine.blocks import repeated

ROOM = 0.8  # of what is free on a device, that a network may take while it is cut


@contextmanager
def visiting(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, the module computes on the device: it is moved there whole where it fits, else what stands outside of
    blocks is, and blocks come by one at a time. Blocks that came by are afterwards where they were before."""
    if fits(module, device):
        module.to(device)
        yield
        return
    blocks = repeated(module)
    inside = {id(one) for block in blocks for one in _tensors(block)}
    _moved([one for one in _tensors(module) if id(one) not in inside], device)
    home = {id(one): one.device for one in _tensors(module)}

    def come(block: nn.Module, given: Any) -> None:
        _moved(_tensors(block), device)

    def go(block: nn.Module, given: Any, out: Any) -> None:
        for one in _tensors(block):
            _moved([one], home.get(id(one), device))

    hooks = [one for block in blocks for one in (block.register_forward_pre_hook(come),
                                                 block.register_forward_hook(go, always_call=True))]  # fmt: skip
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def fits(module: nn.Module, device: torch.device) -> bool:
    """Whether all of a module finds room on a device."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(one.nbytes for one in _tensors(module) if one.device != device) <= ROOM * free


def settled(module: nn.Module, device: torch.device) -> None:
    """Moves what is left of a module there."""
    _moved(_tensors(module), device)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _moved(tensors: list[Tensor], device: torch.device) -> None:
    for one in tensors:
        one.data = one.data.to(device)
