"""Which mark of a column of numbers is the decimal one, where its cells alone do not say: 1,126 is a thousand or one.

A column says so itself where a cell fits only one reading: 0,126 and 1,5 against 0.126 and 1.5. Where none does, the
other columns of the same file decide, for nobody writes both ways side by side: the comma is the decimal mark where
another column has decimal commas and none has points. Where no column says anything, a file separated by semicolons
has decimal commas (programs write it so where the comma is taken), any other file commas between thousands; that is
told as a doubt where every number of the column has the mark before three digits. Points are decimal unless another
column has decimal commas.

New rows are read with the mark of the first rows, or with the other one where their cells show that, which is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from melior.data import numbers

EITHER = r"^[^.,]*\b[1-9]\d{0,2}[.,]\d{3}(?:[^\d.,][^.,]*)?$"
POINT = r"\d\.(?:\d{1,2}|\d{4,})$|^[+-]?(?:0|\d{4,})?\.\d"  # of plain numbers: no thousands can be meant
OTHER = {",": ".", ".": ","}


@dataclass(frozen=True)
class Mark:
    """What a column says of its decimal mark.

    decimal  "," or "." where cells fit only one of them; "" where none does
    either   the first of the cells that have one mark before three digits, such as 1,126, "" where there is none;
             place is its position
    every    whether all numbers of the column are such cells
    """

    decimal: str
    either: str
    place: int
    every: bool

    @property
    def has(self) -> str:
        """The mark in such cells."""
        return "" if not self.either else "," if "," in self.either else "."

    def in_doubt(self, decimal: str) -> bool:
        """Whether nothing in the column says that cells are read rightly with this decimal mark."""
        return not self.decimal and bool(self.either) and self.has != decimal


@dataclass(frozen=True)
class Settled:
    """decimal: column -> the mark to read it with, where it is another one than was taken; doubts: column -> what is
    not shown by any cell of the file; switched: columns that show another mark than the first rows had."""

    decimal: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, Mark] = field(default_factory=dict)
    switched: dict[str, Mark] = field(default_factory=dict)


def mark_of(cells: pl.Series) -> Mark:
    """What a column of text says of its decimal mark.

    >>> mark_of(pl.Series(["1,126", "0,5"])).decimal, mark_of(pl.Series(["1,126", "2,500"])).decimal
    (',', '')
    """
    text = numbers.tidy(cells.str.strip_chars())
    pointed, commaed = numbers.taken(text, ".")[0], numbers.taken(text, ",")[0]
    points = int((pointed.is_not_null() & commaed.is_null()).sum())
    commas = int((pointed.is_null() & commaed.is_not_null()).sum())
    either = (text.str.contains(EITHER) & pointed.is_not_null()).fill_null(False)
    place = int(either.arg_true()[0]) if either.any() else -1
    said = int((pointed.is_not_null() | commaed.is_not_null()).sum())
    decimal = "" if points == commas == 0 else "," if commas > points else "."
    return Mark(decimal, "" if place < 0 else str(text[place]), place, int(either.sum()) == said)


def settled(loose: Mapping[str, pl.Series], plain: Mapping[str, pl.Series], semicolons: bool) -> Settled:
    """What the number columns of one file say of each other.

    loose       columns of text with cells that no program writes as numbers
    plain       columns of text with plain numbers alone
    semicolons  whether the file's cells are separated by semicolons
    """
    marks = {name: mark_of(cells) for name, cells in loose.items()}
    commas = any(mark.decimal == "," for mark in marks.values())
    open_ones = {name: mark for name, mark in marks.items() if mark.in_doubt(".")}
    found = Settled()
    if not commas and not open_ones:
        return found
    points = any(mark.decimal == "." for mark in marks.values())
    points = points or any(shows_point(cells) for cells in plain.values())
    if points:  # those of commas are thousands, unless the file has both
        found.doubts.update({name: mark for name, mark in open_ones.items() if commas and mark.every})
    elif commas:
        found.decimal.update(dict.fromkeys(open_ones, ","))
        also = {name: mark_of(cells) for name, cells in plain.items() if cells.str.contains(r"\.\d").any()}
        found.decimal.update({name: "," for name, mark in also.items() if mark.in_doubt(",")})
    else:
        found.doubts.update({name: mark for name, mark in open_ones.items() if mark.every})
        found.decimal.update(dict.fromkeys(found.doubts if semicolons else (), ","))
    return found


def compared(
    loose: Mapping[str, pl.Series], plain: Mapping[str, pl.Series], notation: Mapping[str, Mapping[str, str]]
) -> Settled:
    """What the number columns of new rows say, whose first rows were written as the notation says; `loose` and `plain`
    as in `settled`, where all columns that were not written plainly are loose."""
    marks = {name: mark_of(cells) for name, cells in loose.items()}
    own = {name: notation.get(name, {}).get("decimal", ".") for name in marks}
    found = Settled()
    found.switched.update({name: mark for name, mark in marks.items() if mark.decimal == OTHER[own[name]]})
    found.decimal.update({name: mark.decimal for name, mark in found.switched.items()})
    open_ones = {name: mark for name, mark in marks.items() if mark.in_doubt(own[name])}
    if not open_ones or any(mark.decimal == own[name] for name, mark in marks.items()):
        return found
    if found.switched:
        found.switched.update(open_ones)
        found.decimal.update({name: mark.has for name, mark in open_ones.items()})
    elif not any(shows_point(cells) for cells in plain.values()):
        found.doubts.update({name: mark for name, mark in open_ones.items() if mark.every})
    return found


def shows_point(cells: pl.Series) -> bool:
    """Whether the points of plain numbers cannot stand between thousands."""
    return bool(cells.str.strip_chars().str.contains(POINT).any())


def noted(notation: Mapping[str, str], decimal: str) -> dict[str, str]:
    """A notation with another decimal mark."""
    rest = {key: value for key, value in notation.items() if key != "decimal"}
    return {"decimal": ",", **rest} if decimal == "," else rest


def said_doubt(column: str, mark: Mark, decimal: str, row: str) -> str:
    """A note on numbers that may mean something else. row: that of `mark.either`."""
    word = {",": "comma", ".": "point"}[mark.has]
    how = f"a decimal {word}" if mark.has == decimal else f"a {word} between thousands"
    meant = mark.either.replace(mark.has, "" if mark.has == decimal else OTHER[mark.has])
    return (
        f'"{column}" has numbers such as "{mark.either}" ({row}), read with {how}, which no cell shows to be meant; '
        f'if it is not, write "{meant}".'
    )


def said_switched(columns: str, decimal: str) -> str:
    """A note on new rows that are written otherwise than the first ones. columns: as they stand in a sentence."""
    now, before = ("commas", "points") if decimal == "," else ("points", "commas")
    return f"{columns}: numbers have decimal {now} here and decimal {before} in the training rows; read with {now}."
