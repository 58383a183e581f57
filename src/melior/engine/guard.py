"""A loss or gradient that is not a number: whose fault it is, and what is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import torch
from torch import nn

from melior.engine.device import Device
from melior.engine.problem import Loss, Rows, Source
from melior.engine.settings import Training
from melior.engine.state import Place

LOWERED_MOST = 10  # times that the rate is halved before giving up
IN_A_ROW = 10  # steps left out one after the other before giving up
Act = Literal["skip", "back", "stop"]


@dataclass(frozen=True)
class Broken:
    """A step that must not be taken. rows: those at fault, as far as they can be told; data: the rows are at fault
    and not the weights, since other rows of the step give a number."""

    step: int
    what: str  # loss or gradient
    rows: Rows
    data: bool

    def __str__(self) -> str:
        said = ", ".join(str(row) for row in self.rows[:10])
        more = f" and {len(self.rows) - 10} more" if len(self.rows) > 10 else ""
        only = "row" if len(self.rows) == 1 else "rows"
        return f"step {self.step}: the {self.what} is not finite for {only} {said}{more}"


def broken(
    module: nn.Module, source: Source, loss: Loss, rows: Rows, device: Device, step: int, losses: Sequence[float]
) -> Broken:
    """Looks at the rows of the step one by one. losses: of its micro-batches, as the step gave them."""
    what = "gradient" if all(isfinite(one) for one in losses) else "loss"
    faulty = np.array([row for row in rows if not _finite(module, source, loss, row, device)], dtype=np.int64)
    if len(faulty) == 0:
        return Broken(step, what, np.sort(rows), data=False)
    return Broken(step, what, np.sort(faulty), data=len(faulty) < len(rows))


@torch.no_grad()
def _finite(module: nn.Module, source: Source, loss: Loss, row: int, device: Device) -> bool:
    batch = source.batch(np.array([row], dtype=np.int64)).to(device.device)
    was = module.training
    module.eval()
    try:
        total, _ = loss(module(**batch.inputs), batch)
    finally:
        module.train(was)
    return bool(torch.isfinite(total))


def decide(found: Broken, settings: Training, place: Place) -> Act:
    """skip: leave the step out. back: to the last good state, at half the rate. stop: with a sentence.

    `lower` leaves out a step whose rows are at fault, since no rate would mend them, and goes back otherwise.
    """
    if settings.non_finite == "stop":
        return "stop"
    recent = set(range(found.step - IN_A_ROW, found.step))
    again = found.step == place.lowered_at  # half the rate did not mend it
    if settings.non_finite == "skip" or found.data or again:
        return "stop" if recent <= set(place.skipped) else "skip"
    return "stop" if place.lowered >= LOWERED_MOST else "back"
