"""Running a trained module over rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.engine.device import Device, choose
from melior.engine.losses import logits_of
from melior.engine.memory import ran_out, too_little
from melior.engine.precision import Precision
from melior.engine.prefetch import Prefetch
from melior.engine.problem import Batch, Rows, Source
from melior.engine.settings import Training
from melior.errors import UserError


class Elsewhere:
    """What a pass gives on a rank that has not the last layers."""


def outputs(
    module: nn.Module, source: Source, settings: Training, *, by_length: bool = True, device: Device | None = None
) -> Iterator[tuple[Rows, Any]]:
    """(rows, outputs of the module for them) until every row was there once; without gradients, in eval mode.

    by_length: rows of like length together, longest first, so not in the order of rows. The module is moved to the
    device of the settings and stays there.
    """
    device = choose(settings, module) if device is None else device
    module.to(device.device)
    for batch, rows, found in passes(module, source, settings.micro_batch or settings.batch_rows, device, by_length):
        del batch
        yield rows, found


def passes(
    module: nn.Module,
    source: Source,
    at_once: int,
    device: Device,
    by_length: bool = True,
    *,
    part: slice = slice(None),
    met: int | None = None,
) -> Iterator[tuple[Batch, Rows, Any]]:
    """(batch on the device, its rows, outputs); fewer rows at once where memory runs out.

    part  of the rows in the order in which they are taken
    met   the number of this rank, where others meet it in every pass: it cannot take fewer rows at once by itself
    """
    order = np.arange(len(source))
    if by_length and source.lengths is not None:
        order = np.argsort(-source.lengths, kind="stable")
    order = order[part]
    precision, was, done = Precision.of(device), module.training, 0
    module.eval()
    try:
        while done < len(order):
            cuts = range(done, len(order), at_once)
            pieces = [order[start : start + at_once] for start in cuts]
            with Prefetch(pieces, lambda rows: (rows, source.batch(rows))) as batches:
                for rows, batch in batches:
                    found = _forward(module, batch.to(device.device), precision)
                    if found is None:
                        break
                    yield batch, rows, found
                    done += len(rows)
                else:
                    return
            if met is not None:
                raise too_little(met, at_once)
            if at_once == 1:
                raise UserError("out of memory with a single row: give shorter texts or a smaller model.")
            at_once = -(-at_once // 2)
    finally:
        module.train(was)


def _forward(module: nn.Module, batch: Batch, precision: Precision) -> Any:
    """The outputs, or None where memory ran out."""
    try:
        with torch.no_grad(), precision.forward():
            return module(**batch.inputs)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
    if precision.device.is_gpu:
        torch.cuda.empty_cache()
    return None


def scores(module: nn.Module, source: Source, settings: Training) -> NDArray[np.float32]:
    """(rows, ...) logits in the order of the rows: the tensor that the module gives, or its `logits`."""
    found: NDArray[np.float32] | None = None
    for rows, out in outputs(module, source, settings):
        logits = logits_of(out).float().cpu().numpy()
        if found is None:
            found = np.empty((len(source), *logits.shape[1:]), dtype=np.float32)
        found[rows] = logits
    return np.empty((0, 0), dtype=np.float32) if found is None else found
