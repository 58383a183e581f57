"""What a fitted step is: TableStep changes columns, Encoder makes the matrix, MatrixStep changes the matrix."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from melior.data.table import Floats, Labels, Table
from melior.storage import Fitted


class Part(Protocol):
    """What networks read beside numbers, one entry a row: tokens of a text, pixels of an image."""

    def __len__(self) -> int: ...

    def take(self, which: NDArray[Any]) -> "Part":
        """The entries of these rows: numbers of rows, or a mask."""


@dataclass(frozen=True)
class Matrix:
    """Encoded rows.

    values       (rows, features) dense float or CSR; nan is missing, where the family can take it
    names        what each feature is called, for people
    sources      the column that each feature comes from
    categorical  numbers of the features that hold category codes (trees read them as such)
    parts        what networks read beside the values, by name: "text: COLUMN", "image: COLUMN"; most families have none
    """

    values: Any  # NDArray or csr_matrix: scipy has no types
    names: Sequence[str]
    sources: Sequence[str]
    categorical: tuple[int, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def features(self) -> int:
        return int(self.values.shape[1])

    @property
    def sparse(self) -> bool:
        return bool(issparse(self.values))

    def take(self, which: NDArray[Any]) -> "Matrix":
        parts = {name: part.take(which) for name, part in self.parts.items()}
        return replace(self, values=self.values[which], parts=parts)

    def dense(self) -> NDArray[Any]:
        return np.asarray(self.values.toarray() if issparse(self.values) else self.values)


class TableStep(Fitted, ABC):
    """Learns from the columns of training rows and returns tables with the same rows and changed columns."""

    scales: ClassVar[bool] = False  # True: number columns come out scaled, so an encoder need not do it again

    @abstractmethod
    def fit(self, table: Table, seed: int) -> Self:
        """Learns from training rows only."""

    @abstractmethod
    def transform(self, table: Table) -> Table:
        """The same rows, in the same order."""


class MatrixStep(Fitted, ABC):
    """Learns from the encoded training rows and returns a changed matrix with the same rows."""

    # True: `fit` holds some of its rows out, and takes ids (rows,) beside, the same for a row and its copies
    holds_out: ClassVar[bool] = False

    @abstractmethod
    def fit(self, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, seed: int) -> Self:
        """Learns from training rows only; weights (rows,) or None for 1 each."""

    @abstractmethod
    def transform(self, matrix: Matrix) -> Matrix:
        """The same rows, in the same order."""


class Encoder(Fitted, ABC):
    """Makes the matrix that a family reads."""

    @abstractmethod
    def fit(self, table: Table, seed: int) -> Self:
        """Learns vocabulary, categories, centres and scales from training rows only."""

    @abstractmethod
    def transform(self, table: Table) -> Matrix:
        """Encodes any rows with the same schema; a category or word never seen in training is none of the known."""


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
