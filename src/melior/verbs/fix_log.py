"""The log of a cleaned copy: what was done to which row and column, and why."""

from typing import Any

import polars as pl

from melior.data.table import Table, said_row
from melior.findings import Finding

OUT, LOOK, LEFT, ANEW = "row left out", "to be looked at", "left as it is", "written anew"  # actions


class Log:
    """Lines: the row (its number in the file, the first is 1, as in every message), the column, what was done and why.
    `before` of a line about a whole row is the path of its image, where it has one."""

    def __init__(self, table: Table) -> None:
        self.lines: list[dict[str, Any]] = []
        pictures = table.of_kind("image")
        self._paths: dict[int, str | None] = {}
        if len(pictures) == 1:
            self._paths = dict(zip(table.row_ids.tolist(), table.column(pictures[0]).to_list(), strict=True))

    def said(self, row: int) -> str:
        """A row in a sentence, with the path of its image where it has one."""
        path = self._paths.get(row)
        return said_row(row) if path is None else f"{said_row(row)} ({path})"

    def add(self, finding: Finding, action: str, row: int | None = None, column: str = "", before: Any = None,
            after: Any = None, why: str = "") -> None:  # fmt: skip
        if before is None and row is not None:
            before = self._paths.get(row)
        self._line(row, column, action, before, after, finding.symptom, finding.check, why or finding.message)

    def note(self, row: int | None, column: str, action: str, why: str, before: Any = None, after: Any = None) -> None:
        """What reading or writing did, without a finding."""
        self._line(row, column, action, before, after, None, None, why)

    def _line(self, row: int | None, column: str, action: str, before: Any, after: Any, symptom: str | None,
              check: str | None, why: str) -> None:  # fmt: skip
        self.lines.append(
            {
                "row": None if row is None else row + 1,
                "column": column,
                "action": action,
                "before": None if before is None else str(before),
                "after": None if after is None else str(after),
                "symptom": symptom,
                "check": check,
                "why": why,
            }
        )

    def frame(self) -> pl.DataFrame:
        names = ("row", "column", "action", "before", "after", "symptom", "check", "why")
        schema = {name: pl.Int64 if name == "row" else pl.String for name in names}
        return pl.DataFrame(self.lines, schema=schema)
