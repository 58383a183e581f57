"""Blocks: each turns columns of one kind into some features; an encoder lays blocks side by side."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, issparse

from melior.data.table import Table
from melior.features._base import Encoder, Matrix
from melior.storage import Fitted

Values = Any  # NDArray[np.float64] or csr_matrix: scipy has no types
DENSE_WIDTH = 256  # up to this many features a dense matrix is smaller to handle and faster to fit


class Block(Fitted, ABC):
    """Some columns to some features."""

    column: str = ""

    @abstractmethod
    def fit(self, table: Table, seed: int) -> Self:
        """Learns from training rows only."""

    @abstractmethod
    def transform(self, table: Table) -> Values:
        """(rows, features)."""

    @abstractmethod
    def names(self) -> list[str]:
        """One name a feature."""

    def sources(self) -> list[str]:
        """The column each feature comes from."""
        return [self.column] * len(self.names())

    def categorical(self) -> list[int]:
        """Which of its features are category codes."""
        return []


class Numbers(Block):
    """Number columns. Scaled: missing becomes the median, each column is centred and divided by its standard
    deviation, and a column with missing training values gets another that says so. Unscaled: as they are, missing nan.
    """

    def __init__(self, columns: list[str], *, scaled: bool) -> None:
        self.columns = columns
        self.scaled = scaled

    def fit(self, table: Table, seed: int) -> Self:
        values = self._values(table)
        if self.scaled:
            missing = np.isnan(values)
            self.with_gaps = [int(number) for number in np.flatnonzero(missing.any(axis=0))]
            self.median = np.array([np.nanmedian(v) if np.isfinite(v).any() else 0.0 for v in values.T])
            filled = np.where(missing, self.median, values)
            with np.errstate(over="ignore", invalid="ignore"):
                centre = filled.mean(axis=0) if len(filled) else np.zeros(len(self.columns))
                spread = filled.std(axis=0) if len(filled) else np.ones(len(self.columns))
            # numbers near the largest there is (marks of missing values): their column says 0
            huge = ~np.isfinite(centre) | ~np.isfinite(spread)
            self.centre = np.where(huge, 0.0, centre)
            # a constant column has no spread but rounding: it must not be blown up
            constant = spread <= 1e-12 * np.maximum(np.abs(self.centre), 1e-12)
            self.spread = np.where(huge, np.inf, np.where(constant, 1.0, spread))
        return self

    def transform(self, table: Table) -> Values:
        values = self._values(table)
        if not self.scaled:
            return values
        missing = np.isnan(values)
        scaled = (np.where(missing, self.median, values) - self.centre) / self.spread
        return np.hstack([scaled, missing[:, self.with_gaps].astype(np.float64)]) if self.with_gaps else scaled

    def _values(self, table: Table) -> NDArray[np.float64]:
        frame = table.frame.select(self.columns).fill_null(float("nan"))
        return np.asarray(frame.to_numpy(), dtype=np.float64).reshape(table.rows, len(self.columns))

    def names(self) -> list[str]:
        return self.sources_and_names()[1]

    def sources(self) -> list[str]:
        return self.sources_and_names()[0]

    def sources_and_names(self) -> tuple[list[str], list[str]]:
        gaps = [self.columns[number] for number in self.with_gaps] if self.scaled else []
        return [*self.columns, *gaps], [*self.columns, *(f"{name} is missing" for name in gaps)]


class Times(Block):
    """Time columns in parts: days since 1970 and fraction of a day in one number, year, month, day, weekday, hour.

    Cyclic: month, weekday and hour as sine and cosine, for families that know no order but the straight line.
    """

    PARTS = ("days", "year", "month", "day", "weekday", "hour")

    def __init__(self, columns: list[str], *, cyclic: bool) -> None:
        self.columns = columns
        self.cyclic = cyclic
        self.numbers: Numbers | None = None

    def fit(self, table: Table, seed: int) -> Self:
        if self.cyclic:
            parts = self._frame(table)
            self.numbers = Numbers(parts.columns, scaled=True)
            self.numbers.fit(_as_table(parts, table), seed)
        return self

    def transform(self, table: Table) -> Values:
        parts = self._frame(table)
        if self.numbers is not None:
            return self.numbers.transform(_as_table(parts, table))
        return np.asarray(parts.fill_null(float("nan")).to_numpy(), dtype=np.float64)

    def _frame(self, table: Table) -> pl.DataFrame:
        made = {}
        for column in self.columns:
            time = table.column(column)
            days = time.dt.epoch("us").cast(pl.Float64) / 86_400e6
            parts = {
                "days": days,
                "year": time.dt.year(),
                "month": time.dt.month(),
                "day": time.dt.day(),
                "weekday": time.dt.weekday(),
                "hour": time.dt.hour(),
            }
            if self.cyclic:
                for part, period in (("month", 12), ("weekday", 7), ("hour", 24)):
                    angle = parts.pop(part).cast(pl.Float64) * (2 * np.pi / period)
                    parts[f"{part} sine"], parts[f"{part} cosine"] = angle.sin(), angle.cos()
            made.update({f"{column}: {part}": value.cast(pl.Float64) for part, value in parts.items()})
        return pl.DataFrame(made)

    def names(self) -> list[str]:
        if self.numbers is not None:
            return self.numbers.names()
        return [f"{column}: {part}" for column in self.columns for part in self.PARTS]

    def sources(self) -> list[str]:
        return [name.rsplit(": ", 1)[0] for name in self.names()]


def _as_table(frame: pl.DataFrame, like: Table) -> Table:
    return like.with_frame(frame)


class OneHot(Block):
    """Category columns as 0/1 features, missing a category of its own; a category of fewer than `fewest` training
    rows, or beyond the `most` commonest, has no feature."""

    def __init__(self, column: str, *, fewest: int = 2, most: int = 1000) -> None:
        self.column = column
        self.fewest = fewest
        self.most = most

    def fit(self, table: Table, seed: int) -> Self:
        self.values = common(table.column(self.column), self.fewest, self.most)
        return self

    def transform(self, table: Table) -> Values:
        codes = codes_of(table.column(self.column), self.values)
        present = codes >= 0
        ones = np.ones(int(present.sum()))
        return csr_matrix((ones, (np.flatnonzero(present), codes[present])), shape=(len(codes), len(self.values)))

    def names(self) -> list[str]:
        return [f"{self.column} = {'(missing)' if value is None else value}" for value in self.values]


class Codes(Block):
    """Category columns as numbers, for families that split on sets of categories; missing and unknown are nan."""

    def __init__(self, columns: list[str], *, most: int = 1000) -> None:
        self.columns = columns
        self.most = most

    def fit(self, table: Table, seed: int) -> Self:
        self.values = [
            [value for value in common(table.column(column), 1, self.most) if value is not None]
            for column in self.columns
        ]
        return self

    def transform(self, table: Table) -> Values:
        made = [codes_of(table.column(c), v).astype(np.float64) for c, v in zip(self.columns, self.values, strict=True)]
        stacked = np.column_stack(made)
        stacked[stacked < 0] = np.nan
        return stacked

    def names(self) -> list[str]:
        return list(self.columns)

    def sources(self) -> list[str]:
        return list(self.columns)

    def categorical(self) -> list[int]:
        return list(range(len(self.columns)))


def common(values: pl.Series, fewest: int, most: int) -> list[str | None]:
    """The values in at least so many rows, the commonest first, ties in order of value, missing (None) among them."""
    counted = values.rename("value").value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    found: list[str | None] = counted.filter(pl.col("rows") >= fewest).head(most).get_column("value").to_list()
    return found


def codes_of(values: pl.Series, known: Sequence[str | None]) -> NDArray[np.int64]:
    """The number of each value among the known ones, -1 for another."""
    number = {value: position for position, value in enumerate(known)}
    distinct = values.unique()
    numbers = pl.Series([number.get(value, -1) for value in distinct.to_list()], dtype=pl.Int64)
    if not len(distinct):
        return np.empty(0, dtype=np.int64)
    return values.replace_strict(distinct, numbers, return_dtype=pl.Int64).to_numpy()


class Blocks(Encoder):
    """Blocks side by side: dense where all are dense or few, CSR otherwise."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks

    def fit(self, table: Table, seed: int) -> Self:
        for block in self.blocks:
            block.fit(table, seed)
        self._laid_out: tuple[list[str], list[str], tuple[int, ...]] | None = None
        return self

    def transform(self, table: Table) -> Matrix:
        parts = [block.transform(table) for block in self.blocks]
        names, sources, categorical = self._layout()
        return Matrix(side_by_side(parts, table.rows), names, sources, categorical)

    def _layout(self) -> tuple[list[str], list[str], tuple[int, ...]]:
        """Names, sources and categorical features, put together once."""
        known: tuple[list[str], list[str], tuple[int, ...]] | None = getattr(self, "_laid_out", None)
        if known is None:
            names: list[str] = []
            sources: list[str] = []
            categorical: list[int] = []
            for block in self.blocks:
                own = block.names()
                categorical += [len(names) + number for number in block.categorical()]
                names += own
                sources += [block.column] * len(own) if block.column else block.sources()
            known = self._laid_out = (names, sources, tuple(categorical))
        return known


def side_by_side(parts: list[Values], rows: int) -> Values:
    width = sum(part.shape[1] for part in parts)
    if not parts:
        return np.zeros((rows, 0))
    if width > DENSE_WIDTH and any(issparse(part) for part in parts):
        joined = hstack(parts, format="csr", dtype=np.float64)
        joined.sort_indices()
        return joined
    return np.hstack([part.toarray() if issparse(part) else np.asarray(part, dtype=np.float64) for part in parts])
