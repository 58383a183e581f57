"""Tables of pictures for experiments: handwritten digits, few or many a class."""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.read import read
from melior.data.table import Rows
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
    return _given(pixels, labels, train, test)


def threes_and_eights(seed: int, rare: int) -> Given:
    """Handwritten 3 and 8, 8 by 8 pixels; `rare` of the training rows are 3, 90 are 8, and of the others 80 each."""
    from sklearn.datasets import load_digits

    found = load_digits()
    random = np.random.default_rng([seed, 640])
    eights, threes = (random.permutation(np.flatnonzero(found.target == digit)) for digit in (8, 3))
    train, test = [*eights[:90], *threes[:rare]], [*eights[90:170], *threes[rare : rare + 80]]
    pixels = (found.images * 15.9).astype(np.uint8)  # of 0 to 16
    return _given(pixels, found.target, np.array(train), np.array(test))


def _given(pixels: NDArray[np.uint8], labels: NDArray[np.int64], train: Rows, test: Rows) -> Given:
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
