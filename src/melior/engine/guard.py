"""A loss or gradient that is not a number: whose fault it is, and what is done."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from melior.engine.device import Device
from melior.engine.problem import Batch, Loss, Rows, Source
from melior.engine.settings import Training
from melior.engine.state import Place
from melior.engine.surroundings import still

LOWERED_MOST = 10  # times that the rate is halved before giving up
IN_A_ROW = 10  # steps left out one after the other before giving up
Act = Literal["skip", "back", "stop"]


@dataclass(frozen=True)
class Broken:
    """A step that must not be taken. rows: those whose loss is no number by themselves, or all of the step where none
    is; data: they are those for which what was read is no number, so that no weights and no rate would mend it."""

    step: int
    what: str  # loss or gradient
    rows: Rows
    data: bool

    def __str__(self) -> str:
        said = ", ".join(str(row) for row in self.rows[:10])
        more = f" and {len(self.rows) - 10} more" if len(self.rows) > 10 else ""
        only = "row" if len(self.rows) == 1 else "rows"
        return f"step {self.step}: the {self.what} is not finite for {only} {said}{more}"

    def told(self) -> dict[str, Any]:
        """What a line of the history says of it."""
        return {"data": self.data, "rows": self.rows[:100].tolist()}


def broken(
    module: nn.Module | None, source: Source, loss: Loss, rows: Rows, device: Device, step: int, total: float
) -> Broken:
    """Looks at the rows of the step one by one. total: the sum of losses that the step gave. module: None where it
    cannot run here, and then it is not known whose fault it is, but by what was read.

    Gaps that the network knows what to do with (a category that is not there) are no numbers either, so what was read
    is at fault only where those rows and no others break.
    """
    what = "gradient" if isfinite(total) else "loss"
    unread = np.array([row for row in rows if not _read(source.batch(_alone(row)))], dtype=np.int64)
    faulty = unread if module is None else faulty_rows(module, source, loss, rows, device)
    data = 0 < len(unread) < len(rows) and set(unread) == set(faulty)
    return Broken(step, what, np.sort(faulty if len(faulty) else rows), data=data)


@torch.no_grad()
def faulty_rows(module: nn.Module | None, source: Source, loss: Loss, rows: Rows, device: Device) -> Rows:
    """The rows whose loss is no number by itself, with the weights as they are; none without a module to ask."""
    if module is None:
        return np.array([], dtype=np.int64)
    found = []
    with still(module):
        for row in rows:
            batch = source.batch(_alone(row)).to(device.device)
            if not bool(torch.isfinite(loss(module(**batch.inputs), batch)[0])):
                found.append(row)
    return np.array(found, dtype=np.int64)


def _read(batch: Batch) -> bool:
    """Whether everything that was read is a number."""
    held = [*batch.inputs.values(), batch.labels, *([] if batch.weights is None else [batch.weights])]
    return all(bool(one.isfinite().all()) for one in held if one.is_floating_point())


def _alone(row: int) -> Rows:
    return np.array([row], dtype=np.int64)


def decide(found: Broken, settings: Training, place: Place) -> Act:
    """skip: leave the step out. back: to the last good state, at half the rate. stop: with a sentence.

    `lower` leaves out a step whose rows hold what is no number, and one that half the rate did not mend; otherwise it
    goes back. With weights that run away some rows overflow before others, so that alone does not put blame on them.
    """
    if settings.non_finite == "stop":
        return "stop"
    recent = set(range(found.step - IN_A_ROW, found.step))
    again = found.step == place.lowered_at  # half the rate did not mend it
    if settings.non_finite == "skip" or found.data or again:
        return "stop" if recent <= set(place.skipped) else "skip"
    return "stop" if place.lowered >= LOWERED_MOST else "back"
