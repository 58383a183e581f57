"""Mixed precision: products in a short type, weights and sums in float32; float16 with a scaled loss."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from melior.engine.device import Device
from melior.engine.parallel.mesh import Mesh

GROWS_AFTER = 2000  # good steps until the scale is doubled


def agreed(device: Device, mesh: Mesh) -> Device:
    """The same precision on all ranks: those on unlike hardware would choose differently, and take float32."""
    step = torch.finfo(device.dtype).eps
    if mesh.least(step) == mesh.most(step):
        return device
    return replace(device, dtype=torch.float32, said="float32: the hardware of the ranks differs in what is fast")


@dataclass
class Precision:
    """autocast for the forward pass, and the factor by which the loss is scaled before the backward pass.

    float16 has 5 bits of exponent: small gradients vanish unless the loss is large, and a loss too large overflows.
    The scale is halved where gradients overflow (the step is then done again, so that no batch is lost) and doubled
    after 2,000 good steps. Micikevicius et al., Mixed Precision Training, ICLR 2018.
    """

    device: Device
    scale: float = 1.0
    good: int = 0

    @classmethod
    def of(cls, device: Device) -> "Precision":
        return cls(device, scale=2.0**16 if device.dtype == torch.float16 else 1.0)

    @property
    def scales(self) -> bool:
        return self.device.dtype == torch.float16

    def forward(self) -> AbstractContextManager[Any]:
        if self.device.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.device.type, dtype=self.device.dtype)

    def overflowed(self) -> bool:
        """After gradients that are not finite: halves the scale; False where that is not what is wrong."""
        if not self.scales or self.scale <= 1.0:
            return False
        self.scale, self.good = self.scale / 2, 0
        return True

    def went_well(self) -> None:
        if self.scales:
            self.good += 1
            if self.good % GROWS_AFTER == 0:
                self.scale *= 2
