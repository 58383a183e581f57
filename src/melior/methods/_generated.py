"""Rows as a generator sees them, and back: numbers by rank, categories as one-hot groups, small pictures."""

import io
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from melior.data.table import Floats, Labels, Rows, Table
from melior.features.blocks import codes_of, common
from melior.features.network import in_channels, is_grey
from melior.features.scaling import quantile_normal

KNOTS = 1000
MOST_CATEGORIES = 100  # of a column; the others are one group, of which real values are drawn
SIDE = 32  # pixels of the largest picture that is generated
REACH = 3.5  # normal quantiles beyond it are cut off


class RowCoder:
    """Rows of a table to vectors (rows, numbers + one-hot groups), about standard normal, and back.

    A number becomes the normal quantile of its rank among the training rows, so that whatever its shape it is easy to
    learn, and what is generated keeps to the values that there were; a column with missing values gets a group of two
    beside it. A category becomes one of its commonest values or "another".
    """

    def __init__(self, train: Table) -> None:
        self.numbers = [name for name in train.of_kind("number") if np.isfinite(train.numbers(name)).any()]
        self.knots: list[Floats] = []
        self.whole: list[bool] = []
        for name in self.numbers:
            values = train.numbers(name)
            values = values[np.isfinite(values)]
            self.knots.append(np.quantile(values, np.linspace(0, 1, min(max(len(values), 2), KNOTS))))
            self.whole.append(bool(np.array_equal(values, np.round(values))))
        self.gaps = [name for name in self.numbers if not np.isfinite(train.numbers(name)).all()]
        self.categories = train.of_kind("category", "language")
        self.values = [common(train.column(name), 1, MOST_CATEGORIES) for name in self.categories]

    @property
    def groups(self) -> tuple[int, ...]:
        return (*(2 for _ in self.gaps), *(len(values) + 1 for values in self.values))

    def coded(self, table: Table, seed: int) -> NDArray[np.float32]:
        """(rows, numbers + groups); what is missing is drawn from a standard normal, and marked beside."""
        random = np.random.default_rng([seed, 67])
        parts = []
        for name, knots in zip(self.numbers, self.knots, strict=True):
            values = table.numbers(name)
            known = np.isfinite(values)
            found = np.clip(quantile_normal(np.where(known, values, knots[0]), knots), -REACH, REACH)
            parts.append(np.where(known, found, random.normal(size=table.rows))[:, None])
        parts += [np.eye(2)[(~np.isfinite(table.numbers(name))).astype(np.int64)] for name in self.gaps]
        for name, values_ in zip(self.categories, self.values, strict=True):
            codes = codes_of(table.column(name), values_)
            parts.append(np.eye(len(values_) + 1)[np.where(codes < 0, len(values_), codes)])
        whole = np.concatenate(parts, axis=1) if parts else np.zeros((table.rows, 0))
        return whole.astype(np.float32)

    def decoded(self, vectors: NDArray[Any], like: Table) -> Table:
        """Rows of `like`, one for each vector, with the numbers and categories that the vectors say. A category that is
        "another" stays the row's own."""
        columns: list[pl.Series] = []
        place = len(self.numbers)
        gone: dict[str, NDArray[np.bool_]] = {}
        for name in self.gaps:
            gone[name] = vectors[:, place : place + 2].argmax(axis=1) == 1
            place += 2
        for position, name in enumerate(self.numbers):
            knots = self.knots[position]
            values = np.interp(ndtr(vectors[:, position].astype(np.float64)), np.linspace(0, 1, len(knots)), knots)
            values = np.round(values) if self.whole[position] else values
            columns.append(pl.Series(name, np.where(gone.get(name, False), np.nan, values), nan_to_null=True))
        for name, values_ in zip(self.categories, self.values, strict=True):
            codes = vectors[:, place : place + len(values_) + 1].argmax(axis=1)
            place += len(values_) + 1
            own = like.column(name).to_list()
            said = [values_[code] if code < len(values_) else own[row] for row, code in enumerate(codes)]
            columns.append(pl.Series(name, said, dtype=like.column(name).dtype))
        return like.with_frame(like.frame.with_columns(columns)) if columns else like


class PictureCoder:
    """The pictures of one column as (rows, channels, side, side) in -1..1, and back as PNG images in the table's store.

    side is 8, 16 or 32, whichever holds the largest picture; grey pictures have one channel.
    """

    def __init__(self, train: Table, column: str) -> None:
        self.column = column
        images = train.pictures(column)
        largest = int(images.sizes[images.readable].max(initial=0))
        self.side = next(side for side in (8, 16, SIDE) if largest <= side or side == SIDE)
        self.grey = is_grey(images.take(np.flatnonzero(images.readable)).pixels)

    @property
    def channels(self) -> int:
        return 1 if self.grey else 3

    def coded(self, table: Table) -> NDArray[np.float32]:
        pixels = in_channels(table.pictures(self.column).pixels, self.channels).astype(np.float32)
        rows, high, _, channels = pixels.shape
        step = high // self.side
        small = pixels.reshape(rows, self.side, step, self.side, step, channels).mean(axis=(2, 4))
        return np.ascontiguousarray(np.moveaxis(small, 3, 1) / 127.5 - 1, dtype=np.float32)

    def decoded(self, pictures: NDArray[Any], like: Table) -> Table:
        """Rows of `like` whose cells name new pictures, each of the size of the row's own."""
        from PIL import Image

        images = like.pictures(self.column)
        pixels = np.clip(np.round((np.moveaxis(pictures, 1, 3) + 1) * 127.5), 0, 255).astype(np.uint8)
        cells, contents = [], []
        for one, (width, height) in zip(pixels, images.sizes.tolist(), strict=True):
            picture = Image.fromarray(one[:, :, 0] if self.grey else one).resize((max(width, 1), max(height, 1)))
            out = io.BytesIO()
            picture.save(out, format="PNG")
            contents.append(out.getvalue())
            cells.append(f"generated:{blake2b(contents[-1], digest_size=12).hexdigest()}")
        fresh = dict(zip(cells, contents, strict=True))
        assert like.images is not None
        like.images.put(list(fresh), list(fresh.values()))
        return like.with_frame(like.frame.with_columns(pl.Series(self.column, cells, dtype=pl.String)))


def nearest_rows(real: NDArray[Any], made: NDArray[Any]) -> Rows:
    """(made rows,) which real row lies nearest to each."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1).fit(real.reshape(len(real), -1))
    found = search.kneighbors(made.reshape(len(made), -1), return_distance=False)
    return np.asarray(found[:, 0], dtype=np.int64)


def generated_rows(
    train: Table, labels: Labels, counts: NDArray[Any], *, steps: int, width: int, seed: int, threads: int
) -> dict[int, Table]:
    """class number -> so many new rows of it (`counts`, one a class), by a generator that learned from all rows.

    Texts, times and other columns that are not generated are those of the nearest real row of the class, and so are row
    number and weight. Rows whose picture cannot be read are not learned from.
    """
    from melior.networks.generator import Shape, generated, trained_generator

    coder = RowCoder(train)
    column = next(iter(train.of_kind("image")), None)
    usable = np.ones(train.rows, dtype=bool) if column is None else train.pictures(column).readable
    learned = train if usable.all() else train.take(usable)
    answers = labels[usable]
    pictures = None if column is None else PictureCoder(learned, column)
    shown = None if pictures is None else pictures.coded(learned)
    vectors = coder.coded(learned, seed)
    shape = Shape(
        classes=len(train.classes),
        numbers=len(coder.numbers),
        groups=coder.groups,
        side=0 if pictures is None else pictures.side,
        channels=0 if pictures is None else pictures.channels,
        width=width,
    )
    generator = trained_generator(
        shape, vectors, shown, answers, steps=steps, seed=seed, threads=1 if pictures is None else threads
    )
    found: dict[int, Table] = {}
    for number in np.flatnonzero(counts):
        asked = np.full(int(counts[number]), number)
        new, drawn = generated(generator, asked, seed + 1 + int(number))
        own = np.flatnonzero(answers == number)
        if shown is None:
            near = nearest_rows(vectors[own], new)
        else:
            near = nearest_rows(shown[own], drawn)
        rows = coder.decoded(new, learned.take(own[near]))
        found[int(number)] = replace(rows if pictures is None else pictures.decoded(drawn, rows), notes=())
    return found
