"""Tables of pictures for experiments: handwritten digits of MNIST, few or many a class."""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.read import read
from melior.proofs._base import Given
from melior.proofs.sources import mnist_file

SCORED = 100  # rows of each digit


def digits(seed: int, each: int, *, scored: int = SCORED) -> Given:
    """`each` rows of each digit to train on and `scored` others to score, other ones for each seed; 28 by 28 pixels."""
    pixels, labels = mnist()
    random = np.random.default_rng([seed, 13])
    order = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = random.permutation(np.concatenate([own[scored : scored + each] for own in order]))
    test = np.concatenate([own[:scored] for own in order])
    which = np.concatenate([train, test])
    pictures = [{"bytes": as_png(pixels[row]), "path": f"{row}.png"} for row in which]
    said = [f"digit {labels[row]}" for row in which]
    table = read(pl.DataFrame({"picture": pictures, "digit": said}), target="digit", columns={"picture": "image"})
    return Given(table.take(np.arange(len(train))), table.take(np.arange(len(train), table.rows)))


@cache
def mnist() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(5,000, 28, 28) pictures and (5,000,) what they show."""
    rows = np.loadtxt(mnist_file(), delimiter=",", dtype=np.int64)
    return rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28), rows[:, -1]


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    kept: Any = BytesIO()
    Image.fromarray(pixels).save(kept, format="PNG")
    return bytes(kept.getvalue())
