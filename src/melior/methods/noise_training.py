"""Noise in training: inputs are blurred a little each time, so that a model leans on no single exact value."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from melior.data.table import Table
from melior.methods._acting import Acting
from melior.methods._base import Method
from melior.methods._inside import family_of
from melior.methods._networks import untrained
from melior.methods._rows import robust_spread
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from melior.engine.lessons import Moment
    from melior.engine.problem import Batch
    from melior.networks.teaching import Known


def noisy_copies(table: Table, strength: float, copies: int, random: np.random.Generator) -> Table:
    """The rows, and `copies` of each with Gaussian noise in every number column, its standard deviation `strength`
    times the column's spread. Labels and row numbers are those of the row."""
    spreads = {name: robust_spread(table.numbers(name)) for name in table.of_kind("number")}
    found = table
    for _ in range(copies):
        changed = [
            pl.Series(name, table.numbers(name) + strength * spread * random.normal(size=table.rows), nan_to_null=True)
            for name, spread in spreads.items()
        ]
        found = found.joined(table.with_frame(table.frame.with_columns(changed)))
    return found


@dataclass
class Places:
    """Which values of the network being trained are numbers."""

    numbers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Noise(Acting):
    """Noise on the batches of a network; see `melior.networks.noise`."""

    numbers: float
    words: float
    pixels: float
    places: Places = field(default_factory=Places, compare=False, repr=False)

    @property
    def told(self) -> str:
        return repr(self)

    def network(self, network: "nn.Module", known: "Known") -> "nn.Module":
        from melior.networks.noise import number_places

        self.places.numbers = number_places(network) or []
        return network

    def batch(self, batch: "Batch", moment: "Moment") -> "Batch":
        from dataclasses import replace

        from melior.networks.noise import noisy

        inputs = noisy(batch.inputs, self.places.numbers, self, moment.random)
        texts = [part for part in inputs.values() if not part.is_floating_point() and part.ndim == 2]
        if not texts:
            return replace(batch, inputs=inputs)
        tokens, places = sum(int((part >= 0).sum()) for part in texts), sum(part.numel() for part in texts)
        return replace(batch, inputs=inputs, tokens=tokens or batch.rows, padding=places - tokens)


class NoiseTraining(Method):
    """Trains on inputs with noise: drawn anew for every batch of a network; for other families as copies of the rows.

    numbers  0..2, standard deviation of the noise on numbers, in spreads of their column, default 0.1
    words    0..0.9, share of the words of a text that a network is not shown, default 0.1
    pixels   0..1, standard deviation of the noise on pixels, of the way from black to white, default 0.05
    copies   1..10 noisy copies of each row for families that are no networks, default 2; a row and its copies together
             weigh what the row did, where the family takes weights
    """

    treats: ClassVar[frozenset[str]] = frozenset({"outliers", "invalid_values", "overfitting"})
    kinds: ClassVar[frozenset[str]] = frozenset({"number", "text"})
    questions: ClassVar[tuple[int, ...]] = (12,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Bishop, Training with Noise is Equivalent to Tikhonov Regularization, Neural Comp. 1995"
    order: ClassVar[int] = 68
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"numbers": 0.3, "words": 0.2, "pixels": 0.15})
    cost: ClassVar[float] = 2.0

    numbers: Annotated[float, Field(ge=0, le=2)] = 0.1
    words: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    pixels: Annotated[float, Field(ge=0, le=1)] = 0.05
    copies: Annotated[int, Field(ge=1, le=10)] = 2

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        reason = untrained(model)
        if reason is None:
            return (
                None
                if table.of_kind("number", "text", "image")
                else "there are no numbers, texts or images; use dropout"
            )
        if not table.of_kind("number"):
            return f"there are no number columns, and words and pixels are changed inside networks alone: {reason}"
        if not self.numbers:
            return f"numbers is 0, and words and pixels are changed inside networks alone: {reason}"
        return None

    def model(self, model: Model) -> Model:
        return model if untrained(model) else model.taught_by(Noise(self.numbers, self.words, self.pixels))

    def rows(self, train: Table, context: FitContext) -> Table:
        model = family_of(context.base_learner())
        if untrained(model) is None or not self.numbers:
            return train
        random = np.random.default_rng([context.seed, 68])
        found = noisy_copies(train, self.numbers, self.copies, random)
        if "row_weights" in model.can:
            found = found.with_weights(found.row_weights() / (1 + self.copies))
        return found
