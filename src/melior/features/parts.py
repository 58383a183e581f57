"""What networks read beside numbers: token numbers of texts and pixels of images, one entry a row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """A sequence of whole numbers a row, of any length: tokens of texts.

    flat    (tokens,) the sequences one after another
    starts  (rows + 1,) where each begins in `flat`, and the end of the last

    >>> words = Ragged(np.array([5, 6, 7]), np.array([0, 2, 2, 3]))
    >>> words.lengths.tolist(), words.padded(np.array([0, 2]), 9).tolist()
    ([2, 0, 1], [[5, 6], [7, 9]])
    """

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, flat: NDArray[Any], lengths: NDArray[Any]) -> "Ragged":
        """From the sequences one after another and how long each is."""
        starts = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        return cls(np.asarray(flat, dtype=np.int32), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,) tokens of each row."""
        return np.diff(self.starts)

    def take(self, which: NDArray[Any]) -> "Ragged":
        rows = np.arange(len(self))[which]
        lengths = self.lengths[rows]
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        # the place of every token kept: where its row began, and how far into the row it stands
        inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Ragged(self.flat[np.repeat(self.starts[rows], lengths) + inside], starts)

    def cut(self, most: int) -> "Ragged":
        """Each sequence's first `most` tokens."""
        lengths = self.lengths
        inside = np.arange(len(self.flat)) - np.repeat(self.starts[:-1], lengths)
        return Ragged.of(self.flat[inside < most], np.minimum(lengths, most))

    def padded(self, rows: NDArray[np.int64], filler: int) -> NDArray[np.int64]:
        """(rows, longest of them, at least 1) the sequences of these rows, filled up at the end."""
        some = self.take(rows)
        lengths = some.lengths
        made = np.full((len(rows), max(int(lengths.max(initial=0)), 1)), filler, dtype=np.int64)
        made[np.arange(made.shape[1]) < lengths[:, None]] = some.flat
        return made


@dataclass(frozen=True)
class Pixels:
    """A picture a row, all of one size.

    values    (rows, height, width, channels) 0..255, one channel for grey and three for colour
    readable  (rows,) where there is a picture; elsewhere the values are 0
    """

    values: NDArray[np.uint8]
    readable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def channels(self) -> int:
        return int(self.values.shape[3])

    def take(self, which: NDArray[Any]) -> "Pixels":
        return Pixels(self.values[which], self.readable[which])

    def pictures(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """(rows, height, width, channels) of these rows."""
        return np.asarray(self.values[rows])


@dataclass(frozen=True)
class SharedPixels:
    """A picture a row, all of one size, out of pictures that many tables share: they may lie in a file.

    shared  (some, height, width, channels) 0..255; the first is black, for rows without a picture
    places  (rows,) which of them
    """

    shared: NDArray[np.uint8]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def channels(self) -> int:
        return int(self.shared.shape[3])

    def take(self, which: NDArray[Any]) -> "SharedPixels":
        return SharedPixels(self.shared, self.places[which])

    def pictures(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        """(rows, height, width, channels) of these rows."""
        return np.asarray(self.shared[self.places[rows]])
