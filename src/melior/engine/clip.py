"""The norm of all gradients, and clipping by norm and by value."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from melior.engine.mesh import Mesh


@torch.no_grad()
def squared_norms(gradients: Sequence[Tensor]) -> list[Tensor]:
    """The sum of squares of each kind of gradient: device, type, and how it is dealt out over ranks.

    Plain tensors and DTensors, and DTensors of different meshes, cannot be stacked; their sums can be added once each
    is a plain number. So they are grouped first.
    """
    kinds: dict[tuple[object, ...], list[Tensor]] = defaultdict(list)
    for gradient in gradients:
        dealt = (getattr(gradient, "device_mesh", None), str(getattr(gradient, "placements", "")))
        kinds[(gradient.device, gradient.dtype, *dealt)].append(gradient)
    return [_squared_norm(alike) for alike in kinds.values()]


def _squared_norm(alike: Sequence[Tensor]) -> Tensor:
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(list(alike))])
    squared = norms.square().sum()
    return squared.full_tensor() if hasattr(squared, "full_tensor") else squared


def total_norm(gradients: Sequence[Tensor], mesh: Mesh) -> Tensor:
    """The Euclidean norm of all gradients as one vector, a scalar on the device of the first."""
    squares = squared_norms(gradients)
    return mesh.norm([square.to(squares[0].device) for square in squares])


@torch.no_grad()
def scale(gradients: Sequence[Tensor], factor: float) -> None:
    """Multiplies all gradients; 1 costs nothing."""
    if factor != 1.0:
        torch._foreach_mul_(list(gradients), factor)


@torch.no_grad()
def clip_value(gradients: Sequence[Tensor], largest: float) -> None:
    """Cuts each entry to -largest..largest."""
    torch._foreach_clamp_min_(list(gradients), -largest)
    torch._foreach_clamp_max_(list(gradients), largest)


def shrink_to(norm: float, largest: float | None) -> float:
    """The factor that brings a norm down to `largest`: 1 where it is not above.

    Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
    """
    return 1.0 if largest is None else min(1.0, largest / (norm + 1e-6))
