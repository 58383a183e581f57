"""How what layers do changes with depth, and how much of that chance explains."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np

FEWEST = 3  # layers of one role; two have no course
Z = 3.3  # of a normal distribution: one in 2,000; simulated, in layers of 16 to 64 units, one in 200 to 500
PER_LAYER = 5.0  # variance of the log of a squared norm that a layer of width n adds is 5 / n


@dataclass(frozen=True)
class Course:
    """What changes with depth in layers of one role.

    names   of the layers in order of depth        values  of each, above 0
    change  factor from the first to the last, by a straight line through the logs
    chance  factor that random weights alone explain
    """

    role: str
    names: list[str]
    values: list[float]
    change: float
    chance: float


def role(name: str) -> str:
    """The name of a layer without its numbers: layers of one role differ in depth only.

    >>> role("encoder.layers.11.linear1.weight")
    'encoder.layers.#.linear1.weight'
    """
    return re.sub(r"\d+", "#", name)


def grouped(names: Sequence[str]) -> list[list[str]]:
    """Names of one role together, in their order, where there are enough; all names as one where no role has enough."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(role(name), []).append(name)
    found = [group for group in groups.values() if len(group) >= FEWEST]
    return found or ([list(names)] if len(names) >= FEWEST else [])


def chance(widths: Sequence[int]) -> float:
    """The factor by which a norm may change over layers of these widths when nothing is wrong.

    With weights drawn so that variance is preserved (He et al. 2015, Glorot and Bengio 2010) the squared norm of a
    signal, forward or backward, stays alike in the mean; its log has a variance of about 5 / n for each ReLU layer of
    width n, and so half of that below 0 as its mean (Hanin and Nica, Products of many large random matrices and
    gradients in deep neural networks, 2019).
    """
    variance = PER_LAYER * sum(1 / max(width, 1) for width in widths)
    return exp((Z * sqrt(variance) + variance / 2) / 2)


def course(names: Sequence[str], values: Mapping[str, float], widths: Mapping[str, int]) -> Course | None:
    """The course of positive values over these layers; None where there are too few. 0 counts as 1e-38, the least
    that float32 holds with all its digits."""
    known = [name for name in names if name in values and np.isfinite(values[name])]
    if len(known) < FEWEST:
        return None
    logs = np.log([max(values[name], 1e-38) for name in known])
    slope = float(np.polyfit(np.arange(len(known)), logs, 1)[0])
    change = exp(min(max(slope * (len(known) - 1), -85.0), 85.0))
    inside = [widths.get(name, 1) for name in known[:-1]]
    return Course(role(known[0]), known, [values[name] for name in known], change, chance(inside))


def matrices(weights: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """fan-in and fan-out of the weights that signals pass through; embeddings, norms and such are left out."""
    found = {}
    for name, one in weights.items():
        kind, shape = str(one.get("kind")), [int(size) for size in one.get("shape", [])]
        if len(shape) < 2 or not any(part in kind for part in ("Linear", "Conv")):
            continue
        if kind == "Conv1D":  # of GPT-2: a matrix with the fan-in first
            found[name] = (shape[0], shape[1])
        else:
            found[name] = (shape[1] * int(np.prod(shape[2:])), shape[0])
    return found


def typical(values: Sequence[float]) -> float:
    """Median of positive values in logs, so that one step far off does not decide."""
    return exp(float(np.median([log(max(value, 1e-38)) for value in values])))
