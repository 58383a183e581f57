"""A learning curve, and what twice the rows would add.

A score grows with the rows m it was learned from as v(m) = w - b m**-c (a power law; Viering and Loog, The Shape of
Learning Curves, 2023). With r = m / rows now, and written in what is asked for, the gain g of twice the rows,

    v(r) = v(1) + g (1 - r**-c) / (1 - 2**-c)

so that for each c it is linear in v(1) and g. Scores at several r that were measured on the same rows have correlated
errors; their covariance comes from a jackknife over groups of rows. To the points below 1 comes the luck of which rows
were drawn, of unknown size, tau times the error of v(1), more for smaller parts. The posterior of g is averaged over c
and tau on a grid, flat in v(1) and in g from 0 to what the best possible score leaves. Where the curve may go is
uncertain, and the interval says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from melior.data.table import Floats, Rows

EXPONENTS = np.arange(0.15, 1.51, 0.015)
LUCK = np.array([0.0, 0.5, 1.0, 2.0])
GROUPS = 25
STEPS = 800


@dataclass(frozen=True)
class Gain:
    """Expected gain of twice the rows, and the 90 % interval; larger is better whatever the metric."""

    expected: float
    low: float
    high: float


def jackknifed(
    measure: Callable[[Rows], Floats], rows: Rows, generator: np.random.Generator, groups: int = GROUPS
) -> tuple[Floats, Floats]:
    """(scores (points,), covariance (points, points)) of what `measure` gives for row positions, from leaving out one
    of `groups` random groups of rows at a time: (k - 1) / k times the sum of squared distances to their mean."""
    groups = min(groups, len(rows))
    part = generator.permutation(np.arange(len(rows)) % groups)
    without = np.stack([measure(rows[part != number]) for number in range(groups)])  # (groups, points)
    away = without - without.mean(axis=0)
    return measure(rows), (groups - 1) / groups * away.T @ away


def gain_of_twice(parts: Floats, scores: Floats, covariance: Floats, best: float) -> Gain:
    """parts (points,) in rising order, the last 1; scores (points,), larger is better, and their covariance; best, the
    highest score there can be."""
    if not len(parts) == len(scores) >= 3 or parts[-1] != 1:
        raise ValueError("a curve needs three points and more, the last from all rows")
    error = float(np.sqrt(max(covariance[-1, -1], 1e-12)))
    room = max(best - float(scores[-1]), 0.0) + 3 * error
    gains = (np.arange(STEPS) + 0.5) / STEPS * room
    found = []
    for tau in LUCK:
        # a part that is drawn anew varies as 1 / part - 1: nothing is drawn where all rows are taken
        luck = np.diag((tau * error) ** 2 * (1 / parts - 1) / (1 / parts[0] - 1))
        joint = covariance + luck + 1e-4 * error**2 * np.eye(len(parts))
        inverse = np.linalg.inv(joint)
        size = float(np.linalg.slogdet(joint)[1])
        ones = inverse.sum(axis=1)
        apart = inverse - np.outer(ones, ones) / ones.sum()  # v(1) is integrated out, with a flat prior
        shapes = (1 - parts[None, :] ** -EXPONENTS[:, None]) / (1 - 2**-EXPONENTS)[:, None]  # (exponents, points)
        squares = np.einsum("cp,pq,cq->c", shapes, apart, shapes)
        along = shapes @ apart @ scores
        logs = -0.5 * (squares[:, None] * gains**2 - 2 * along[:, None] * gains + float(scores @ apart @ scores))
        logs -= 0.5 * (size + np.log(ones.sum()))
        logs[gains[None, :] > room * (1 - 2**-EXPONENTS)[:, None]] = -np.inf  # it would end above the best score
        found.append(special.logsumexp(logs, axis=0))
    weights = special.softmax(special.logsumexp(found, axis=0))
    summed = np.cumsum(weights)
    low, high = (float(gains[min(STEPS - 1, int(np.searchsorted(summed, q)))]) for q in (0.05, 0.95))
    return Gain(float(weights @ gains), low, high)
