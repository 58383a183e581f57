"""The target: text, numbers or truth values to class numbers, and what makes a target impossible to learn.

Classes are named as text. When all of them are numbers they are sorted by value and written plainly (1.0 is 1), else
they are sorted as text. Spaces around a label do not count, and True is true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data import numbers
from melior.data.columns import TRUTH, as_text
from melior.data.table import Labels, Rows, said_row
from melior.errors import UserError

BETWEEN = (";", "|", ",")  # what usually stands between labels
FEW = 20  # classes that are never too many
LEAVE_OUT = (
    "Fill it, or leave such rows out with data.missing_target: drop in a recipe; `melior init` writes one that does."
)
FRACTIONS = 50  # different numbers with fractions beyond which a target is a quantity


@dataclass(frozen=True)
class Target:
    """labels (rows,) class numbers of the kept rows, classes in order, which rows were kept, and what to tell."""

    labels: Labels
    classes: tuple[str, ...]
    kept: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def learn(cells: pl.Series, table: str, missing_target: str = "stop", *, part: bool = False) -> Target:
    """Labels and classes of a target column. missing_target: stop, or drop the rows without a label. part: of a larger
    table, so that one class is enough."""
    given = text = _tidy(cells)
    found = text.drop_nulls().unique()
    plain = _plain(found)
    if plain is None and _no_number(found).any():
        without = found.filter(~_no_number(found))
        if len(without) and _plain(without) is not None:  # NA and inf among numbers are no classes
            text = pl.select(pl.when(~_no_number(text)).then(text).alias(cells.name)).to_series()
            found, plain = without, _plain(without)
    kept = text.is_not_null().to_numpy()
    if not kept.all() and missing_target == "stop":
        raise _missing(given, table, np.flatnonzero(~kept))
    if not kept.any():
        raise UserError(f'{table}: "{cells.name}" is empty in every row. Name another target, or fill it.')
    if plain is not None:
        text = text.replace_strict(found, [_said(value) for value in plain], return_dtype=pl.String)
        classes = tuple(_said(value) for value in sorted(set(plain)))
        _not_a_quantity(cells.name, table, sorted(set(plain)), int(kept.sum()))
    else:
        classes = tuple(sorted(found.to_list()))
        _not_names(cells.name, table, classes, int(kept.sum()))
    if len(classes) == 1 and not part:
        raise UserError(
            f'{table}: "{cells.name}" is "{classes[0]}" in every row; with one class there is nothing to learn. '
            "Add rows of another class, or name another target."
        )
    notes = _looks_odd(cells.name, text, classes, plain is not None)
    return Target(_numbered(text, classes)[kept], classes, kept, notes)


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels from several places as classes: each once, written and sorted as `learn` does.

    >>> classes_of(["10", "2", "2.0"]), classes_of(["no", "maybe", "no"])
    (('2', '10'), ('maybe', 'no'))
    """
    found = _tidy(pl.Series("label", list(labels), dtype=pl.String)).drop_nulls().unique()
    plain = _plain(found)
    return tuple(sorted(found.to_list())) if plain is None else tuple(_said(value) for value in sorted(set(plain)))


def known(
    cells: pl.Series,
    table: str,
    classes: Sequence[str],
    *,
    learned_from: str = "the model",
    need: bool = False,
    otherwise: str = "train with rows of that class",
) -> Labels:
    """Class numbers of labels that must be among the classes; -1 where the target is empty, refused with `need`.

    otherwise  what can be done about a label that is none of the classes, beside correcting it
    """
    text = _tidy(cells)
    if need and text.null_count():
        raise _missing(text, table, text.is_null().arg_true().to_numpy())
    found = text.drop_nulls().unique()
    strange = found.filter(~found.is_in(list(classes)))
    plain = _plain(strange)
    spoken = {label: label for label in found}
    if plain is not None:
        spoken |= dict(zip(strange, map(_said, plain), strict=True))
    elif len(strange):
        spoken |= {label: _said(float(label)) for label in strange if _is_plain(label)}
    numeric = len(classes) > 0 and all(map(_is_plain, classes))
    spoken = {label: None if numeric and _no_number(pl.Series([label]))[0] else s for label, s in spoken.items()}
    given = text
    text = text.replace_strict(spoken, default=None, return_dtype=pl.String) if spoken else text
    wrong = text.is_not_null() & ~text.is_in(list(classes))
    if wrong.any():
        row = int(wrong.arg_true()[0])
        more = int(wrong.sum()) - 1
        also = f" (and so in {more:,} more rows)" if more else ""
        raise UserError(
            f'{table}, {said_row(row)}: "{cells.name}" is "{text[row]}"{also}, a class that {learned_from} does not '
            f"have; it has {listed(classes)}. Correct it, or {otherwise}."
        )
    if need and text.null_count():
        raise _missing(given, table, text.is_null().arg_true().to_numpy())
    return _numbered(text, classes)


def listed(words: Sequence[str], most: int = 8) -> str:
    """Names in a sentence, the first few of many."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(f'"{word}"' for word in words[:most]) + more


def _tidy(cells: pl.Series) -> pl.Series:
    text = as_text(cells).str.strip_chars().replace(TRUTH)
    return pl.select(pl.when(text != "").then(text).alias(cells.name)).to_series()


def _is_plain(label: str) -> bool:
    return _plain(pl.Series([label])) is not None


def _plain(labels: pl.Series) -> list[float] | None:
    """The labels as numbers when all are, written without leading zeros (007 is a name)."""
    if not len(labels) or labels.str.contains(r"^[+-]?0\d").any():
        return None
    values = labels.to_frame("label").select(numbers.plain(pl.col("label"))).to_series()
    exact = labels.str.contains(r"^[+-]?\d{16,}$").any()
    return None if values.null_count() or exact else [float(value) for value in values]


def _said(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _numbered(text: pl.Series, classes: Sequence[str]) -> Labels:
    spoken = {label: number for number, label in enumerate(classes)}
    found = text.replace_strict(spoken, default=-1, return_dtype=pl.Int32).fill_null(-1)
    return np.array(found.to_numpy(), dtype=np.int32)


def _no_number(text: pl.Series) -> pl.Series:
    """Where a cell among numbers is a mark of a missing one, or endless."""
    endless = text.cast(pl.Float64, strict=False).is_infinite().fill_null(False)
    return (text.is_in(numbers.MARKERS) | endless).fill_null(False)


def _missing(cells: pl.Series, table: str, rows: Rows) -> UserError:
    """cells: as they are written; rows: those without a label."""
    what = "empty" if cells[int(rows[0])] is None else f'"{cells[int(rows[0])]}", which is no class among numbers'
    more = (
        ""
        if rows.size == 1
        else f" ({rows.size:,} rows have no class)"
        if what != "empty"
        else (f" ({rows.size:,} rows are)")
    )
    return UserError(f'{table}, {said_row(int(rows[0]))}: "{cells.name}" is {what}{more}. {LEAVE_OUT}')


def _looks_odd(target: str, text: pl.Series, classes: Sequence[str], numeric: bool) -> tuple[str, ...]:
    """What may be wrong with classes that can be learned all the same."""
    if numeric:
        if len(classes) <= FEW:
            return ()
        return (
            f'"{target}" has {len(classes):,} different numbers, from {classes[0]} to {classes[-1]}, and each is taken '
            "as a class: if it is a quantity (regression is not supported yet), put it into a few classes, such as low "
            "and high.",
        )
    notes = []
    alike: dict[str, list[str]] = {}
    for label in classes:
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    twins = [labels for labels in alike.values() if len(labels) > 1]
    if twins:
        more = f" (and {len(twins) - 1:,} more such groups)" if len(twins) > 1 else ""
        notes.append(
            f'{listed(twins[0])}{more} of "{target}" differ only in case or spaces, and each is a class of its own: '
            "write them alike if they mean the same."
        )
    for label in classes:
        if label in numbers.MARKERS:
            rows = int((text == label).sum())
            many = "1 row has" if rows == 1 else f"{rows:,} rows have"
            notes.append(
                f'{many} the "{target}" "{label}", which is taken as a class of its own: empty those cells if it means '
                "that the answer is missing."
            )
    return tuple(notes)


def _not_a_quantity(target: str, table: str, values: Sequence[float], rows: int) -> None:
    fractions = any(value != int(value) for value in values)
    if (fractions and len(values) > FRACTIONS) or len(values) > max(FEW, rows / 5):
        raise UserError(
            f'{table}: "{target}" has {len(values):,} different numbers in {rows:,} rows, from {_said(values[0])} to '
            f"{_said(values[-1])}: a quantity, and predicting quantities (regression) is not supported yet. "
            "Put it into a few classes, such as low and high, or name another target."
        )


def _not_names(target: str, table: str, classes: Sequence[str], rows: int) -> None:
    if len(classes) > max(FEW, rows / 5):
        between = next((one for one in BETWEEN if sum(one in label for label in classes) > len(classes) / 2), None)
        several = f", or, if rows have several labels, say data.label_separator: '{between}'" if between else ""
        raise UserError(
            f'{table}: "{target}" has {len(classes):,} different values in {rows:,} rows, too many to be classes. '
            f"Name another target, or join rare values into one{several}."
        )
