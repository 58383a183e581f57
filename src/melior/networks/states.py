"""The weights of a module as numpy arrays and back, to the bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.errors import UserError


def state_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Parameters and buffers by name. bfloat16, which numpy does not know, is kept as float32: nothing is lost."""
    kept = {}
    for name, value in module.state_dict().items():
        value = value.detach().cpu()
        kept[name] = (value.float() if value.dtype == torch.bfloat16 else value).numpy().copy()
    return kept


def put_state(module: nn.Module, state: Mapping[str, NDArray[Any]], *, partly: bool = False) -> None:
    """Puts arrays into a module, each where its name says. partly: other names keep what they have."""
    own = module.state_dict()
    fits = all(name in own and tuple(own[name].shape) == np.shape(value) for name, value in state.items())
    if not fits or (not partly and set(own) != set(state)):
        raise UserError("the weights do not fit the network that they are for: restore the run from a copy.")
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(torch.from_numpy(np.asarray(value)))
