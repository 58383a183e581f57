"""From the gradients of a sum of losses to those of a step: divided by what counts, clipped by value and by norm."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from melior.engine.optimizers import Optimizers, by_kind
from melior.engine.parallel.mesh import Mesh
from melior.engine.settings import Training


def _squared_norm(alike: Sequence[Tensor]) -> Tensor:
    """The sum of squares of gradients of one kind, a plain scalar; over all ranks where they are dealt out."""
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(list(alike))])
    squared = norms.square().sum()
    return squared.full_tensor() if isinstance(squared, DTensor) else squared


@torch.no_grad()
def total_norm(gradients: Sequence[Tensor], mesh: Mesh) -> Tensor:
    """The Euclidean norm of all gradients as one vector, a scalar on the device of the first."""
    kinds = by_kind(gradients)
    if not kinds:  # nothing of this stage of a pipeline has a gradient
        return mesh.norm([torch.zeros((), device=mesh.device)])
    if len(kinds) == 1 and mesh.size("pipeline") == 1 and not isinstance(gradients[0], DTensor):  # in fewer kernels
        norm: Tensor = torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(kinds[0]))).float())
        return norm
    squares = [_squared_norm(alike) for alike in kinds]
    return mesh.norm([square.to(squares[0].device) for square in squares])


@torch.no_grad()
def scale(gradients: Sequence[Tensor], factor: float) -> None:
    """Multiplies all gradients; 1 costs nothing."""
    if factor != 1.0:
        for alike in by_kind(gradients):
            torch._foreach_mul_(alike, factor)


@torch.no_grad()
def clip_value(gradients: Sequence[Tensor], largest: float) -> None:
    """Cuts each entry to -largest..largest."""
    for alike in by_kind(gradients):
        torch._foreach_clamp_min_(alike, -largest)
        torch._foreach_clamp_max_(alike, largest)


def finish(
    gradients: Sequence[Tensor], share: float, raw: float, settings: Training, optimizers: Optimizers, mesh: Mesh
) -> float:
    """Gradients of the sum of losses, whose norm is `raw`, become those of a step: times `share`, with the l1 penalty,
    cut by value, then by norm. Returns their norm before the last."""
    if settings.l1 or settings.clip_value:
        scale(gradients, share)
        optimizers.add_l1()
        if settings.clip_value:
            clip_value(gradients, settings.clip_value)
        share, raw = 1.0, float(total_norm(optimizers.counted(gradients), mesh))
    scale(gradients, share * shrink_to(raw * share, settings.clip_norm))
    return raw * share


def shrink_to(norm: float, largest: float | None) -> float:
    """The factor that brings a norm down to `largest`: 1 where it is not above.

    Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
    """
    return 1.0 if largest is None else min(1.0, largest / (norm + 1e-6))
