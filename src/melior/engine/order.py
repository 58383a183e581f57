"""Which rows a step holds, in which micro-batches: pure functions of the seed and the number of the step.

So the order needs no state: a training that goes on from step 1,234 has the rows that it would have had.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from melior.engine.problem import Rows

WINDOW = 50  # batches whose rows are sorted by length together: wide enough for little padding, narrow enough to mix


@dataclass(frozen=True, eq=False)  # told apart by identity, so that an epoch's order can be kept
class Order:
    """rows rows, at most `batch_rows` of them a step; lengths (rows,) where rows of like length are to go together."""

    rows: int
    batch_rows: int
    seed: int
    lengths: Rows | None = None
    same_rows: bool = False

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows // self.batch_rows)

    def step(self, number: int) -> Rows:
        """The rows of step `number`, counted from 0 over all epochs."""
        epoch, place = divmod(number, self.steps_per_epoch)
        return _epoch(self, epoch)[place]


@lru_cache(maxsize=2)
def _epoch(order: Order, epoch: int) -> list[Rows]:
    """The steps of an epoch, as even as can be: a last step of two rows would have its own statistics."""
    random = np.random.default_rng([order.seed, epoch])
    shuffled = random.permutation(order.rows)
    steps = np.array_split(shuffled, order.steps_per_epoch)
    if order.lengths is None or order.same_rows:
        return steps
    # sort by length within a window of steps, cut again to steps, and shuffle the steps of the epoch
    sorted_steps: list[Rows] = []
    for start in range(0, len(steps), WINDOW):
        window = np.concatenate(steps[start : start + WINDOW])
        window = window[np.argsort(order.lengths[window], kind="stable")]
        sorted_steps += np.array_split(window, len(steps[start : start + WINDOW]))
    return [sorted_steps[place] for place in random.permutation(len(sorted_steps))]


def parts(rows: Rows, lengths: Rows | None, micro_batch: int, rank: int = 0, ranks: int = 1) -> list[Rows]:
    """The micro-batches of one rank. Every rank has equally many, and rows of like length go through together.

    Sorted by length, rows are dealt to the ranks in turn, so that all have about the same work.
    """
    if lengths is not None:
        rows = rows[np.argsort(lengths[rows], kind="stable")]
    largest = -(-len(rows) // ranks)
    own, pieces = (rows[rank::ranks] if ranks > 1 else rows), max(1, -(-largest // micro_batch))
    return np.array_split(own, pieces) if pieces > 1 else [own]  # which costs a step of a small network 2 %
