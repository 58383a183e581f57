"""Sparse features: most of what a model would be given is zeros or gaps."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import count, listed, share
from melior.findings import Finding

MOST_FILLED = 0.1
FEWEST_COLUMNS = 20
EMPTY_COLUMN = 0.95


class SparseFeatures(Check):
    """The share of cells that are neither zero nor missing, once categories are one column a level.

    A sparse matrix takes 12 bytes a filled cell and a dense one 8 a cell; below a tenth filled, the sparse one is at
    least six times smaller and products are faster too. Severity is 0.5 where nothing is filled and 0 at a tenth: it
    is no fault by itself. Texts and pictures are not counted.
    """

    symptoms = frozenset({"sparse_features"})
    reads = frozenset({"number", "category"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        numbers, names = context.numbers()
        if not len(table):
            return []
        filled = (np.isfinite(numbers) & (numbers != 0)).mean(axis=0) if names else np.empty(0)
        width, cells = float(len(names)), float(filled.sum())
        levels: dict[str, int] = {}
        for name in table.of_kind("category"):
            known = table.column(name).drop_nulls()
            levels[name] = int(known.n_unique())
            width += levels[name]
            cells += len(known) / len(table)
        if width < FEWEST_COLUMNS or cells / width >= MOST_FILLED:
            return []
        empty = [name for name, part in zip(names, filled, strict=True) if part < 1 - EMPTY_COLUMN]
        wide = [name for name, many in levels.items() if many >= 1 / MOST_FILLED]
        wide.sort(key=lambda name: -levels[name])
        because = f"{count(len(empty))} columns are nearly all zero or missing" if empty else ""
        if wide:
            because += (" and " if because else "") + f"{listed(wide)} have up to {count(levels[wide[0]])} levels"
        finding = Finding(
            symptom="sparse_features",
            severity=0.5 * (1 - cells / width / MOST_FILLED),
            message=(
                f"Only {share(cells / width)} of the {count(width)} encoded columns' cells hold something: "
                f"{because or 'zeros and gaps are spread over all columns'}."
            ),
            measured={
                "filled": cells / width,
                "encoded_columns": int(width),
                "levels": levels,
                "empty_columns": len(empty),
            },
            threshold=MOST_FILLED,
            threshold_from="bytes of a sparse matrix against a dense one: below a tenth filled, six times smaller",
            columns=tuple([*wide, *empty][:100]),
        )
        return [finding]
