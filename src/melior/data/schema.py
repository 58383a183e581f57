"""What a table's columns are: their kinds, how each kind is stored, and what a predictor must know to read new rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from melior.data.label_sets import LabelSets
from melior.data.seen import Seen

KINDS = ("number", "category", "text", "image", "time", "id", "language", "ignore")
FEATURE_KINDS = frozenset({"number", "category", "text", "image", "time", "language"})
STORED_AS: dict[str, Any] = {
    "number": pl.Float64,
    "category": pl.String,
    "text": pl.String,
    "image": pl.String,
    "id": pl.String,
    "language": pl.String,
    "ignore": pl.String,
    "time": pl.Datetime("us"),
}


@dataclass(frozen=True)
class Schema:
    """What a predictor must know of a table to read new rows: the columns with their kinds, target, classes.

    kinds    column -> kind, in file order, the target left out
    target   the target's name, None where there is none
    classes  the labels as text, sorted (numbers by value), the order in which scores are given
    notation column -> how its text is written where that is not plain: {"decimal": ",", "unit": "kg"} for numbers,
             {"order": "dmy"} for times, {"without": '["case closed"]'} for texts that words are taken out of; so
             that new rows are read as the first ones were
    label_sets  how several labels of a row are written; None where a row has one class
    seen     column of categories -> what it held
    encoding, separator  of the file, where the recipe says them: new files are read so too
    """

    kinds: Mapping[str, str]
    target: str | None = None
    classes: tuple[str, ...] = ()
    notation: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    label_sets: LabelSets | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict, repr=False)
    encoding: str | None = None
    separator: str | None = None

    @property
    def multilabel(self) -> bool:
        """Whether a row may have several of the classes, or none."""
        return self.label_sets is not None

    def of_kind(self, *kinds: str) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in kinds]

    def features(self) -> list[str]:
        """The columns that a model may read."""
        return [name for name, kind in self.kinds.items() if kind in FEATURE_KINDS]

    def without(self, columns: Sequence[str]) -> "Schema":
        """The same with these columns ignored: they stay in the file, no model reads them."""
        return replace(self, kinds={n: "ignore" if n in columns else k for n, k in self.kinds.items()})

    def to_dict(self) -> dict[str, Any]:
        notation = {name: dict(how) for name, how in self.notation.items()}
        return {
            "kinds": dict(self.kinds),
            "target": self.target,
            "classes": list(self.classes),
            **({"notation": notation} if notation else {}),
            **({"label_sets": self.label_sets.to_dict()} if self.label_sets else {}),
            **({"seen": {name: one.to_dict() for name, one in self.seen.items()}} if self.seen else {}),
            **({"encoding": self.encoding} if self.encoding else {}),
            **({"separator": self.separator} if self.separator else {}),
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Schema":
        sets = given.get("label_sets")
        return cls(
            given["kinds"],
            given["target"],
            tuple(given["classes"]),
            given.get("notation", {}),
            None if sets is None else LabelSets.from_dict(sets),
            {name: Seen.from_dict(one) for name, one in given.get("seen", {}).items()},
            given.get("encoding"),
            given.get("separator"),
        )
