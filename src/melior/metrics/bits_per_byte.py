"""Bits per byte of texts, and how those of two models of the same texts differ.

    bits(w) = sum_t w_t nats_t / (ln 2 sum_t w_t bytes_t)

for texts t that are drawn w_t times. Numerator and denominator are drawn together, and both models on the same draws:
texts that are hard for one are hard for the other, and that cancels. Texts that say the same are one unit.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.metrics._base import Floats
from melior.metrics._bounds import bca, few_units
from melior.metrics.paired import Difference

RESAMPLES = 2000
COUNTS_AT_ONCE = 4_000_000


def drawn_gains(
    baseline: Floats,
    candidates: Sequence[Floats],
    sizes: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[Floats, Floats]:
    """Bits per byte of the baseline minus those of each candidate, positive is better: (candidates,), and the same
    on texts drawn anew (candidates, resamples).

    baseline    (texts,) nats          candidates  of each, (texts,) nats
    sizes       (texts,) bytes         groups      (texts,) texts of one number are drawn together
    """
    nats, size = _units(baseline, candidates, sizes, groups)
    units = len(size)
    random = np.random.default_rng([seed, 13])
    at_once = max(1, COUNTS_AT_ONCE // units)
    pieces = []
    for done in range(0, resamples, at_once):
        counts = random.multinomial(units, np.full(units, 1 / units), min(at_once, resamples - done))
        pieces.append(_gains(nats, size, counts.astype(np.float64)))
    return _gains(nats, size, np.ones((1, units)))[:, 0], np.concatenate(pieces, axis=1)


def errors(resampled: Floats, groups: NDArray[np.int64]) -> Floats:
    """(candidates,) standard errors of gains drawn (candidates, resamples), wide enough where units are few: by the
    quantile of t at 1 - 0.025 / candidates, for the largest of those that are compared is looked at."""
    few = few_units(len(np.unique(groups)), 1 - 0.025 / len(resampled))
    found: Floats = few * resampled.std(axis=1, ddof=1)
    return found


def paired_bits(
    baseline: Floats,
    candidate: Floats,
    sizes: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """What a candidate gains, in bits per byte, with its BCa interval and the one-sided p that it gains nothing.

    >>> nats, sizes = np.array([3.0, 4.0, 5.0]), np.array([4, 5, 6])
    >>> print(paired_bits(nats, nats, sizes, np.arange(3)))
    0.000 [0.000, 0.000]
    """
    gains, many = drawn_gains(baseline, [candidate], sizes, groups, seed=seed, resamples=RESAMPLES)
    effect, resampled = float(gains[0]) + 0.0, many[0]
    nats, size = _units(baseline, [candidate], sizes, groups)
    units = len(size)
    whole = nats.sum(axis=1, keepdims=True) - nats  # (2, units) each left out once
    left = np.maximum(size.sum() - size, 1)
    left_out = (whole[0] - whole[1]) / math.log(2) / left
    low, high = bca(effect, resampled, left_out, np.ones(units), units, level)
    p = float((1 + (resampled - effect >= effect - 1e-12).sum()) / (1 + len(resampled)))
    return Difference(effect, low, high, level, p)


def _units(
    baseline: Floats, candidates: Sequence[Floats], sizes: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """nats (1 + candidates, units) and bytes (units,) of what is drawn."""
    number = np.unique(groups, return_inverse=True)[1].reshape(-1)
    units = int(number.max()) + 1

    def summed(values: NDArray[Any]) -> Floats:
        found = np.zeros(units)
        np.add.at(found, number, values)
        return found

    return np.stack([summed(one) for one in (baseline, *candidates)]), summed(sizes)


def _gains(nats: Floats, size: Floats, counts: Floats) -> Floats:
    """(candidates, draws)"""
    bits: Floats = (counts @ nats.T).T / math.log(2) / np.maximum(counts @ size, 1)  # (1 + candidates, draws)
    return bits[:1] - bits[1:]
