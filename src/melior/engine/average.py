"""Exponential moving average of the weights: what is validated and kept in its place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from melior.engine.optimizers import by_kind


class Average:
    """a <- d a + (1 - d) w after each step, with d = min(decay, (1 + n) / (10 + n)) after n steps, so that the first
    weights are soon forgotten. Polyak and Juditsky 1992; the warm-up is that of Tan and Le, EfficientNet, ICML 2019.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        if decay:
            trained = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
            self.weights = {name: one.detach().clone() for name, one in trained}
            self._live: list[Tensor] = [one for _, one in trained]
            self._of = dict(zip(self.weights.values(), self._live, strict=True))

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """After the step number `steps`, counted from 0."""
        if self.weights:
            kept = min(self.decay, (1 + steps) / (10 + steps))
            for alike in by_kind(list(self.weights.values())):
                torch._foreach_lerp_(alike, [self._of[one] for one in alike], 1 - kept)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the module has the averaged weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges averaged and live weights in place."""
        if self.weights:
            exchange(self._live, list(self.weights.values()))


def exchange(some: Sequence[Tensor], others: Sequence[Tensor]) -> None:
    """Exchanges the contents of two lists of tensors."""
    for one, other in zip(some, others, strict=True):
        aside = one.detach().clone()
        one.copy_(other)
        other.copy_(aside)
