"""What each column is, at a glance: kind and why, how much is missing, how many different, a few examples."""

from dataclasses import dataclass

import polars as pl

from melior.data.table import Table


@dataclass(frozen=True)
class ColumnSummary:
    """One column. missing is a share of the rows, distinct counts filled cells, examples are the first different."""

    name: str
    kind: str
    why: str
    missing: float
    distinct: int
    examples: tuple[str, ...]
    unparsed: int = 0


def describe(table: Table, examples: int = 3) -> list[ColumnSummary]:
    """A summary of every column but the target, in their order."""
    frame = table.frame.select(list(table.schema.kinds))
    if not frame.width:
        return []
    rows = max(frame.height, 1)
    empty = frame.null_count().row(0)
    distinct = frame.select(pl.all().n_unique()).row(0) if frame.height else (0,) * frame.width
    head = frame.head(1000)
    shown = []
    for (name, kind), missing, different in zip(table.schema.kinds.items(), empty, distinct, strict=True):
        first = head.get_column(name).drop_nulls().unique(maintain_order=True).head(examples)
        if not len(first) and missing < frame.height:
            first = frame.get_column(name).drop_nulls().head(examples)
        shown.append(
            ColumnSummary(
                name=name,
                kind=kind,
                why=table.why.get(name, ""),
                missing=missing / rows,
                distinct=int(different) - (missing > 0),
                examples=tuple(_shown(value) for value in first.to_list()),
                unparsed=len(table.unparsed.get(name, ())),
            )
        )
    return shown


def number_shown(value: float) -> str:
    """A number for people: whole ones whole, others with six digits.

    >>> number_shown(20200101.0), number_shown(0.1234567)
    ('20200101', '0.123457')
    """
    return str(int(value)) if value == value // 1 and abs(value) < 1e15 else f"{value:g}"


def _shown(value: object, letters: int = 60) -> str:
    text = number_shown(value) if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= letters else text[: letters - 1] + "…"
