"""Image columns as a pretrained encoder reads them: pictures prepared for it, or its features, computed once."""

import hashlib
import json
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Table
from melior.errors import UserError
from melior.features.blocks import Block, Values
from melior.features.images import directions
from melior.features.network import PartBlock, Pictures, in_channels
from melior.features.parts import SharedPixels
from melior.images.decode import quiet
from melior.images.prepare import prepared, size_of
from melior.images.store import ImageRows
from melior.models._texts import features_folder

DECIMALS = 5  # of a feature of variance about 1: the last digits of a product hang on the processor
LEAST = 1e-6


def base_plan(base: str, **how: Any) -> dict[str, Any]:
    """The plan of a pretrained encoder and of what is trained of it (tuning, layers, rank, alpha). UserError: it cannot
    be had, or cannot be trained so."""
    from melior.networks.vision import can_tune, pretrained_pictures

    plan = {**pretrained_pictures(base).plan, **how}
    can_tune(base, plan)
    return plan


def base_fault(base: str, **how: Any) -> str | None:
    """Why `base_plan` gives none, or None."""
    try:
        base_plan(base, **how)
    except UserError as error:
        return str(error).rstrip(".")
    return None


def pictures_part(column: str, plan: dict[str, Any]) -> PartBlock:
    """The part of an image column for an encoder of this plan (`melior.networks.vision`)."""
    if plan["kind"] == "residual":
        return Pictures(column, channels=plan["channels"])
    return PreparedPictures(column, plan["prepare"])


class PreparedPictures(PartBlock):
    """An image column as pictures prepared for a pretrained encoder; no picture is black."""

    def __init__(self, column: str, prepare: dict[str, Any]) -> None:
        self.column = column
        self.name = f"image: {column}"
        self.prepare = prepare

    def fit(self, table: Table, seed: int) -> Self:
        return self

    def transform(self, table: Table) -> SharedPixels:
        size = (*size_of(self.prepare), int(self.prepare["channels"]))
        what = json.dumps(self.prepare, sort_keys=True)
        return SharedPixels(*table.pictures(self.column).larger(what, size, partial(prepared, how=self.prepare)))


class FrozenPictures(Block):
    """An image column as features of a frozen pretrained encoder, which is kept with the predictor: centred, and
    divided by one number so that their mean variance is 1. No picture is 0 in all of them, and where training rows have
    none, one feature more says so.

    Features are kept on disk under what they are of (MELIOR_CACHE, or ~/.cache/melior), so that folds and trials share
    them: under the hash of the file, so that a picture that is known is not even decoded again.
    """

    def __init__(self, column: str, *, base: str) -> None:
        self.column = column
        self.base = base

    def fit(self, table: Table, seed: int) -> Self:
        from melior.networks.features import weights_key
        from melior.networks.vision import as_arrays, pretrained_pictures

        seen = pretrained_pictures(self.base)
        self.plan = {**seen.plan, "tuning": "frozen"}
        self.state: dict[str, NDArray[Any]] = as_arrays(seen.encoder)
        self.key = weights_key(seen.encoder, json.dumps(self.plan, sort_keys=True))
        self._module: Any = None
        images = table.pictures(self.column)
        good = np.flatnonzero(images.readable)
        self.gaps = len(good) < len(images)
        found = self._features(images.take(good))
        self.mean = found.mean(axis=0) if len(found) else np.zeros(self.plan["width"])
        spread = float(np.sqrt(found.var(axis=0).mean())) if len(found) else 1.0
        self.factor = 1 / spread if spread > LEAST else 1.0
        return self

    def transform(self, table: Table) -> Values:
        images = table.pictures(self.column)
        good = images.readable
        values = np.zeros((len(images), self.plan["width"]))
        if good.any():
            shown = (self._features(images.take(np.flatnonzero(good))) - self.mean) * self.factor
            values[good] = np.round(shown, DECIMALS)
        return np.hstack([values, (~good)[:, None].astype(np.float64)]) if self.gaps else values

    def names(self) -> list[str]:
        own = [f"{self.column}: feature {number + 1}" for number in range(self.plan["width"])]
        return [*own, f"{self.column} is missing"] if self.gaps else own

    def _features(self, images: ImageRows) -> NDArray[np.float64]:
        """(rows, width) of rows that all have a picture."""
        from melior.networks.features import KEY, remembered

        def key(number: int) -> bytes:
            return hashlib.blake2b(images.store.content(number), digest_size=KEY).digest()

        numbers = [int(number) for number in images.numbers]
        keys = {number: key(number) for number in dict.fromkeys(numbers)}

        def make(rows: list[int]) -> NDArray[np.float32]:
            return self._encoded(images.take(np.array(rows, dtype=np.int64)))

        found = remembered([keys[number] for number in numbers], make, features_folder() / self.key, what="pictures")
        return found.astype(np.float64)

    def _encoded(self, images: ImageRows) -> NDArray[np.float32]:
        from melior.networks.vision import frozen_module, vectors

        if getattr(self, "_module", None) is None:
            self._module = frozen_module(self.plan, self.state)
        if self.plan["kind"] == "residual":
            return vectors(self._module, in_channels(images.pixels, self.plan["channels"]))
        with quiet():
            made = [prepared(images.store.whole(int(number)), self.plan["prepare"]) for number in images.numbers]
        return vectors(self._module, np.stack(made))


class EncodedDimensions(Block):
    """An image column in a few dimensions: the principal directions of a frozen pretrained encoder's features, the
    first with standard deviation `scale`, the others in proportion. Where training rows have no picture, one feature
    more says so."""

    def __init__(self, column: str, *, base: str, dimensions: int, scale: float = 3.0) -> None:
        self.column = column
        self.frozen = FrozenPictures(column, base=base)
        self.dimensions = dimensions
        self.scale = scale

    def fit(self, table: Table, seed: int) -> Self:
        self.frozen.fit(table, seed)
        width = self.frozen.plan["width"]
        seen = self.frozen.transform(table)[table.pictures(self.column).readable][:, :width]
        wanted = min(self.dimensions, len(seen) - 1, width)
        self.axes = directions(seen, wanted, self.scale) if wanted > 0 else np.zeros((0, width))
        return self

    def transform(self, table: Table) -> Values:
        found, width = self.frozen.transform(table), self.frozen.plan["width"]
        return np.hstack([np.round(found[:, :width] @ self.axes.T, DECIMALS), found[:, width:]])

    def names(self) -> list[str]:
        own = [f"{self.column}: dimension {number + 1}" for number in range(len(self.axes))]
        return [*own, f"{self.column} is missing"] if self.frozen.gaps else own
