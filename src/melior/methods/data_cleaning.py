"""Data cleaning: placeholders become missing, values in another unit are put right, impossible ones are tamed."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from melior.data.table import Floats, Table
from melior.features._base import TableStep
from melior.methods._base import Method
from melior.methods._cleaning import Unit, column_faults, robust_bounds
from melior.methods._done import Done
from melior.methods._rows import none_emptied
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

How = Literal["clip", "missing", "drop_rows"]


class CleanNumbers(TableStep):
    """Cleans every number column of any rows by what was learnt from training rows.

    columns       the number columns
    placeholders  for each, the numbers that mean missing
    units         for each, (factor, low, high): values from low on and below high are divided by factor, in turn
    bounds        (columns, 2) least and largest value that is believed
    """

    def __init__(self, how: How) -> None:
        self.how: How = how
        self.columns: list[str] = []
        self.placeholders: list[list[float]] = []
        self.units: list[list[tuple[float, float, float]]] = []
        self.bounds = np.empty((0, 2))

    def fit(self, table: Table, seed: int) -> Self:
        self.columns = table.of_kind("number")
        self.placeholders, self.units, bounds = [], [], []
        for name in self.columns:
            values = table.numbers(name)
            values = values[np.isfinite(values)]
            codes, units, values = column_faults(values)
            self.placeholders.append(codes)
            self.units.append([(unit.factor, unit.low, unit.high) for unit in units])
            bounds.append(robust_bounds(values))
        self.bounds = np.array(bounds, dtype=np.float64).reshape(-1, 2)
        return self

    def repaired(self, table: Table, position: int) -> Floats:
        """A column (rows,) with placeholders and infinities as nan and other units put right."""
        values = table.numbers(self.columns[position])
        values = np.where(np.isfinite(values) & ~np.isin(values, self.placeholders[position]), values, np.nan)
        for factor, low, high in self.units[position]:
            values = Unit(factor, low, high).repaired(values)
        return values

    def told(self, table: Table) -> list[Done]:
        """Every value that is changed, and why; rows that `drop_rows` drops are told of by their values too."""
        done = []
        for position, name in enumerate(self.columns):
            given, repaired = table.numbers(name), self.repaired(table, position)
            low, high = self.bounds[position]
            out = (repaired < low) | (repaired > high)
            for row in np.flatnonzero(out | ((given != repaired) & ~np.isnan(given))):
                was, new = float(given[row]), float(repaired[row])
                if np.isnan(new):
                    code = was in self.placeholders[position]
                    why = "it stands for missing: it is frequent and far from all others" if code else "it is no number"
                    did, became = "made missing", ""
                elif not out[row]:
                    did, became = "converted", f"{new:g}"
                    why = f"a clump of values is {was / new:g} times as large as the rest: another unit"
                else:
                    side = f"below {low:g}" if new < low else f"above {high:g}"
                    why = f"it is {side}, beyond what the spread of the others allows"
                    edge = f"{float(np.clip(new, low, high)):g}"
                    did, became = {"clip": ("clipped", edge), "missing": ("made missing", "")}.get(
                        self.how, ("dropped", "")
                    )
                done.append(Done(int(table.row_ids[row]) + 1, name, did, f"{was:g}", became, "data_cleaning", why))
        return done

    def outside(self, table: Table) -> Floats:
        """(rows,) how many values of each row lie out of bounds, once repaired."""
        count = np.zeros(table.rows)
        for position in range(len(self.columns)):
            values = self.repaired(table, position)
            low, high = self.bounds[position]
            count += (values < low) | (values > high)
        return count

    def transform(self, table: Table) -> Table:
        changed = []
        for position, name in enumerate(self.columns):
            values = self.repaired(table, position)
            low, high = self.bounds[position]
            if self.how == "missing":
                values = np.where((values < low) | (values > high), np.nan, values)
            else:
                values = np.clip(values, low, high)
            changed.append(pl.Series(name, values, dtype=pl.Float64, nan_to_null=True))
        return table.with_frame(table.frame.with_columns(changed)) if changed else table


class DataCleaning(Method):
    """Repairs number columns. Placeholders (-999) become missing and values in another unit are converted, in new rows
    as in training rows; values outside robust bounds are handled as `how` says.

    how  clip (default): set to the bound; missing: made missing; drop_rows: training rows that hold one are dropped,
         and those of new rows set to the bound
    """

    treats: ClassVar[frozenset[str]] = frozenset({"outliers", "invalid_values", "feature_skew"})
    kinds: ClassVar[frozenset[str]] = frozenset({"number"})
    first_for: ClassVar[frozenset[str]] = frozenset({"invalid_values", "outliers"})
    questions: ClassVar[tuple[int, ...]] = (12,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Dixon, Simplified Estimation from Censored Normal Samples, Annals of Math. Stat. 1960"
    order: ClassVar[int] = 20
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"how": "missing"}, {"how": "drop_rows"})

    how: How = "clip"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return (
            None
            if table.of_kind("number")
            else "there are no number columns to clean; deduplication and label_cleaning act on rows of any kind"
        )

    def columns(self) -> TableStep:
        return CleanNumbers(self.how)

    def done(self, train: Table, context: FitContext) -> list[Done]:
        return CleanNumbers(self.how).fit(train, context.seed).told(train)

    def rows(self, train: Table, context: FitContext) -> Table:
        if self.how != "drop_rows":
            return train
        outside = CleanNumbers(self.how).fit(train, context.seed).outside(train)
        labels = train.strata()
        keep = none_emptied(labels, outside == 0, -outside)
        return train if keep.all() else train.take(keep)
