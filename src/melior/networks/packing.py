"""A source of rows for causal models, padded or packed.

Packed, several rows stand behind one another in one line of the batch, so that little is padding. Nothing crosses
from one to the next: positions start again at 0 in each row, and a token attends only to tokens of its own row before
it (the library makes the block-diagonal mask, or the cumulative lengths that flash attention takes, from the restarted
positions). Krell et al., Efficient Sequence Packing without Cross-contamination, 2021 (https://arxiv.org/abs/2107.02027).

Rows are packed within a batch: a step has the same rows as without, and so the same loss.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from melior.engine.losses import IGNORED
from melior.engine.problem import Batch
from melior.networks.conversation import Language


class LanguageRows:
    """Rows for `CausalNetwork`; see there for the inputs.

    rows    of `language`
    pad     id of the pad token
    packed  several rows a line, as far as they fit into the length of the batch's longest
    """

    def __init__(self, rows: Language, pad: int, *, packed: bool = False) -> None:
        self.rows = rows
        self.pad = pad
        self.packed = packed

    @property
    def lengths(self) -> NDArray[Any]:
        return self.rows.tokens.lengths

    def __len__(self) -> int:
        return len(self.rows.tokens)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        offsets = self.rows.tokens.offsets
        lengths = offsets[rows + 1] - offsets[rows]  # of these rows alone: there may be 10^8
        lines = packed(lengths) if self.packed else [[place] for place in range(len(rows))]
        width = max(int(lengths.max(initial=0)), 1)
        ids = np.full((len(lines), width), self.pad, dtype=np.int64)
        labels = np.full((len(lines), width), IGNORED, dtype=np.int64)
        places = np.zeros((len(lines), width), dtype=np.int64)
        if not self.packed:
            places[:] = np.arange(width)
        for line, members in enumerate(lines):
            start = 0
            for member in members:
                own = slice(offsets[rows[member]], offsets[rows[member] + 1])
                here = slice(start, start + lengths[member])
                ids[line, here] = self.rows.tokens.values[own]
                labels[line, here] = np.where(self.rows.counts[own], ids[line, here], IGNORED)
                labels[line, start] = IGNORED  # nothing of its own row stands before it
                places[line, here] = np.arange(lengths[member])
                start += lengths[member]
        inputs = {"input_ids": torch.from_numpy(ids), "position_ids": torch.from_numpy(places)}
        # padding stands at the end, where a causal mask hides it from every real token: no other mask is needed
        made = torch.from_numpy(labels)
        real = int(lengths.sum())
        return Batch(
            inputs={**inputs, "labels": made},
            labels=made,
            weights=None,
            rows=len(rows),
            tokens=real,
            padding=ids.size - real,
        )


def packed(lengths: NDArray[np.int64], size: int | None = None) -> list[list[int]]:
    """Lines of rows so that each line has at most `size` tokens (the longest row's), by first-fit decreasing: at most
    11/9 of the fewest possible lines and one more (Johnson 1973)."""
    size = int(lengths.max(initial=1)) if size is None else size
    lines: list[list[int]] = []
    room: list[int] = []
    for row in np.argsort(-lengths, kind="stable"):
        fits = next((line for line, left in enumerate(room) if left >= lengths[row]), None)
        if fits is None:
            lines.append([])
            room.append(size)
            fits = len(lines) - 1
        lines[fits].append(int(row))
        room[fits] -= int(lengths[row])
    return lines


def keeps_apart(model: Any, seed: int = 0) -> bool:
    """Whether the model keeps packed rows apart: two rows of random tokens give the same packed as alone. Measured, as
    nothing else says it for every architecture."""
    generator = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    many = model.get_input_embeddings().weight.shape[0]
    rows = [torch.randint(many, (1, length), generator=generator).to(device) for length in (7, 5)]
    training = model.training
    model.eval()
    with torch.no_grad():
        apart = [model(input_ids=row, use_cache=False).logits for row in rows]
        places = torch.cat([torch.arange(row.shape[1], device=device) for row in rows])[None]
        together = model(input_ids=torch.cat(rows, 1), position_ids=places, use_cache=False).logits
    model.train(training)
    wanted = torch.cat(apart, 1)
    return bool(torch.allclose(together, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())))
