"""A matrix as what the engine reads: batches of tensors, collated on the CPU."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melior.engine.problem import Batch
from melior.features._base import Matrix
from melior.features.parts import Pixels, Ragged, SharedPixels


@dataclass(frozen=True)
class MatrixRows:
    """Rows of a matrix for the engine. The inputs are "values" (rows, features) float32, and for each part its name:
    tokens (rows, time) int64 with -1 where a row has ended, pictures (rows, height, width, channels) uint8.

    labels   (rows,) class numbers, or (rows, classes) shares of classes
    weights  (rows,) or None for 1 each
    """

    matrix: Matrix
    labels: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """(rows,) the tokens of all texts of a row; None where there are no texts."""
        texts = [part.lengths for part in self.matrix.parts.values() if isinstance(part, Ragged)]
        return np.sum(texts, axis=0, dtype=np.int64) if texts else None

    def __len__(self) -> int:
        return self.matrix.rows

    def take(self, which: NDArray[Any]) -> "MatrixRows":
        return MatrixRows(
            self.matrix.take(which),
            None if self.labels is None else self.labels[which],
            None if self.weights is None else self.weights[which],
        )

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        values = np.asarray(self.matrix.take(rows).dense() if self.matrix.sparse else self.matrix.values[rows])
        inputs: dict[str, Tensor] = {"values": torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))}
        tokens = padding = 0
        for name, part in self.matrix.parts.items():
            if isinstance(part, Ragged):
                padded = part.padded(rows, -1)
                real = int((padded >= 0).sum())
                tokens, padding = tokens + real, padding + padded.size - real
                inputs[name] = torch.from_numpy(padded)
            elif isinstance(part, Pixels | SharedPixels):
                inputs[name] = torch.from_numpy(np.ascontiguousarray(part.pictures(rows)))
        labels = np.zeros(len(rows), dtype=np.int64) if self.labels is None else self.labels[rows]
        kind = np.int64 if labels.ndim == 1 else np.float32
        return Batch(
            inputs=inputs,
            labels=torch.from_numpy(np.ascontiguousarray(labels, dtype=kind)),
            weights=None if self.weights is None else torch.from_numpy(self.weights[rows].astype(np.float32)),
            rows=len(rows),
            tokens=tokens or len(rows),
            padding=padding,
        )
