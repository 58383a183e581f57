"""What a predictor costs where it is used: the time of one row by itself, and the room that it takes."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melior.data.table import Table
from melior.predictor import Predictor
from melior.recipe import Limits
from melior.trials.threads import one_thread_each

ROWS = 31  # asked one after the other; the median is told
UNITS = {"latency": "ms", "size": "MB"}
WARM = 3  # asked before, not counted


@dataclass(frozen=True)
class Cost:
    """latency  milliseconds for one row by itself on one core of this machine, the median of 31 rows
    size     megabytes of the saved predictor
    """

    latency: float
    size: float


def cost_of(predictor: Predictor, table: Table) -> Cost:
    """The cost of a predictor on rows of this table, at least one."""
    single = [table.take(np.array([place % table.rows])) for place in range(ROWS + WARM)]
    taken = []
    with one_thread_each():
        for row in single:
            started = time.perf_counter()
            predictor.scores(row)
            taken.append(time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as folder:
        predictor.save(folder)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return Cost(1000 * float(np.median(taken[WARM:])), size / 1e6)


def exceeded(cost: Cost, limits: Limits) -> str:
    """In words, what costs more than it may; empty where nothing does.

    >>> exceeded(Cost(latency=7.12, size=1.0), Limits(latency=5))
    'latency is 7.1 ms where 5 ms are allowed'
    """
    over = [
        f"{name} is {getattr(cost, name):.2g} {unit} where {allowed:g} {unit} are allowed"
        for name, unit in UNITS.items()
        if (allowed := getattr(limits, name)) is not None and getattr(cost, name) > allowed
    ]
    return " and ".join(over)
