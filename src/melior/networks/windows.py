"""Long texts in overlapping windows, all windows of some texts together, and their vectors as one vector a text.

Pappagari et al., Hierarchical Transformers for Long Document Classification, 2019 (https://arxiv.org/abs/1910.10781).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Cut(NamedTuple):
    """How texts are cut.

    window   tokens of a window, its marks included
    overlap  tokens that neighbours share at least
    ahead, behind  marks that stand before and behind every text, and so before and behind every window
    """

    window: int
    overlap: int
    ahead: int
    behind: int

    @property
    def step(self) -> int:
        """Tokens from the beginning of a window to the next, at most."""
        return max(self.window - self.ahead - self.behind - self.overlap, 1)

    def read(self, windows: int) -> int:
        """Tokens of a text, its marks included, that so many windows hold."""
        return self.window + (windows - 1) * self.step


class Windows(NamedTuple):
    """Windows of texts.

    tokens   (windows, longest) -1 where a window has ended
    owners   (windows,) which text each is of, in order
    places   (windows,) the how manyth of its text
    sources  (windows, longest) where each token stands in its text, -1 where a window has ended
    """

    tokens: Tensor
    owners: Tensor
    places: Tensor
    sources: Tensor


def windows_of(tokens: Tensor, cut: Cut) -> Windows:
    """Each text (row of `tokens`, (texts, time) with -1 where it has ended) as windows: one where it fits, else as few
    as the overlap allows, all of them full and evenly spread, so that a long text has no padding.

    >>> cut = Cut(window=5, overlap=1, ahead=1, behind=1)
    >>> windows_of(torch.tensor([[1, 10, 11, 12, 13, 14, 2], [1, 20, 2, -1, -1, -1, -1]]), cut).tokens
    tensor([[ 1, 10, 11, 12,  2],
            [ 1, 12, 13, 14,  2],
            [ 1, 20,  2, -1, -1]])
    """
    marks, device = cut.ahead + cut.behind, tokens.device
    size = max(cut.window - marks, 1)
    lengths = (tokens >= 0).sum(dim=1)  # (texts,)
    inside = (lengths - marks).clamp(min=0)
    over = (inside - size).clamp(min=0)
    counts = 1 + -(-over // cut.step)
    owners = torch.repeat_interleave(torch.arange(len(tokens), device=device), counts)
    places = torch.arange(len(owners), device=device) - (counts.cumsum(0) - counts)[owners]
    starts = places * over[owners] // (counts[owners] - 1).clamp(min=1)
    held = inside[owners].clamp(max=size)[:, None]  # (windows, 1)
    inner = torch.arange(int(held.max()) + marks if len(owners) else marks, device=device)[None] - cut.ahead
    text = cut.ahead + starts[:, None] + inner
    last = (lengths - cut.behind)[owners][:, None] + inner - held
    sources = torch.where(inner < 0, inner + cut.ahead, torch.where(inner < held, text, last))
    ended = inner >= held + cut.behind
    sources = sources.clamp(min=0, max=tokens.shape[1] - 1).masked_fill(ended, 0)
    found = tokens[owners[:, None], sources].masked_fill(ended, -1)
    return Windows(found, owners, places, sources.masked_fill(found < 0, -1))


def by_text(vectors: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    """(windows, width) as (texts, most windows, width), 0 where a text has no more, and (texts, most windows) true
    where it has one."""
    texts, most = int(windows.owners[-1]) + 1, int(windows.places.max()) + 1
    grid = vectors.new_zeros(texts, most, vectors.shape[1])
    real = torch.zeros(texts, most, dtype=torch.bool, device=vectors.device)
    grid = grid.index_put((windows.owners, windows.places), vectors)
    real[windows.owners, windows.places] = True
    return grid, real


def pooled_windows(grid: Tensor, real: Tensor, how: str) -> Tensor:
    """(texts, width) of what `by_text` gave: the mean of a text's windows, or of each number the largest (max)."""
    if how == "max":
        found: Tensor = grid.masked_fill(~real[..., None], float("-inf")).amax(dim=1)
        return found
    return grid.sum(dim=1) / real.sum(dim=1, keepdim=True).to(grid.dtype)


def shares(grid: Tensor, real: Tensor, how: str) -> Tensor:
    """(texts, most windows) what each window is of its text, summing to 1: equal shares for the mean, and for max the
    share of the numbers that it is the largest in."""
    if how == "max":
        won = grid.masked_fill(~real[..., None], float("-inf")).argmax(dim=1)  # (texts, width)
        counts = torch.zeros(grid.shape[:2], dtype=grid.dtype, device=grid.device)
        return counts.scatter_add(1, won, torch.ones_like(won, dtype=grid.dtype)) / grid.shape[2]
    return real.to(grid.dtype) / real.sum(dim=1, keepdim=True)


def marks_of(tokenizer: Any) -> tuple[int, int]:
    """How many marks a tokenizer sets before and behind a text."""
    marks = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    inside = [place for place, mark in enumerate(marks) if not mark]
    return (inside[0], len(marks) - 1 - inside[-1]) if inside else (len(marks), 0)
