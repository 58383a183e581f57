"""Validation: the loss on rows put aside, further measures, and whether it was the best so far."""

from collections.abc import Callable
from math import inf, isfinite

from torch import nn

from melior.engine.device import Device
from melior.engine.history import Line
from melior.engine.outputs import Elsewhere, passes
from melior.engine.parallel.mesh import Mesh
from melior.engine.problem import Loss, Source
from melior.engine.settings import Training
from melior.engine.state import Place
from melior.errors import UserError

Measure = Callable[[nn.Module], dict[str, float]]


def validation(
    module: nn.Module,
    valid: Source | None,
    loss: Loss,
    measure: Measure | None,
    at_once: int,
    device: Device,
    mesh: Mesh,
    *,
    shared: bool = False,
) -> dict[str, float]:
    """`loss` (mean over what counts) where there are rows for it, and what `measure` says. The module is in eval mode
    meanwhile.

    shared  each data rank takes its share of the rows; else all take all of them, and meet in every pass
    """
    found: dict[str, float] = {}
    if valid is not None:
        total, count = 0.0, 0.0
        part = slice(mesh.rank, None, mesh.ranks) if shared else slice(None)
        for batch, _, out in passes(module, valid, at_once, device, part=part, met=None if shared else mesh.place):
            if isinstance(out, Elsewhere):  # the last stage of a pipeline has the outputs
                continue
            one, counted = loss(out, batch)
            total, count = total + float(one), count + float(counted)
        total, count = mesh.sums([total, count])
        found["loss"] = total / count if count else 0.0
    if measure is not None:
        module.eval()
        found |= measure(module)
        module.train()
    return found


def watched(line: Line, settings: Training, place: Place) -> bool:
    """Takes note of a validation: the best one and how many came since. Whether it is the best."""
    name = settings.watch
    if name not in line:
        if name == "loss":
            return False  # there are measures only, and none of them is watched
        raise UserError(f"watch: a validation gives {', '.join(sorted(line))} and no {name}.")
    value = float(line[name]) * (1 if name == "loss" else -1)  # lower is better
    better = value < min((one for one in place.watched if isfinite(one)), default=inf)
    place.watched.append(value)
    place.waiting = 0 if better else place.waiting + 1
    if better:
        place.best = line
    if settings.patience and place.waiting >= settings.patience:
        place.stopped = "patience"
    return better
