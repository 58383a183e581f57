"""What a column of categories held in the training rows, so that new rows can be told which values no model saw."""

from dataclasses import dataclass
from typing import Any

import polars as pl

MOST = 10_000  # different values of a column that are kept; of more nothing is known
IN_ALL = 100_000  # and of all columns together


@dataclass(frozen=True)
class Seen:
    """values: all of a column, sorted; once: the share of its cells whose value stands there once, which is how many
    cells of rows like these have a value that was not seen (Good 1953)."""

    values: tuple[str, ...]
    once: float

    def to_dict(self) -> dict[str, Any]:
        return {"values": list(self.values), "once": self.once}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Seen":
        return cls(tuple(given["values"]), given["once"])


def seen_in(frame: pl.DataFrame, columns: list[str]) -> dict[str, Seen]:
    """What each of these columns of text holds, as far as it is kept; a column that is empty is left out."""
    found: dict[str, Seen] = {}
    left = IN_ALL
    for name in columns:
        counts = frame.get_column(name).drop_nulls().alias("value").value_counts(name="count")
        if not 0 < counts.height <= min(MOST, left):
            continue
        left -= counts.height
        many = counts.get_column("count")
        once = round(int((many == 1).sum()) / int(many.sum()), 6)
        found[name] = Seen(tuple(counts.get_column("value").sort().to_list()), once)
    return found
