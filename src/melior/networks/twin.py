"""Two networks that are trained side by side, each on the rows that the other finds easy."""

import copy

import torch
from torch import Tensor, nn


class Twin(nn.Module):
    """A network and a second one of the same kind: while training (rows, 2 classes), the logits of both side by side;
    in evaluation mode the first one's alone.

    scratch  the second's weights are drawn anew; else, where the network begins with pretrained weights, only those of
             its last layer, `head`. Drawn anew: the numbers of each tensor in another order, so that whatever
             distribution they were drawn from stays
    seed     of that order
    """

    def __init__(self, first: nn.Module, *, scratch: bool, seed: int) -> None:
        super().__init__()
        self.first, self.second = first, copy.deepcopy(first)
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weights in self.second.named_parameters():
                if scratch or "head" in name.split("."):
                    order = torch.randperm(weights.numel(), generator=random).to(weights.device)
                    weights.copy_(weights.flatten()[order].view_as(weights))

    def forward(self, **inputs: Tensor) -> Tensor:
        own: Tensor = self.first(**inputs)
        return torch.cat([own, self.second(**inputs)], dim=1) if self.training else own


def lowest(losses: Tensor, share: float) -> Tensor:
    """(rows,) True for this share of the rows, at least one, those with the smallest losses."""
    count = min(max(round(share * len(losses)), 1), len(losses))
    kept = torch.zeros(len(losses), dtype=torch.bool, device=losses.device)
    kept[losses.detach().argsort(stable=True)[:count]] = True
    return kept
