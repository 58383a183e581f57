"""How much of the time a race may take, and how many rows are enough."""

from collections.abc import Sequence

import numpy as np

from melior.data.splits import Fold

QUICK = 15.0  # seconds; below this nothing is saved: few rows prove little, so that small tables get every fold
ENOUGH = 60.0  # seconds that all folds of all candidates may take without a look at one fold, which is a poor witness
ENOUGH_ROWS = 100_000  # scored; macro F1 of so many is known to two thousandths, and a paired difference far better
FEW = 4000  # rows; beyond, the time that nothing is saved of shrinks as they grow: many rows prove soon, and cost more


def enough_folds(folds: Sequence[Fold]) -> int:
    """Folds of the first repeat that are run: all, or as many as score ENOUGH_ROWS, and two at least."""
    first = [fold for fold in folds if fold.repeat == 0]
    scored = np.cumsum([len(fold.test) for fold in first])
    return min(len(first), max(2, int(np.searchsorted(scored, ENOUGH_ROWS)) + 1))


def quick(rows: int) -> float:
    """Seconds that are not worth saving."""
    return QUICK * min(1.0, FEW / rows) ** 2


def all_at_once(seconds: float, left: float, rows: int, *, thorough: bool = False) -> bool:
    """Whether every candidate is run on all folds, with no look at one fold before. seconds: what that takes."""
    enough = ENOUGH * min(1.0, FEW / rows) ** 2
    return seconds <= min(np.inf if thorough else max(quick(rows), enough), 0.5 * left)
