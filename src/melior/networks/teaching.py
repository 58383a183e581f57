"""What methods change in the training of a network that classifies, as the engine takes it.

A method has hooks of these names (see `melior.methods._base`); here they are put together with the usual loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from melior.engine.lessons import Lesson, Moment, Run
from melior.engine.losses import class_loss, logits_of, multi_label_loss
from melior.engine.problem import Batch, Loss
from melior.networks.sources import MatrixRows

RowLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits (rows, classes), labels: (rows,) of class numbers or (rows, classes) of shares) to losses (rows,)"""


@dataclass(frozen=True)
class Known:
    """What is known of the training rows when a network is about to learn them.

    counts   (classes,) how much each class counts: rows, or their weights
    rows     training rows
    several  rows may have several labels: logits are of each label by itself
    seed     of the training
    """

    counts: Tensor
    rows: int
    several: bool
    seed: int

    @property
    def classes(self) -> int:
        return len(self.counts)


class Taught(Lesson):
    """A method's hooks as a lesson."""

    def __init__(self, method: Any, classes: int = 0) -> None:
        self.method, self.classes = method, classes

    @property
    def told(self) -> str:
        return str(self.method.told)

    @property
    def acts(self) -> frozenset[str]:
        return frozenset(self.method.acts())

    def batch(self, batch: Batch, moment: Moment) -> Batch:
        found: Batch = self.method.batch(batch, replace(moment, classes=self.classes))
        return found

    def forward(self, run: Run, network: nn.Module, batch: Batch, moment: Moment) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.method.forward(run, network, batch, moment)
        return found


def known_of(rows: MatrixRows, classes: int, several: bool, seed: int) -> Known:
    """What the encoded training rows say."""
    assert rows.labels is not None
    labels = np.asarray(rows.labels)
    weights: NDArray[Any] = np.ones(len(labels)) if rows.weights is None else np.asarray(rows.weights)
    counts = np.bincount(labels, weights, classes) if labels.ndim == 1 else (labels * weights[:, None]).sum(axis=0)
    return Known(torch.tensor(counts, dtype=torch.float32), len(labels), several, seed)


def row_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(rows,) cross-entropy of each row; see `RowLoss`."""
    return cross_entropy(logits, labels, reduction="none")


def row_loss_of_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """(rows,) binary cross-entropy of each label, summed; labels (rows, labels)."""
    return binary_cross_entropy_with_logits(logits, labels.float(), reduction="none").sum(1)


def loss_of(methods: Sequence[Any], known: Known) -> Loss:
    """The engine's loss with what the methods make of it; the usual one where none has a loss of its own."""
    acting = sorted((one for one in methods if "loss" in one.acts()), key=lambda one: not one.own_loss())
    if not acting:
        return multi_label_loss if known.several else class_loss
    of_row: RowLoss = row_loss_of_labels if known.several else row_loss
    for method in acting:
        of_row = method.loss(of_row, known)

    def loss(outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = outputs if isinstance(outputs, Tensor) else logits_of(outputs)
        losses = of_row(logits.float(), batch.labels)  # (rows,)
        if batch.weights is None:
            return losses.sum(), torch.full((), float(len(losses)), device=losses.device)
        weights = batch.weights.to(losses.dtype)
        return (losses * weights).sum(), weights.sum()

    return loss
