"""The first line of a history: what a training is about, and what can be computed of its speed before it begins."""

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from melior.engine import memory
from melior.engine.device import Device, choose, times_as_fast
from melior.engine.norms import kinds
from melior.engine.order import WINDOW, Order, parts
from melior.engine.plan.hardware import cores
from melior.engine.precision import Precision
from melior.engine.problem import Rows, Source
from melior.engine.settings import Training
from melior.engine.surroundings import still

PROBED_FROM = 500  # steps; timing a few forward passes costs about four
REPEATS = 3  # the best of


def start(
    module: nn.Module | None,
    source: Source,
    order: Order,
    total: int,
    settings: Training,
    device: Device,
    micro_batch: int,
    ranks: int = 1,
) -> dict[str, Any]:
    """kind start, step 0, and (module: None where this rank has none that it could run):

    steps, steps_per_epoch, rows, micro_batch, device, precision, said, settings
    ranks, devices, threads  how many train together; GPUs of this machine, or processors without one; CPU threads here
    weights    kind and shape of each trained matrix or kernel, in the order of the module
    padding    padded, padded_by_length: the share of tokens that is padding in the first steps, as they are cut and as
               they would be with rows of like length together; where rows differ in length
    fast       dtype: what `precision: auto` would take here; times: how many times as fast as the one asked for a
               product of matrices is in it; where a precision was asked for
    twice      how many times as long twice the rows at once take in a forward pass; where the training is long
    """
    found: dict[str, Any] = {
        "kind": "start",
        "step": 0,
        "steps": total,
        "steps_per_epoch": order.steps_per_epoch,
        "rows": len(source),
        "micro_batch": micro_batch,
        "device": str(device.device),
        "precision": str(device.dtype).removeprefix("torch."),
        "said": device.said,
        "settings": settings.model_dump(mode="json"),
        "ranks": ranks,
        "devices": torch.cuda.device_count() if device.is_gpu else cores(),
        "threads": torch.get_num_threads(),
        "weights": {} if module is None else kinds(module),
    }
    if source.lengths is not None:
        sorted_order = replace(order, lengths=source.lengths, same_rows=False)
        found["padded"] = padded(order, source.lengths, micro_batch, order.lengths)
        found["padded_by_length"] = padded(sorted_order, source.lengths, micro_batch, source.lengths)
    if settings.precision != "auto":
        dtype = choose(settings.model_copy(update={"precision": "auto"}), module).dtype
        fast = str(dtype).removeprefix("torch.")
        found["fast"] = {"dtype": fast, "times": times_as_fast(device.device, dtype, device.dtype)}
    if module is not None and total >= PROBED_FROM and len(source) >= 2 * micro_batch:
        found["twice"] = twice(module, source, order.step(0)[:micro_batch], device)
    return found


def padded(order: Order, lengths: Rows, micro_batch: int, sort: Rows | None) -> float:
    """The share of padding in the tokens of the first steps: a micro-batch is as long as its longest row."""
    real, whole = 0, 0
    for step in range(min(order.steps_per_epoch, WINDOW)):
        for rows in parts(order.step(step), sort, micro_batch):
            if len(rows):
                real += int(lengths[rows].sum())
                whole += len(rows) * int(lengths[rows].max())
    return 1 - real / whole if whole else 0.0


def twice(module: nn.Module, source: Source, rows: Rows, device: Device) -> float | None:
    """Time of a forward pass of these rows, each twice, over the time of one of these rows; None where memory is short.

    2 where the device has all that it can do; near 1 where it waits for more.
    """
    precision = Precision.of(device)

    def seconds(some: Rows) -> float:
        batch = source.batch(some).to(device.device)
        best = float("inf")
        for _ in range(REPEATS + 1):  # the first warms up
            began = perf_counter()
            module(**batch.inputs)
            if device.is_gpu:
                torch.cuda.synchronize(device.device)
            best = min(best, perf_counter() - began)
        return best

    try:
        with still(module), torch.no_grad(), precision.forward():
            return seconds(np.concatenate([rows, rows])) / seconds(rows)
    except (RuntimeError, MemoryError) as error:
        if not memory.ran_out(error):
            raise
        return None
