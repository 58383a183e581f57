"""Generated rows: a generator learns what the rows of every class look like and writes more of the rare ones."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.table import Rows, Table
from melior.methods._base import Method
from melior.methods._generated import SIDE, generated_rows
from melior.methods._generator_quality import Quality, generator_quality
from melior.methods._sampling import dealt, missing_rows
from melior.models._base import FitContext, Model, have_torch
from melior.recipe import Recipe

__all__ = ["GanSamples", "Quality", "generator_quality"]

FEWEST = 8  # rows of a class from which something can be learned; below, copies
SECONDS_A_STEP = {"table": 0.035, "image": 0.12}  # on one core, of 2,000 rows of six columns and of small pictures
USUAL_STEPS = (200, 500)  # a step for each training row within these


class GanSamples(Method):
    """Adds rows of the rare classes, written by a conditional Wasserstein GAN with gradient penalty that is trained on
    the training rows of all classes, until each class has `ratio` times the rows of the largest. How far they can be
    told from real ones, how different they are and whether they are copies is among the notes of the fit; a class of
    fewer than 8 rows gets copies.

    ratio  0.01..1, default 1 (all classes equally large); a class that already has more is left alone
    steps  1..100,000 steps of the generator; auto (none): one for each training row, 200 to 500
    width  8..1,024 units of a layer, default 128
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 17)
    reference: ClassVar[str] = "Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017"
    order: ClassVar[int] = 65
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"weighted_loss", "class_weights", "oversampling", "undersampling", "balanced_ensemble"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    cost: ClassVar[float] = 10.0

    ratio: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    steps: Annotated[int, Field(ge=1, le=100_000)] | None = None
    width: Annotated[int, Field(ge=8, le=1024)] = 128

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not have_torch():
            return "its generator needs the extra 'networks': pip install 'melior[networks]'"
        images = table.of_kind("image")
        if len(images) > 1:
            return "it generates the pictures of one image column, and there are more; use oversampling"
        if not images and not table.of_kind("number", "category", "language"):
            return "it generates numbers, categories and small pictures, and there are none; use oversampling"
        if images:
            found = table.pictures(images[0])
            if not found.readable.any():
                return "no picture can be read; use oversampling"
            wide, high = found.sizes.max(axis=0).tolist()
            if max(wide, high) > SIDE:
                return f"pictures are up to {wide} by {high} pixels, and {SIDE} by {SIDE} is the most; use oversampling"
        return None

    def seconds(self, table: Table) -> float:
        return SECONDS_A_STEP["image" if table.of_kind("image") else "table"] * self._steps(table)

    def _steps(self, train: Table) -> int:
        return self.steps or int(np.clip(train.rows, *USUAL_STEPS))

    def rows(self, train: Table, context: FitContext) -> Table:
        return context.once(train, f"gan_samples {self.model_dump_json()}", lambda: self._rows(train, context))

    def _rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        lacking = missing_rows(labels, len(train.classes), self.ratio)
        if not lacking.any():
            return train
        usable = np.ones(train.rows, dtype=bool)
        for name in train.of_kind("image"):
            usable &= train.pictures(name).readable
        learnable = np.bincount(labels[usable], minlength=len(train.classes)) >= FEWEST
        random = np.random.default_rng([context.seed, self.order])
        copies: list[Rows] = [np.arange(train.rows)]
        notes: list[str] = []
        for number in np.flatnonzero((lacking > 0) & ~learnable).tolist():
            copies.append(dealt(np.flatnonzero(labels == number), int(lacking[number]), random))
            notes.append(f"gan_samples: {train.classes[number]} has too few rows to learn from, so it got copies.")
        made: dict[int, Table] = {}
        if (lacking * learnable).any():
            made = generated_rows(
                train,
                labels,
                lacking * learnable,
                steps=self._steps(train),
                width=self.width,
                seed=context.seed % 2**31,
                threads=context.threads,
            )
        whole = train.take(np.concatenate(copies)) if len(copies) > 1 else train
        for number, rows in made.items():
            real = train.take((labels == number) & usable)
            said = generator_quality(real, rows, seed=context.seed).said()
            notes.append(
                f"gan_samples: {rows.rows:,} rows of {train.classes[number]} from {real.rows:,} real ones: {said}."
            )
            whole = whole.joined(rows)
        return replace(whole, notes=(*train.notes, *notes))
