"""High dimension: so many columns for so few rows that any answer, even a random one, can be fitted."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._dimension import components
from melior.checks._statistics import count, labelled
from melior.findings import Finding

ROWS_A_COLUMN = 2.0


class HighDimension(Check):
    """Rows against the effective number of encoded columns.

    A plane through p columns can separate any labels of n rows in general position with probability 1/2 at n = 2 p,
    and nearly surely below (Cover 1965). Columns that repeat each other do not count: the effective number is that of
    the principal components that hold 99 % of the variance, plus the levels of the categories. Severity is
    1 - rows / (2 p), at least 0.1. Texts and pictures are not counted.
    """

    symptoms = frozenset({"high_dimension"})
    reads = frozenset({"number", "category"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        numbers, names = context.numbers()
        rows = len(labelled(table.labels)) if table.labels is not None else len(table)
        levels = sum(max(0, table.column(name).n_unique() - 1) for name in table.of_kind("category"))
        if rows < 2 or ROWS_A_COLUMN * (len(names) + levels) <= rows:
            return []
        effective = levels + components(numbers, np.random.default_rng(context.seed))
        if ROWS_A_COLUMN * effective <= rows:
            return []
        width = len(names) + levels
        finding = Finding(
            symptom="high_dimension",
            severity=float(np.clip(1 - rows / (ROWS_A_COLUMN * effective), 0.1, 1.0)),
            message=(
                f"{count(width)} encoded columns for {count(rows)} rows: with fewer than two rows a column even random "
                f"answers can be fitted perfectly, so what is learned may be chance."
            ),
            measured={
                "encoded_columns": width,
                "effective_columns": effective,
                "rows": rows,
                "ratio": rows / effective,
            },
            threshold=ROWS_A_COLUMN,
            threshold_from="rows a column at which random labels become separable (Cover 1965)",
        )
        return [finding]
