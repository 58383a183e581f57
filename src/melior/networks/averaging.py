"""Networks of one shape as one: the mean of their weights, and what batch normalisation must then measure anew."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.modules.batchnorm import _BatchNorm

from melior.networks.build import build, drawing
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state, state_of

ROWS_AT_ONCE = 256
State = Mapping[str, NDArray[Any]]


def averaged(states: Sequence[State]) -> dict[str, NDArray[Any]]:
    """The mean of each array, computed in double precision; of whole numbers (counters) the first.

    Wortsman et al., Model Soups, ICML 2022; Izmailov et al., Averaging Weights Leads to Wider Optima, UAI 2018.
    """
    found = {}
    for name, first in states[0].items():
        if first.dtype.kind != "f":
            found[name] = first
            continue
        total = np.zeros(first.shape, dtype=np.float64)
        for state in states:
            total += state[name]
        found[name] = np.asarray(total / len(states), dtype=first.dtype)
    return found


def measured_again(kind: str, plan: dict[str, Any], state: State, rows: MatrixRows) -> dict[str, NDArray[Any]]:
    """The state with the running means and variances of batch normalisation as these rows give them; as it is where
    there is none of it, or a single row. Averaged weights give other activations than any of the networks had."""
    with drawing():
        torch.manual_seed(0)
        module = build(kind, plan)
        put_state(module, state)
        norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
        if not norms or len(rows) < 2:  # one row has no variance
            return dict(state)
        module.eval()  # nothing is left out
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
            norm.train()
        with torch.no_grad():
            for some in np.array_split(np.arange(len(rows)), -(-len(rows) // ROWS_AT_ONCE)):  # all of a size, or nearly
                module(**rows.batch(some).inputs)
        return state_of(module)
