"""Texts as numbers: ragged token ids, and a source of batches for classification."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melior.engine.problem import Batch
from melior.errors import UserError

Kind = TypeVar("Kind", bound=np.generic, covariant=True)
AT_ONCE = 2000  # texts given to the tokenizer at once: enough to keep its threads busy


class Stretches(Protocol[Kind]):
    """An array that need not be in memory; a stretch of it is, when it is asked for."""

    def __getitem__(self, part: slice, /) -> NDArray[Kind]: ...


class TokenRows(Protocol):
    """Token ids of rows: `Tokens`, or the same on disk."""

    @property
    def values(self) -> Stretches[np.integer[Any]]: ...

    @property
    def offsets(self) -> NDArray[np.int64]: ...

    @property
    def lengths(self) -> NDArray[Any]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Tokens:
    """Token ids of rows, one after the other.

    values     (all tokens,) int32
    offsets    (rows + 1,) int64: row r is values[offsets[r] : offsets[r + 1]]
    truncated  rows that were longer than the limit and lost their end
    """

    values: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: int = 0

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | NDArray[np.int32]], truncated: int = 0) -> "Tokens":
        lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        values = np.concatenate([np.zeros(0, dtype=np.int32), *(np.asarray(row, dtype=np.int32) for row in rows)])
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]), truncated)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, number: int) -> NDArray[np.int32]:
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def take(self, rows: NDArray[Any]) -> "Tokens":
        return Tokens.of([self.row(int(row)) for row in np.arange(len(self))[rows]])

    def padded(self, rows: NDArray[np.int64], pad: int) -> tuple[Tensor, Tensor]:
        """(rows, longest) int64 ids, padded at the end, and a mask that is 1 on real tokens."""
        lengths = self.lengths[rows]
        width = max(int(lengths.max(initial=0)), 1)
        ids = np.full((len(rows), width), pad, dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = self.row(int(row))
        mask = np.arange(width) < np.maximum(lengths, 1)[:, None]  # a row without tokens attends its one pad token
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def tokenized(tokenizer: Any, texts: Sequence[str | None], limit: int) -> Tokens:
    """Each text's ids with the marks that the tokenizer adds, cut to `limit` tokens (marks stay); None is "".

    >>> tokenized(loaded.tokenizer, ["One text.", "Another."], limit=128).lengths    # doctest: +SKIP
    array([5, 4])
    """
    if limit < 4:
        raise UserError(f"a limit of {limit} tokens leaves no room for a text; give at least 4.")
    found: list[list[int]] = []
    truncated = 0
    for start in range(0, len(texts), AT_ONCE):
        part = [text or "" for text in texts[start : start + AT_ONCE]]
        ids = tokenizer(part, verbose=False)["input_ids"]
        long = [number for number, row in enumerate(ids) if len(row) > limit]
        if long:
            cut = tokenizer([part[number] for number in long], truncation=True, max_length=limit)["input_ids"]
            for number, row in zip(long, cut, strict=True):
                ids[number] = row
        truncated += len(long)
        found += ids
    return Tokens.of(found, truncated)


class TextRows:
    """A source of texts with classes for an encoder; each batch is padded to its longest row.

    tokens   of `tokenized`
    labels   (rows,) class numbers, or (rows, classes) 0..1 for multi-label and soft labels
    weights  (rows,) or None
    pad      id of the pad token
    """

    def __init__(self, tokens: Tokens, labels: NDArray[Any], weights: NDArray[Any] | None, pad: int) -> None:
        assert len(tokens) == len(labels), f"{len(tokens)} texts and {len(labels)} labels"
        self.tokens = tokens
        labels = np.asarray(labels)
        self.labels = labels.astype(np.int64 if labels.ndim == 1 else np.float32)
        self.weights = None if weights is None else np.asarray(weights, dtype=np.float32)
        self.pad = pad

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.tokens.lengths

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        ids, mask = self.tokens.padded(rows, self.pad)
        real = int(mask.sum())
        return Batch(
            inputs={"input_ids": ids, "attention_mask": mask},
            labels=torch.from_numpy(self.labels[rows]),
            weights=None if self.weights is None else torch.from_numpy(self.weights[rows]),
            rows=len(rows),
            tokens=real,
            padding=mask.numel() - real,
        )
