"""Noise on what a network reads: Gaussian on numbers and pixels, words left out."""

from typing import Any

import torch
from torch import Tensor, nn

from melior.networks.tables import Columns

PIXEL = 255.0  # from the darkest to the brightest


def number_places(network: nn.Module) -> list[int] | None:
    """Which of the values that a network reads are numbers and not codes; None: it reads no values as columns."""
    return next((module.numbers for module in network.modules() if isinstance(module, Columns)), None)


def noisy_numbers(values: Tensor, places: list[int], spread: float, random: torch.Generator) -> Tensor:
    """(rows, features) with Gaussian noise of this standard deviation in the columns `places`; what is missing stays
    missing."""
    if not places or not spread:
        return values
    noise = spread * torch.randn((len(values), len(places)), generator=random)
    found = values.clone()
    found[:, places] += noise.to(values.dtype)
    return found


def noisy_pixels(pixels: Tensor, spread: float, random: torch.Generator) -> Tensor:
    """Bytes with Gaussian noise of standard deviation `spread` times 255, rounded and cut to 0..255."""
    if not spread:
        return pixels
    noise = spread * PIXEL * torch.randn(pixels.shape, generator=random)
    return (pixels.float() + noise).round_().clamp_(0, PIXEL).to(pixels.dtype)


def without_words(tokens: Tensor, share: float, random: torch.Generator) -> Tensor:
    """(rows, time) tokens, -1 where a row has ended, with each token left out with this chance and those after it moved
    up. The first and the last of a row stay: an encoder's marks stand there."""
    drawn = torch.rand(tokens.shape, generator=random) < share
    real = tokens >= 0
    place, length = torch.arange(tokens.shape[1]), real.sum(1, keepdim=True)
    kept = real & (~drawn | (place == 0) | (place == length - 1))
    order = (~kept).long().argsort(dim=1, stable=True)  # those that stay first, in their order
    return torch.where(kept.gather(1, order), tokens.gather(1, order), -1)


def noisy(inputs: dict[str, Tensor], places: list[int], how: Any, random: torch.Generator) -> dict[str, Tensor]:
    """A batch's inputs with noise. how: `numbers`, `words` and `pixels`, how much of each."""
    found = dict(inputs)
    for name, part in sorted(inputs.items()):
        if name == "values":
            found[name] = noisy_numbers(part, places, how.numbers, random)
        elif part.dtype == torch.uint8:
            found[name] = noisy_pixels(part, how.pixels, random)
        elif not part.is_floating_point() and part.ndim == 2 and how.words:
            found[name] = without_words(part, how.words, random)
    return found
