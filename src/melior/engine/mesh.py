"""The devices that train together. One rank today; the loop already asks it for everything that is global."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Mesh:
    """Ranks along one axis of data. Gradients are summed over them, never averaged: the loop divides by the global
    count, and the mean of per-rank means would be wrong on uneven shards."""

    rank: int = 0
    ranks: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank writes what is written once: history, progress, the checkpoint's own state."""
        return self.rank == 0

    def sums(self, values: Sequence[float]) -> Sequence[float]:
        """The sums over all ranks of a few numbers: losses, counts of rows and of target tokens."""
        assert self.ranks == 1
        return values

    def norm(self, squares: Sequence[Tensor]) -> Tensor:
        """The square root of the sum of squares of gradients, over every axis along which weights are dealt out."""
        assert self.ranks == 1
        import torch

        return torch.stack(list(squares)).sum().sqrt()

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank: out of memory, an interrupt."""
        assert self.ranks == 1
        return flag
