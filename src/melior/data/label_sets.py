"""How the labels of a row are written where a row may have several of them, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEPARATORS = (";", "|", ",", "/", "\t", "\n")  # single characters, tried in this order where lists have to be text


@dataclass(frozen=True)
class LabelSets:
    """What a predictor must know of a target of several labels a row to read and write such cells.

    separator     between two labels of a cell that is text
    empty_is_none an empty cell is a row without any label; else its labels are not known
    """

    separator: str
    empty_is_none: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"separator": self.separator, "empty_is_none": self.empty_is_none}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "LabelSets":
        return cls(given["separator"], given["empty_is_none"])


def writable_separator(labels: Sequence[str], wanted: str | None = None) -> str:
    """A separator that stands in none of the labels: the one wanted where it can be.

    >>> writable_separator(["fit", "price; value"])
    '|'
    """
    candidates = [*([wanted] if wanted else []), *SEPARATORS]
    return next((one for one in candidates if not any(one in label for label in labels)), SEPARATORS[-1])
