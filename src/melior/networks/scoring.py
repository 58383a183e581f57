"""Probabilities from a kept network, the same bits each time it is loaded."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from melior.data.table import Floats
from melior.features._base import Matrix
from melior.networks.build import build
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state

if TYPE_CHECKING:
    from melior.models._network import NetworkScorer

ROWS_AT_ONCE = 512


def rebuilt(scorer: "NetworkScorer") -> nn.Module:
    """The module with its weights, in evaluation mode, on the CPU."""
    with torch.random.fork_rng(devices=[]):  # building draws weights that are then overwritten
        module = build(scorer.module, scorer.plan)
    put_state(module, scorer.state)
    module.eval()
    return module.double() if scorer.exact else module


def probabilities(scorer: "NetworkScorer", matrix: Matrix) -> Floats:
    """(rows, classes seen in training). Where the scorer is exact, in double precision: in single precision a row's
    last digits hang on how many rows are computed beside it."""
    module = scorer.network()
    source = MatrixRows(matrix)
    found = []
    with torch.inference_mode():
        for start in range(0, len(source), ROWS_AT_ONCE):
            inputs = source.batch(np.arange(start, min(start + ROWS_AT_ONCE, len(source)))).inputs
            if scorer.exact:
                inputs["values"] = inputs["values"].double()
            found.append(torch.softmax(module(**inputs).double(), dim=1).numpy())
    return np.concatenate(found)
