"""Losses as the engine wants them: the sum of what counts, and how much counts."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from melior.engine.problem import Batch

IGNORED = -100  # a token with this label does not count


def logits_of(outputs: Any) -> Tensor:
    """The logits of a module's outputs: the tensor itself, or its `logits`."""
    found = outputs if isinstance(outputs, Tensor) else outputs.logits
    assert isinstance(found, Tensor)
    return found


def class_loss(outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Cross-entropy. logits (rows, classes); labels (rows,) of class numbers or (rows, classes) that sum to 1."""
    logits = logits_of(outputs).float()
    if batch.weights is None:
        total = cross_entropy(logits, batch.labels, reduction="sum")
        return total, torch.full((), float(len(logits)), device=logits.device)
    return _weighted(cross_entropy(logits, batch.labels, reduction="none"), batch)  # (rows,)


def multi_label_loss(outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of each class, summed over classes. logits and labels (rows, classes), labels in 0..1."""
    logits = logits_of(outputs).float()
    losses = binary_cross_entropy_with_logits(logits, batch.labels.float(), reduction="none").sum(1)  # (rows,)
    return _weighted(losses, batch)


def token_loss(outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the next token. logits (rows, time, tokens); labels (rows, time), the token of each place
    itself and -100 for what does not count; place t is predicted from what stands before it. Weights are of rows."""
    logits, labels = logits_of(outputs)[:, :-1], batch.labels[:, 1:]
    losses = cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    counted = (labels != IGNORED).to(losses.dtype)  # (rows, time)
    if batch.weights is not None:
        counted = counted * batch.weights.to(losses.dtype)[:, None]
    return (losses * counted).sum(), counted.sum()


def _weighted(losses: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    if batch.weights is None:
        return losses.sum(), torch.full((), float(len(losses)), device=losses.device)
    weights = batch.weights.to(losses.dtype)
    return (losses * weights).sum(), weights.sum()
