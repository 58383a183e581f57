"""How many columns there really are: those that repeat each other do not count."""

import numpy as np

from melior.data.table import Floats

KEPT = 0.99
MOST_ROWS = 2_000


def components(numbers: Floats, generator: np.random.Generator) -> int:
    """Principal components that hold 99 % of the variance of the standardized columns; missing counts as the mean.
    Of more rows a sample of 2,000 is taken, and then no more components can be seen."""
    if not numbers.shape[1]:
        return 0
    if len(numbers) > MOST_ROWS:
        numbers = numbers[generator.choice(len(numbers), MOST_ROWS, replace=False)]
    known = np.isfinite(numbers)
    many = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, numbers, 0.0)
    filled = filled / np.maximum(np.abs(filled).max(axis=0), 1e-300)  # squares of huge values would overflow
    centred = np.where(known, filled - filled.sum(axis=0) / many, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0))
    standard = centred / np.where(spread > 0, spread, 1.0)
    gram = standard @ standard.T if standard.shape[0] < standard.shape[1] else standard.T @ standard
    values = np.sort(np.maximum(np.linalg.eigvalsh(gram), 0.0))[::-1]
    if values.sum() <= 0:
        return 0
    return int(np.searchsorted(np.cumsum(values) / values.sum(), KEPT) + 1)
