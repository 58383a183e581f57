"""Learning rates: pure functions of the number of the step, as factors of the highest rate."""

from collections.abc import Sequence
from math import cos, pi, sqrt

from melior.engine.settings import Training

FIRST, LAST = 25.0, 1e4  # one_cycle begins at 1/25 of the highest rate and ends at 1/10,000 of where it began
RISE = 0.3  # share of one_cycle's steps that go up


def warmup_steps(settings: Training, total: int) -> int:
    """Steps of the warm-up: warmup below 1 is a share of all steps, else a number of steps."""
    wanted = settings.warmup * total if settings.warmup < 1 else settings.warmup
    return min(round(wanted), total)


def factor(settings: Training, step: int, total: int, losses: Sequence[float] = ()) -> float:
    """The factor of learning_rate for step `step` of `total`, counted from 0. With f = final_rate and t from 0 to 1
    after the warm-up (which rises linearly and reaches 1 at its last step):

    constant             1
    linear               1 - (1 - f) t
    cosine               f + (1 - f) (1 + cos(pi t)) / 2                       Loshchilov and Hutter, ICLR 2017
    exponential          f ** t; f = 0 is taken as 0.01
    one_cycle            up by half a cosine from 1/25 for 30 % of the steps, down by half a cosine to 1/250,000; the
                         warm-up is its own                                    Smith and Topin, 2018
    warmup_stable_decay  1, and over the last `decay` of the steps f + (1 - f) (1 - sqrt(u)), u from 0 to 1
                                                                               Hägele et al., NeurIPS 2024
    plateau              1, times plateau_factor each time that `losses`, the watched values of the validations so
                         far (lower is better), did not improve for plateau_patience of them in a row
    """
    if settings.schedule == "one_cycle":
        return _one_cycle(step, total)
    warm = warmup_steps(settings, total)
    if step < warm:
        return (step + 1) / warm
    final = settings.final_rate
    done = (step - warm) / max(total - warm, 1)  # t
    match settings.schedule:
        case "linear":
            return 1 - (1 - final) * done
        case "cosine":
            return final + (1 - final) * (1 + cos(pi * done)) / 2
        case "exponential":
            return float((final or 0.01) ** done)
        case "warmup_stable_decay":
            length = max(round(settings.decay * total), 1)
            down = (step - (total - length)) / length
            return 1.0 if down <= 0 else final + (1 - final) * (1 - sqrt(down))
        case "plateau":
            return plateau(losses, settings.plateau_patience, settings.plateau_factor)
    return 1.0


def _one_cycle(step: int, total: int) -> float:
    rise = RISE * total - 1
    if step <= rise:
        return _half_cosine(1 / FIRST, 1.0, step / rise)
    return _half_cosine(1.0, 1 / FIRST / LAST, (step - rise) / (total - 1 - rise))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * share)) / 2


def plateau(losses: Sequence[float], patience: int, shrink: float) -> float:
    """shrink ** (how often more than `patience` values in a row were no better than the best before them)."""
    best, waiting, times = float("inf"), 0, 0
    for loss in losses:
        if loss < best:
            best, waiting = loss, 0
        else:
            waiting += 1
        if waiting > patience:
            waiting, times = 0, times + 1
    return float(shrink**times)
