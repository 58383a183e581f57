"""What a method did to the training rows, for people: one entry a row or cell, with the reason."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import polars as pl

FILE = "changes.csv"  # of a run


@dataclass(frozen=True)
class Done:
    """One thing that was done.

    row     its number as messages count: the first row of data is row 1
    column  the column; the target where a label was changed, empty where the whole row is meant
    did     dropped, corrected, made missing, converted, or clipped
    was     what stood there      became  what stands there now, empty where nothing does
    method  its name              why     the reason, a sentence without its full stop
    """

    row: int
    column: str
    did: str
    was: str
    became: str
    method: str
    why: str


def frame_of(done: Sequence[Done]) -> pl.DataFrame:
    """A table of them, in the order of the rows."""
    names = [one.name for one in fields(Done)]
    kinds = {name: pl.Int64 if name == "row" else pl.String for name in names}
    rows = [astuple(one) for one in sorted(done, key=lambda one: (one.row, one.column))]
    return pl.DataFrame(rows, schema=kinds, orient="row")


def said(done: Sequence[Done]) -> str:
    """What was done, counted: "label_cleaning: 12 corrected, 30 dropped; data_cleaning: 4 clipped"."""
    counts: dict[str, dict[str, int]] = {}
    for one in done:
        own = counts.setdefault(one.method, {})
        own[one.did] = own.get(one.did, 0) + 1
    return "; ".join(
        f"{method}: {', '.join(f'{count:,} {did}' for did, count in sorted(own.items()))}"
        for method, own in counts.items()
    )
