"""A module from its name and plan: looked up in a fixed list, so that a file can only name what is built here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import nn

from melior.errors import UserError

MODULES = {"fusion": "melior.networks.fusion:Fusion", "encoded_text": "melior.networks.encoded:EncodedText"}

# torch's random state belongs to the process: two threads that draw at once would draw from each other's
_DRAWING = threading.RLock()


@contextmanager
def drawing() -> Iterator[None]:
    """Around whatever draws: one thread at a time, and torch's random state is as before afterwards."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        yield


def build(name: str, plan: dict[str, Any]) -> nn.Module:
    """The module, its weights drawn from torch's random state; `plan` is what the family's `plan` gave."""
    if name not in MODULES:
        raise UserError(f"a network of kind {name!r} is not known to this version of melior: use the one that made it.")
    module, _, member = MODULES[name].partition(":")
    made = getattr(import_module(module), member)(plan)
    assert isinstance(made, nn.Module)
    return made
