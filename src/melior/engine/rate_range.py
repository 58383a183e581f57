"""The learning-rate range test: a short training with a rising rate shows from where to where a rate learns."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from torch import nn

from melior.engine import clip
from melior.engine.device import choose
from melior.engine.lessons import Lesson
from melior.engine.loop import Loop
from melior.engine.problem import Loss, Source
from melior.engine.settings import Training
from melior.engine.surroundings import seed_step, surroundings
from melior.progress import silent

SMOOTH = 0.9  # share of the old mean in the running mean of losses
SETTLED = 10  # steps of which such a mean remembers most: before, it is of few batches, and the next one moves it far
DIVERGED = 4.0  # times the best loss at which the test ends


@dataclass(frozen=True)
class RateRange:
    """rates and losses (steps,), the losses smoothed. suggested: where the loss falls fastest per factor of the rate;
    highest: the rate of the lowest loss, above which training is ragged or diverges."""

    rates: list[float]
    losses: list[float]
    suggested: float
    highest: float


def rate_range(
    module: nn.Module,
    source: Source,
    loss: Loss,
    settings: Training,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    lessons: Sequence[Lesson] = (),
) -> RateRange:
    """Raises the rate from `low` to `high` over `steps` steps, by the same factor each time; the module is as before
    afterwards. Smith, Cyclical learning rates for training neural networks, WACV 2017.
    """
    plain = {"steps": steps, "schedule": "constant", "warmup": 0.0, "average": 0.0, "patience": 0, "keep": "last"}
    changed = settings.model_copy(update={**plain, "learning_rate": 1.0, "non_finite": "skip", "log_to": ()})
    device, came_from = choose(changed, module), next(module.parameters()).device
    rates, losses, running, best = [], [], 0.0, float("inf")
    with surroundings(changed, device) as interrupt:
        module.to(device.device)
        loop = Loop(module, source, loss, changed, device, None, None, None, silent, interrupt, lessons)
        before = {name: one.detach().clone() for name, one in loop.state.weights().items()}
        try:
            loop.begin()
            for step in range(steps):
                rate = low * (high / low) ** (step / max(steps - 1, 1))
                found = _loss_of_step(loop, step, rate)
                if not isfinite(found):
                    break
                running = SMOOTH * running + (1 - SMOOTH) * found
                smooth = running / (1 - SMOOTH ** (step + 1))
                if smooth > DIVERGED * best and step > 10:
                    break
                best = min(best, smooth)
                rates.append(rate)
                losses.append(smooth)
        finally:
            with torch.no_grad():
                loop.state.put(before)
            loop.optimizers.zero_grad()
    module.to(came_from)
    return RateRange(rates, losses, *suggestion(rates, losses, settled=SETTLED))


def _loss_of_step(loop: Loop, step: int, rate: float) -> float:
    """The loss before a step at this rate."""
    seed_step(loop.settings.seed, step, loop.device.device)
    loop.place.step = step
    rows = len(loop.order.step(step))
    made = loop.gradients(loop.prepared(step), rows)
    while made is None:
        loop.halve()
        made = loop.gradients(loop.prepared(step), rows)
    total, count = (float(torch.stack(some).double().sum()) for some in made)
    gradients = loop.optimizers.gradients()
    norm = float(clip.total_norm(gradients, loop.mesh))
    if not (isfinite(total) and isfinite(norm) and count > 0):
        return float("nan")
    share = rows / (count * loop.precision.scale)
    clip.scale(gradients, share * clip.shrink_to(norm * share, loop.settings.clip_norm))
    loop.optimizers.step(rate)
    return total / count


def suggestion(rates: list[float], losses: list[float], *, settled: int = 0) -> tuple[float, float]:
    """(the rate where the loss falls fastest against log(rate), the rate of the lowest loss). settled: steps at the
    beginning that are not looked at."""
    rates, losses = rates[settled:], losses[settled:]
    if len(losses) < 3:
        return (rates[0], rates[0]) if rates else (0.0, 0.0)
    lowest = int(np.argmin(losses))
    if lowest < 2:  # it never fell
        return rates[0], rates[0]
    slopes = np.gradient(np.array(losses[: lowest + 1]), np.log(rates[: lowest + 1]))
    return rates[int(np.argmin(slopes))], rates[lowest]
