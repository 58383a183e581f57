"""Probabilities from a kept network, the same bits each time it is loaded."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.data.table import Floats
from melior.engine.outputs import scores
from melior.engine.settings import Training
from melior.features._base import Matrix
from melior.features.parts import Ragged
from melior.networks.build import build, drawing
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state

ROWS_AT_ONCE = 256
TOKENS_AT_ONCE = 64 * 1024  # of rows that are scored together, padding included


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
    order, found = [], []
    with torch.inference_mode():
        for rows in together(source.lengths, len(source)):
            inputs = source.batch(rows).inputs
            inputs["values"] = inputs["values"].double()
            order.append(rows)
            found.append(_probable(module(**inputs), several).numpy())
    return np.concatenate(found)[np.argsort(np.concatenate(order))]


def token_weights(module: Any, part: Ragged) -> NDArray[np.float64]:
    """(all tokens,) what each token counts in its row, as the rows stand one after another; a row's sum to 1."""
    found = np.empty(len(part.flat))
    with torch.inference_mode():
        for rows in together(part.lengths, len(part)):
            tokens = part.padded(rows, -1)
            weights = module.token_weights(torch.from_numpy(tokens)).double().numpy()
            for row, own in zip(rows, weights, strict=True):
                found[part.starts[row] : part.starts[row + 1]] = own[: part.starts[row + 1] - part.starts[row]]
    return found


def together(lengths: NDArray[np.int64] | None, rows: int) -> Iterator[NDArray[np.int64]]:
    """Which rows are scored together, each row once: rows of like length, as many as their tokens allow."""
    order = np.arange(rows) if lengths is None else np.argsort(lengths, kind="stable")
    start = 0
    while start < rows:
        stop = min(start + ROWS_AT_ONCE, rows)
        while lengths is not None and stop - start > 1 and lengths[order[stop - 1]] * (stop - start) > TOKENS_AT_ONCE:
            stop -= 1
        yield order[start:stop]
        start = stop


def _probable(logits: torch.Tensor, several: bool) -> torch.Tensor:
    return torch.sigmoid(logits) if several else torch.softmax(logits, dim=1)
