"""What the engine is given: rows that can be collated to batches, and a loss."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some rows, ready for a module.

    inputs   module(**inputs) gives the outputs: a Tensor, or an object that the loss understands
    labels   (rows,) class numbers, (rows, classes) multi-label or soft, or (rows, time) tokens with -100 for what does
             not count
    weights  (rows,) or None
    rows     rows in it
    tokens   real tokens (or rows, where there are none)
    padding  padded tokens
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    weights: Tensor | None
    rows: int
    tokens: int
    padding: int = 0

    def to(self, device: torch.device) -> "Batch":
        """The same on a device; from pinned memory the copy does not wait."""
        if self.labels.device == device:
            return self

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return replace(
            self,
            inputs={name: moved(tensor) for name, tensor in self.inputs.items()},
            labels=moved(self.labels),
            weights=None if self.weights is None else moved(self.weights),
        )

    def pinned(self) -> "Batch":
        """The same in page-locked memory, from which a GPU copies while it computes."""
        return replace(
            self,
            inputs={name: tensor.pin_memory() for name, tensor in self.inputs.items()},
            labels=self.labels.pin_memory(),
            weights=None if self.weights is None else self.weights.pin_memory(),
        )


class Source(Protocol):
    """Rows to train or validate on. `batch` may be called on another thread and must depend on nothing but `rows`."""

    @property
    def lengths(self) -> Rows | None:
        """(rows,) tokens of each row; None: all alike."""

    def __len__(self) -> int: ...

    def batch(self, rows: Rows) -> Batch:
        """These rows, collated, on the CPU."""


Loss = Callable[[Any, Batch], tuple[Tensor, Tensor]]
"""(outputs, batch) to (SUM of the losses of what counts, how much counts: weights of rows or target tokens), both
scalars. The engine divides by the count of the whole step, over all micro-batches and ranks: the mean of means is
wrong wherever they count differently."""
