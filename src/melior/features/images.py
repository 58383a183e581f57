"""An image column as features: fitted dimensions of what the pictures show, and a few plain numbers.

What a picture shows (gradients and colours, `melior.images.features`) is computed from the picture alone, once for all
folds; which directions of it are features, and their scale, is learned from training rows only.
"""

from typing import Self

import numpy as np

from melior.data.table import Floats, Table
from melior.features.blocks import Block, Values
from melior.features.reduction import with_sign
from melior.images.features import PLAIN, described, plain
from melior.images.store import ImageRows

ROWS_AT_ONCE = 10_000
DECIMALS = 5  # of a feature whose standard deviation is at most 3
FITTED_ON = 20_000  # rows at most; the directions need no more
GROUPS = ((0, 512, 1.0), (512, 704, 0.5), (704, 728, 0.5))  # gradients, small colours, colour histograms: their weights
SIZES = ("width", "height")


class ImageDimensions(Block):
    """An image column in a few dimensions: principal components of gradient and colour features, the first with
    standard deviation `scale`, the others in proportion; then means and spreads of colours, colourfulness, sharpness
    and the logarithms of width and height.

    dimensions  at most so many
    filled      an image that cannot be read, or an empty cell: True, the mean in every feature, and one feature more
                that says so where training rows have such; False, missing in every feature
    """

    def __init__(self, column: str, *, dimensions: int = 100, scale: float = 3.0, filled: bool = True) -> None:
        self.column = column
        self.dimensions = dimensions
        self.scale = scale
        self.filled = filled

    def fit(self, table: Table, seed: int) -> Self:
        images = table.pictures(self.column)
        good = np.flatnonzero(images.readable)
        self.gaps = self.filled and len(good) < len(images)
        if len(good) > FITTED_ON:
            good = np.sort(np.random.default_rng(seed).choice(good, FITTED_ON, replace=False))
        seen = _weighted(images.take(good))
        facts = _facts(images.take(good))
        wanted = min(self.dimensions, len(good) - 1, seen.shape[1])
        if wanted < 1:
            self.mean, self.axes = np.zeros(seen.shape[1]), np.zeros((0, seen.shape[1]))
        else:
            self.mean = seen.mean(axis=0)
            seen -= self.mean
            self.axes = directions(seen, wanted, self.scale)
        centre = facts.mean(axis=0) if len(good) else np.zeros(facts.shape[1])
        spread = facts.std(axis=0) if len(good) else np.ones(facts.shape[1])
        self.centre = centre
        self.spread = np.where(spread > 1e-6, spread, 1.0)  # all alike but for rounding: no feature to blow up
        return self

    def transform(self, table: Table) -> Values:
        images = table.pictures(self.column)
        good = images.readable
        width = len(self.axes) + len(self.centre)
        values = np.zeros((len(images), width)) if self.filled else np.full((len(images), width), np.nan)
        where = np.flatnonzero(good)
        for start in range(0, len(where), ROWS_AT_ONCE):
            some = where[start : start + ROWS_AT_ONCE]
            chosen = images.take(some)
            shown = (_weighted(chosen) - self.mean) @ self.axes.T
            # a product's last digits hang on the number of threads; a saved predictor must give the same elsewhere
            values[some, : len(self.axes)] = np.round(shown, DECIMALS)
            values[some, len(self.axes) :] = (_facts(chosen) - self.centre) / self.spread
        return np.hstack([values, (~good)[:, None].astype(np.float64)]) if self.gaps else values

    def names(self) -> list[str]:
        dimensions = [f"{self.column}: dimension {number + 1}" for number in range(len(self.axes))]
        gaps = [f"{self.column} is missing"] if self.gaps else []
        return [*dimensions, *(f"{self.column}: {name}" for name in (*PLAIN, *SIZES)), *gaps]


def directions(centred: Floats, wanted: int, scale: float) -> Floats:
    """(dimensions, features): the principal directions of centred rows, `wanted` at most, scaled alike so that rows
    have the standard deviation `scale` along the first."""
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))  # far fewer features than rows: not by SVD
    variances, axes = variances[::-1][:wanted], axes[:, ::-1].T[:wanted]
    kept = variances > max(1e-9 * float(variances[0]), 1e-12)
    return np.asarray(with_sign(axes[kept]) * (scale / np.sqrt(variances[0])) if kept.any() else axes[kept])


def _weighted(images: ImageRows) -> Floats:
    seen = images.derived("described", described).astype(np.float64)
    for start, stop, weight in GROUPS:
        seen[:, start:stop] *= weight
    return seen


def _facts(images: ImageRows) -> Floats:
    return np.hstack([images.derived("plain", plain).astype(np.float64), np.log(np.maximum(images.sizes, 1))])
