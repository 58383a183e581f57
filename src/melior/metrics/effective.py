"""How many classes there really are, when some hold nearly all rows."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def effective_classes(counts: Mapping[str, float] | Sequence[float] | NDArray[np.generic]) -> float:
    """exp(entropy of the shares): how many equally large classes are as uncertain. 1..classes, 0 for no rows.

    Hill, Diversity and Evenness, Ecology 1973 (the number of order 1).

    >>> round(effective_classes([50, 50]), 6)
    2.0
    >>> round(effective_classes({"no": 99, "yes": 1}), 2)
    1.06
    """
    given = list(counts.values()) if isinstance(counts, Mapping) else counts
    rows = np.asarray(given, dtype=np.float64)
    rows = rows[rows > 0]
    if not len(rows):
        return 0.0
    shares = rows / rows.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
