"""Small tables of images: drawn on the spot, kept in a folder of their own until the process ends."""

import atexit
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Table
from melior.testing.tables import table_of

SIDE = 24
HAVE_PILLOW = find_spec("PIL") is not None  # without it there are no image tables


def drawn(kind: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) lying bars, standing bars or a disc (kind 0, 1, 2) of any colour and place, on a noisy ground."""
    y, x = np.mgrid[:SIDE, :SIDE] - random.uniform(-2, 2, size=(2, 1, 1))
    if kind == 2:
        shape = (y - SIDE / 2) ** 2 + (x - SIDE / 2) ** 2 < random.uniform(5, 9) ** 2
    else:
        shape = ((y, x)[kind] * random.uniform(0.9, 1.1)) % 8 < 4
    picture = random.uniform(0, 110, size=(1, 1, 3)) + shape[:, :, None] * random.uniform(60, 130, size=(1, 1, 3))
    picture = picture + random.normal(scale=12, size=(SIDE, SIDE, 3))
    return np.asarray(np.clip(picture, 0, 255), dtype=np.uint8)


def image_table(rows: int = 150, seed: int = 0, *, classes: int = 3, faulty: bool = True) -> Table:
    """Images that tell two or three classes apart, and a number that helps.

    faulty  in some rows there is no path, no such file, a file that is no image or one that is cut short
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(rows) % classes)
    paths: list[str | None] = [str(path) for path in _files(rows, seed, classes, tuple(labels.tolist()))]
    if faulty:
        folder = Path(str(paths[0])).parent
        for number, path in enumerate((None, "no such file.png", str(folder / "words.png"), str(folder / "cut.png"))):
            paths[11 + 7 * number] = path
    columns: dict[str, Any] = {"picture": paths, "size": random.normal(size=rows) + labels}
    kinds = {"picture": "image", "size": "number"}
    return table_of(columns, kinds, labels.astype(np.int32), tuple(f"class {k}" for k in range(classes)))


def clean_image_table(rows: int = 400, seed: int = 0) -> Table:
    """Two classes of images, none of them faulty, none a copy: nothing that a check should report."""
    return image_table(rows, seed, classes=2, faulty=False)


@cache
def _files(rows: int, seed: int, classes: int, labels: tuple[int, ...]) -> list[Path]:
    from PIL import Image

    random = np.random.default_rng([seed, rows, classes])
    folder = Path(_folder().name) / f"{rows} {seed} {classes}"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(rows)]
    for path, label in zip(paths, labels, strict=True):
        Image.fromarray(drawn(label, random)).save(path)
    (folder / "words.png").write_text("no image at all")
    (folder / "cut.png").write_bytes(paths[0].read_bytes()[:300])
    return paths


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    made = tempfile.TemporaryDirectory(prefix="melior-images-")
    atexit.register(made.cleanup)
    return made
