"""Probabilities from a kept network, the same bits each time it is loaded."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.data.table import Floats
from melior.engine.outputs import scores
from melior.engine.settings import Training
from melior.features._base import Matrix
from melior.networks.build import build, drawing
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state

ROWS_AT_ONCE = 256


def rebuilt(kind: str, plan: dict[str, Any], state: Mapping[str, NDArray[Any]], *, exact: bool) -> nn.Module:
    """The module with its weights, in evaluation mode, on the CPU."""
    with drawing():  # weights that are then overwritten
        module = build(kind, plan)
    put_state(module, state)
    module.eval()
    return module.double() if exact else module


def probabilities(module: nn.Module, matrix: Matrix, *, exact: bool, several: bool = False) -> Floats:
    """(rows, classes) of a module that gives logits; several: each label by itself. exact: in double precision on the
    CPU; in single precision a row's last digits hang on which rows are computed beside it."""
    source = MatrixRows(matrix)
    if not exact:
        settings = Training(batch_rows=ROWS_AT_ONCE, precision="float32")
        logits = torch.from_numpy(scores(module, source, settings))
        return np.asarray(_probable(logits.double(), several).numpy())
    found = []
    with torch.inference_mode():
        for start in range(0, len(source), ROWS_AT_ONCE):
            inputs = source.batch(np.arange(start, min(start + ROWS_AT_ONCE, len(source)))).inputs
            inputs["values"] = inputs["values"].double()
            found.append(_probable(module(**inputs), several).numpy())
    return np.concatenate(found)


def _probable(logits: torch.Tensor, several: bool) -> torch.Tensor:
    return torch.sigmoid(logits) if several else torch.softmax(logits, dim=1)
