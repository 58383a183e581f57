"""Pictures as one vector: a small residual network."""

from typing import Any

import torch
from torch import Tensor, nn

from melior.networks.layers import activation


def picture_norm(name: str, channels: int) -> nn.Module:
    """Over (rows, channels, height, width); layer and rms are groups of channels here (Wu and He, ECCV 2018)."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity() if name == "none" else nn.GroupNorm(8 if channels % 8 == 0 else 1, channels)


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to what came in: (rows, inputs, h, w) to (rows, channels, h / stride,
    w / stride). He et al., Deep Residual Learning for Image Recognition, CVPR 2016."""

    def __init__(self, inputs: int, channels: int, stride: int, norm: str, act: str) -> None:
        super().__init__()
        bias = norm == "none"
        self.first = nn.Conv2d(inputs, channels, 3, stride, 1, bias=bias)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)
        self.first_norm, self.second_norm = picture_norm(norm, channels), picture_norm(norm, channels)
        self.act = activation(act)
        same = inputs == channels and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(inputs, channels, 1, stride, bias=bias)

    def forward(self, seen: Tensor) -> Tensor:
        made = self.act(self.first_norm(self.first(seen)))
        made = self.second_norm(self.second(made))
        found: Tensor = self.act(made + self.short(seen))
        return found


class PictureVector(nn.Module):
    """(rows, height, width, channels) bytes to (rows, width): a first convolution, three stages of `depth` residual
    blocks, each of half the size and twice the channels of the one before, and the mean over what is left."""

    def __init__(self, channels: int, plan: dict[str, Any]) -> None:
        super().__init__()
        first, depth = plan["image_channels"], plan["image_depth"]
        norm, act = plan["image_normalization"], plan["activation"]
        self.register_buffer("mean", torch.full((channels,), 127.5))
        self.register_buffer("spread", torch.full((channels,), 127.5))
        self.stem = nn.Conv2d(channels, first, 3, plan["image_stride"], 1, bias=norm == "none")
        self.stem_norm, self.act = picture_norm(norm, first), activation(act)
        stages, before = [], first
        for stage in range(3):
            for block in range(depth):
                stages.append(Residual(before, first * 2**stage, 2 if stage and not block else 1, norm, act))
                before = first * 2**stage
        self.stages = nn.Sequential(*stages)
        self.width = before

    def forward(self, pixels: Tensor) -> Tensor:
        mean, spread = self.get_buffer("mean"), self.get_buffer("spread")
        seen = ((pixels.to(mean.dtype) - mean) / spread).permute(0, 3, 1, 2)  # memory stays channels-last: faster
        seen = self.act(self.stem_norm(self.stem(seen)))
        found: Tensor = self.stages(seen).mean(dim=(2, 3))
        return found
