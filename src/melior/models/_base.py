"""What a family of models is, what a learner is, and what fitting may ask of its surroundings."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from melior.data.table import Floats, LabelMatrix, Labels, Table
from melior.errors import MissingExtra, UserError
from melior.features._base import Encoder, Matrix, MatrixStep, TableStep
from melior.predictor import Scorer
from melior.recipe import Choice
from melior.refusals import sentence
from melior.registry import discover, snake
from melior.storage import Fitted

T = TypeVar("T")
GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, Windows' own Linux


class MatrixScorer(Fitted, ABC):
    """The fitted model proper: probabilities from encoded rows."""

    @abstractmethod
    def scores(self, matrix: Matrix) -> Floats:
        """(rows, classes), each row sums to 1 but where rows have several labels; in the order of the classes."""


class LabelScorers(MatrixScorer):
    """A scorer of two classes for each label, in the order of the labels."""

    def __init__(self, members: list[MatrixScorer]) -> None:
        self.members = members

    def scores(self, matrix: Matrix) -> Floats:
        return np.column_stack([member.scores(matrix)[:, 1] for member in self.members])


def known_codes(labels: Labels, present: NDArray[Any], family: str) -> NDArray[np.int64]:
    """(rows,) the place of each row's class among those that an earlier fit saw (`present`); a sentence where one is
    new to it."""
    new = np.setdiff1d(labels, present)
    if len(new):
        raise UserError(
            f"{family}: class number {int(new[0]) + 1} is new to the fit that is gone on from, which saw no row of "
            "it; train anew on all rows."
        )
    return np.searchsorted(present, labels).astype(np.int64)


@dataclass(frozen=True)
class Hardware:
    """What there is to compute on: processors that may be used, and whether torch sees a GPU."""

    cores: int
    gpu: bool


class Model(BaseModel, ABC):
    """A family with its settings, which are its fields. Frozen; the same settings and seed give the same fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]  # column kinds that it reads
    can: ClassVar[frozenset[str]] = (
        frozenset()
    )  # row_weights, l1_penalty, l2_penalty, early_stopping, transfer_learning, going_on, feature_weights
    files: ClassVar[tuple[str, ...]] = ()  # settings that name a file or folder: what stands in it is part of a trial
    is_network: ClassVar[bool] = False
    cost: ClassVar[int] = 1  # for ordering only: cheap families first

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake(cls.__name__)

    def unsuitable(self, table: Table) -> str | None:
        """Why this family cannot learn from such a table, or None."""
        if not any(kind in self.kinds for kind in (table.schema.kinds[c] for c in table.features())):
            return f"{self.name} reads {', '.join(sorted(self.kinds))} columns and the table has none"
        return None

    def seconds(self, table: Table) -> float:
        """About how long a fit takes on one core; 0 where that is never long."""
        return 0.0

    def untried(self, table: Table, hardware: "Hardware") -> str | None:
        """Why `model: auto` leaves this family out on such a table and hardware, or None; it can always be named."""
        return None

    def token_limit(self, table: Table) -> int | None:
        """The most tokens of one text that the family reads; the rest is cut off. None: it reads all."""
        return None

    def tokens(self, texts: pl.Series) -> NDArray[np.int64]:
        """(rows,) tokens of each text (null counts none) as the family counts them, with the marks that it adds.
        Asked only where there is a limit; a family with its own tokens overrides it, here they are words."""
        return texts.str.count_matches(r"\S+").fill_null(0).to_numpy().astype(np.int64)

    @abstractmethod
    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        """An unfitted encoder for such tables; scaled: number columns come already scaled by a step of the recipe."""

    @abstractmethod
    def fit(
        self,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        """Fits on encoded training rows. weights (rows,) or None; every class has a score, seen in training or not."""

    def fit_labels(
        self, matrix: Matrix, labels: LabelMatrix, weights: Floats | None, *, seed: int, threads: int = 1
    ) -> MatrixScorer:
        """Fits on rows of several labels each, (rows, labels) of 0 and 1; the scores are a probability for each label.

        A model of two classes for each label, all on the same matrix: binary relevance, Tsoumakas and Katakis,
        Multi-Label Classification: An Overview, 2007. A family that can learn all labels at once overrides it.
        """
        own = [column.astype(np.int32) for column in labels.T]
        return LabelScorers([self.fit(matrix, one, weights, 2, seed=seed, threads=threads) for one in own])

    def fit_on(
        self,
        start: MatrixScorer,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        amount: float,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        """Goes on from what this family fitted before, on further rows in the same encoding and of the same classes;
        amount: of training, where 1 is that of a fit. For families with the ability "going_on"."""
        raise UserError(f"{self.name} cannot go on from an earlier fit; linear, trees and networks can.")

    def taught_by(self, *methods: Any) -> Self:
        """The family with these methods acting inside its training; for networks."""
        raise UserError(f"{self.name} is no network, so nothing can act inside its training.")

    @property
    def taught(self) -> str:
        """What acts inside its training, by name and settings; empty: nothing does."""
        return ""

    def penalized(self, *, l1: float | None = None, l2: float | None = None) -> Self:
        """The family with this much penalty; strengths are relative, 1 is the family's usual amount."""
        raise UserError(f"{self.name} has no such penalty.")

    def early_stopped(self, share: float, patience: int) -> Self:
        """The family that stops when a validation part of the training rows no longer improves."""
        raise UserError(f"{self.name} does not train in rounds, so it cannot stop early.")

    def brief(self) -> Self:
        """The family as it is fitted in a part of the time, for scores that only tell rows apart, such as those whose
        label looks wrong; itself where it is quick already, or where less would be another model."""
        return self

    def with_feature_weights(self, weights: Mapping[str, float]) -> Self:
        """The family that gives columns these weights itself, because scaling its features would change nothing. For
        families with the ability "feature_weights"."""
        raise UserError(f"{self.name} weighs no columns itself.")


class Learner(Protocol):
    """Anything that turns training rows into a scorer: a family, or a method that wraps one."""

    def fit(self, train: Table, context: "FitContext") -> Scorer: ...


class FitContext(Protocol):
    """What fitting may ask of its surroundings. Encodings and out-of-fold scores are computed once and shared."""

    @property
    def seed(self) -> int: ...

    @property
    def threads(self) -> int: ...

    @property
    def metric(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def reseeded(self, number: int) -> "FitContext":
        """The same surroundings with another seed, for the members of an ensemble."""

    def base_learner(self) -> "Learner":
        """The learner of the recipe's own family, with the column steps of the recipe."""

    def family(self, choice: Choice | str) -> "Learner":
        """The learner of another family, with the column steps of the recipe."""

    def encode(
        self, train: Table, model: Model, table_steps: Sequence[TableStep], matrix_steps: Sequence[MatrixStep]
    ) -> tuple["Encoding", Matrix]:
        """The fitted encoding and the encoded training rows. Fitted on the rows that `train` was picked from, so
        that methods which only pick, repeat or weight rows share one encoding."""

    def out_of_fold(self, learner: "Learner", train: Table) -> Floats:
        """(rows, classes) scores of the training rows, each by a fit that did not see the row (or a copy of it)."""

    def once(self, train: Table, what: str, make: Callable[[], T]) -> T:
        """What `make` gives for these training rows, family and seed, made once: methods that need the same costly
        thing (which labels are wrong, say) share it. `what` names the thing with the settings it depends on."""


class Encoding(Fitted):
    """Column steps, encoder and matrix steps, fitted: from a table to the matrix that the model reads."""

    def __init__(self, table_steps: list[TableStep], encoder: Encoder, matrix_steps: list[MatrixStep]) -> None:
        self.table_steps = table_steps
        self.encoder = encoder
        self.matrix_steps = matrix_steps
        self._last: tuple[Any, Matrix] | None = None  # the members of an ensemble ask for the same rows in turn

    def transform(self, table: Table) -> Matrix:
        last = getattr(self, "_last", None)
        if last is not None and last[0] is table.frame:
            return last[1]  # type: ignore[no-any-return]
        changed = table
        for step in self.table_steps:
            changed = step.transform(changed)
        matrix = self.encoder.transform(changed)
        for matrix_step in self.matrix_steps:
            matrix = matrix_step.transform(matrix)
        self._last = (table.frame, matrix)
        return matrix

    def forget(self) -> None:
        """Lets go of the last encoded rows."""
        self._last = None


class FamilyScorer(Scorer):
    """A fitted family with its encoding."""

    def __init__(self, encoding: Encoding, model: MatrixScorer) -> None:
        self.encoding = encoding
        self.model = model

    def scores(self, table: Table) -> Floats:
        return self.model.scores(self.encoding.transform(table))

    def token_weights(self, table: Table) -> pl.DataFrame | None:
        from melior.models._texts import shown_weights

        return shown_weights(self.encoding, self.model, table)


class AverageScorer(Scorer):
    """The weighted mean of the members' probabilities; weights sum to 1."""

    def __init__(self, members: list[Scorer], weights: NDArray[Any] | None = None) -> None:
        self.members = members
        shares = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
        self.weights = shares / shares.sum()

    def scores(self, table: Table) -> Floats:
        total: Floats = self.weights[0] * self.members[0].scores(table)
        for weight, member in zip(self.weights[1:], self.members[1:], strict=True):
            total = total + weight * member.scores(table)
        return total


class FamilyLearner:
    """Fits one family: encodes, then fits the model on the matrix."""

    def __init__(
        self, model: Model, table_steps: Sequence[TableStep] = (), matrix_steps: Sequence[MatrixStep] = ()
    ) -> None:
        self.model = model
        self.table_steps = tuple(table_steps)
        self.matrix_steps = tuple(matrix_steps)

    def brief(self) -> "FamilyLearner":
        """The same columns, and the family as it is fitted in a part of the time (`Model.brief`)."""
        return FamilyLearner(self.model.brief(), self.table_steps, self.matrix_steps)

    def fit(self, train: Table, context: FitContext) -> Scorer:
        encoding, matrix = context.encode(train, self.model, self.table_steps, self.matrix_steps)
        labels = train.given_label_matrix() if train.multilabel else train.given_labels()
        return FamilyScorer(encoding, self.fit_encoded(matrix, labels, train.weights, context))

    def fit_encoded(
        self, matrix: Matrix, labels: NDArray[Any], weights: Floats | None, context: FitContext
    ) -> MatrixScorer:
        """The family on encoded rows; labels (rows,), or (rows, labels) of 0 and 1 where rows have several."""
        how = {"seed": context.seed, "threads": context.threads}
        if labels.ndim == 2:
            return self.model.fit_labels(matrix, labels, weights, **how)
        return self.model.fit(matrix, labels, weights, len(context.classes), **how)


@cache
def families() -> dict[str, type[Model]]:
    """Every family there is, under its name, cheapest first."""
    found: dict[str, type[Model]] = discover("models", Model)  # type: ignore[type-abstract]
    return dict(sorted(found.items(), key=lambda item: (item[1].cost, item[0])))


def resolve(choice: Choice) -> Model:
    """The family a recipe names, with its settings checked."""
    known = families()
    if choice.name not in known:
        raise UserError(f"model: there is no family {choice.name!r}; there are {', '.join(known)} and auto.")
    family = known[choice.name]
    if family.is_network:
        need_torch(f"model.{choice.name}")
    try:
        return family(**choice.settings)
    except ValidationError as error:
        raise UserError(sentence(error, f"model.{choice.name}", family)) from None


def have_torch() -> bool:
    """Whether networks can be used here; looks for the package and loads nothing."""
    return find_spec("torch") is not None


def need_torch(what: str) -> None:
    """One sentence with the command that installs what networks need, where it is missing."""
    if not have_torch():
        raise MissingExtra(what, "networks")


@cache
def have_gpu() -> bool:
    """Whether torch sees a GPU. Torch takes seconds to load, so it is asked only where there is a GPU's device file."""
    if not have_torch() or (os.name == "posix" and not any(Path(name).exists() for name in GPU_FILES)):
        return False
    import torch

    return torch.cuda.is_available()
