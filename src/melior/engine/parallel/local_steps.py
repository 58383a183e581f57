"""Ranks that step alone and meet now and then: far fewer bytes over the network, for another trajectory.

Every `local_steps` steps the ranks' weights are averaged, each by how much counted in its rows, and the common weights
take a step from where they were towards that mean, with an optimiser of its own (Douillard et al., DiLoCo, 2023,
https://arxiv.org/abs/2311.08105). Their moving averages become the mean of all too.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from melior.engine.average import Average
from melior.engine.parallel.mesh import Mesh


class LocalSteps:
    """on     whether this training steps so
    every  steps between meetings
    """

    def __init__(self, module: nn.Module, average: Average, mesh: Mesh) -> None:
        layout = mesh.layout
        self.mesh, self.every = mesh, layout.local_steps
        self.on = layout.local_steps > 0 and mesh.ranks > 1
        self.rate, self.momentum = layout.outer_rate, layout.outer_momentum
        self.counted = 0.0
        self.module, self.moving = module, average.weights
        self.common: dict[str, Tensor] = {}
        self.velocity: dict[str, Tensor] = {}
        self.each_time = 0  # bytes that a rank sends when weights, or gradients, are summed around a ring
        self.sums = 2 if self.moving else 1  # of so many bytes at a meeting
        if self.on:
            whole = sum(one.nbytes for one in self._live().values())
            self.each_time = 2 * (mesh.ranks - 1) * whole // mesh.ranks
            self.common = {name: one.detach().clone() for name, one in self._live().items()}
            if self.momentum:
                self.velocity = {name: torch.zeros_like(one) for name, one in self.common.items()}

    def _live(self) -> dict[str, Tensor]:
        return {name: one for name, one in self.module.named_parameters() if one.requires_grad}

    def at_a_meeting(self, steps: int) -> int:
        """So many steps, or the next more after which ranks meet."""
        return -(-steps // self.every) * self.every

    @torch.no_grad()
    def average(self, step: int) -> dict[str, float]:
        """The ranks meet: all go on from the same weights. What the history says of it."""
        live = self._live()
        total = self.mesh.sums([self.counted])[0]
        share = self.counted / total if total else 1 / self.mesh.ranks
        self.counted = 0.0
        apart = torch.zeros((), dtype=torch.float64)
        length = torch.zeros((), dtype=torch.float64)
        for name, one in live.items():
            common = self.common[name]
            way = (one - common) * share  # small beside the weights, so that little is lost to rounding
            dist.all_reduce(way, group=self.mesh.along("data"))
            apart += (one - common - way).double().square().sum().cpu()
            length += one.double().square().sum().cpu()
            if self.momentum:  # the way of all ranks together, taken for a gradient
                velocity = self.velocity[name].mul_(self.momentum).sub_(way)
                way -= velocity * self.momentum
            if self.moving:  # what is validated and kept as the best is common too
                moving = self.moving[name].sub_(common).mul_(share)
                dist.all_reduce(moving, group=self.mesh.along("data"))
                moving.add_(common)
            common.add_(way, alpha=self.rate)
            one.copy_(common)
        for buffer in self.module.buffers():
            if buffer.is_floating_point():  # running statistics
                dist.all_reduce(buffer, group=self.mesh.along("data"))
                buffer /= self.mesh.ranks
        alone = step % self.every or self.every
        drift = float((apart / length.clamp(min=1e-30)).sqrt())
        return {
            "apart": drift,
            "steps": alone,
            "sent_bytes": self.each_time * self.sums * (self.at_a_meeting(step) // self.every),
            "every_step_bytes": self.each_time * step,
        }

    def tensors(self) -> dict[str, Tensor]:
        """The common weights and their velocity, where there is momentum, by name."""
        return {
            **{f"common.{name}": one for name, one in self.common.items()},
            **{f"velocity.{name}": one for name, one in self.velocity.items()},
        }

    @torch.no_grad()
    def restore(self, tensors: dict[str, Any]) -> None:
        for name, one in self.tensors().items():
            one.copy_(tensors[name])
