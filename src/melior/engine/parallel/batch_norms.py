"""Batch normalisation over the rows of all data ranks: each normalising its own few rows would be another network."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from melior.engine.parallel.mesh import Mesh


class _Sum(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: Any) -> Tensor:
        ctx.group = group
        found = values.clone()
        dist.all_reduce(found, group=group)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        found = gradient.clone()
        dist.all_reduce(found, group=ctx.group)
        return found, None


def summed(values: Tensor, group: Any) -> Tensor:
    found: Tensor = _Sum.apply(values, group)  # type: ignore[no-untyped-call]
    return found


def shared_statistics(module: nn.Module, mesh: Mesh) -> list[Any]:
    """Makes every batch normalisation inside take mean and variance over the rows of all data ranks while training.

    Returns them. Ioffe and Szegedy, Batch Normalization, ICML 2015. torch's SyncBatchNorm is for GPUs alone.
    """
    if mesh.ranks == 1:
        return []
    group = mesh.along("data")
    found: list[Any] = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    for one in found:

        def forward(values: Tensor, one: Any = one, plain: Any = one.forward) -> Tensor:
            return normalized(one, values, group) if one.training else plain(values)

        one.__dict__["forward"] = forward
    return found


def own_statistics(module: nn.Module) -> None:
    """Undoes `shared_statistics`."""
    for one in module.modules():
        if isinstance(one, nn.modules.batchnorm._BatchNorm):
            one.__dict__.pop("forward", None)


def normalized(norm: Any, values: Tensor, group: Any) -> Tensor:
    """values (rows, features) or (rows, channels, ...); the rows of a batch that stands in for no rows do not count
    (`norm.counts_rows` False)."""
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1, *[1] * (values.ndim - 2)]
    counts = float(getattr(norm, "counts_rows", True))
    wide = values.float()
    sums = torch.cat([wide.sum(axes), wide.new_full((1,), values.numel() / values.shape[1])]) * counts
    sums = summed(sums, group)
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centred = wide - mean.view(shape)
    squares = summed(centred.square().sum(axes) * counts, group)
    variance = squares / count
    if norm.track_running_stats and norm.running_mean is not None:
        with torch.no_grad():
            norm.num_batches_tracked += 1
            share = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
            norm.running_mean.lerp_(mean, share)
            norm.running_var.lerp_(variance * count / (count - 1).clamp(min=1), share)
    made = centred * (variance + norm.eps).rsqrt().view(shape)
    if count < 2:  # a lone row has no spread to divide by: it is taken as it is
        mean, variance = norm.running_mean, norm.running_var
        made = (wide - mean.view(shape)) * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        made = made * norm.weight.view(shape) + norm.bias.view(shape)
    found: Tensor = made.to(values.dtype)
    return found
