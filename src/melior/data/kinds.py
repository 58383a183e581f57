"""Which kind each column has, and why. A guess that a recipe can overrule (`data.columns`).

The rules, in this order; "filled" are the cells that are not empty:

ignore    no cell is filled; or lists, structs and bytes, which are not read
category  true and false; stored as categories
image     95 % of the filled cells are names of image files
time      dates and times stored as such; 95 % of the cells read as one date format; digits alone (20240305, epochs)
          where the column's name says time, and days also where there are ten different ones or more
number    95 % of the cells read as numbers in one notation (`numbers`), with these exceptions:
          leading zeros in more than 1 % of them, or more than 15 digits: a code
          a name such as zip or code: a code. Codes are category, or id where nearly all differ
          a name such as id, key or no: id where nearly all differ or there are many (more than 100, or more than a
          tenth of the rows and than 10), else category
          0, 1, 2, ... or 1, 2, 3, ... in any order over 10 rows or more: id
          few different values alone never make a number a category
id        text in a column named as one, with the same limits; UUIDs; nearly all different hexadecimal or serial codes
text      more than 4 words, 30 letters, or 12 letters of Chinese, Japanese or Korean on average, and at least half
          of the cells different or more than 100 different; or shorter but at least half different in 20 rows or more
category  everything else

"Nearly all differ" is 95 %. The kind language is never inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from melior.data import numbers, times
from melior.data.columns import distinct_counts, is_nested, is_picture, plain_numbers
from melior.data.hints import says_code, says_id, says_time
from melior.data.looks import IMAGE, Look, Size, looks, sampled, sizes
from melior.data.marks import Mark, noted, settled

MANY = 100
DAYS = 10
_UUID = r"^(?i)\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$"
_HEX = r"^(?:0x)?[0-9a-fA-F]{8,}$"
_SERIAL = r"^[A-Za-z]{0,8}[-_#/ ]?\d{3,}(?:[-_/]?\d+)*[A-Za-z]?$"


@dataclass(frozen=True)
class Inferred:
    """A column's kind, why in a few words, and how its numbers or times are written where that is not plain.

    parsed   the cells as numbers or times where looking had to read them all, so that nobody reads them twice
    doubt    numbers of which no cell of the file says whether their mark is the decimal one
    """

    kind: str
    why: str
    notation: Mapping[str, str] = field(default_factory=dict)
    parsed: numbers.Numbers | times.Times | None = field(default=None, repr=False, compare=False)
    doubt: Mark | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class _Column:
    name: str
    cells: pl.Series  # empty ones too
    filled: int
    distinct: int
    size: Size | None  # when every filled cell is a plain number
    look: Look | None  # when it is text, and no plain numbers

    @property
    def rows(self) -> int:
        return len(self.cells)

    @property
    def all_differ(self) -> bool:
        return self.distinct >= 0.95 * self.filled

    @property
    def many(self) -> bool:
        return self.all_differ or self.distinct > MANY or self.distinct > max(10, self.rows / 10)


def infer(
    frame: pl.DataFrame,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    plain: pl.DataFrame | None = None,
    semicolons: bool = False,
) -> dict[str, Inferred]:
    """The kind of every column but the target, in their order. `columns` overrules.

    plain   what `columns.plain_numbers` gives for the frame, when it is there already
    semicolons  whether the cells of the file were separated by semicolons
    """
    frame = frame.drop(target) if target is not None else frame
    given = columns or {}
    plain = plain_numbers(frame) if plain is None else plain
    distinct = distinct_counts(frame)
    rows = frame.height
    empty = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    unread = dict(zip(plain.columns, plain.null_count().row(0), strict=True))
    all_plain = [name for name in plain.columns if empty[name] == unread[name] < rows]
    size = sizes(frame, plain, all_plain)
    text = (name for name, dtype in frame.schema.items() if dtype == pl.String and empty[name] < rows)
    look = looks(frame, [name for name in text if name not in size and name not in given], distinct)
    found: dict[str, Inferred] = {}
    for name, dtype in frame.schema.items():
        cells = frame.get_column(name)
        if name in given:
            found[name] = _overruled(cells, given[name])
            continue
        filled = rows - empty[name]
        column = _Column(name, cells, filled, distinct[name], size.get(name), look.get(name))
        if not filled:
            found[name] = Inferred("ignore", "empty in every row")
        elif dtype == pl.String:
            found[name] = _of_strings(column)
        else:
            found[name] = _of_stored(column, dtype)
    return found | _marked(frame, found, semicolons)


def _marked(frame: pl.DataFrame, found: Mapping[str, Inferred], semicolons: bool) -> dict[str, Inferred]:
    """The columns of numbers whose decimal mark the other columns decide, or nothing does."""
    written = {name: one for name, one in found.items() if one.kind == "number" and frame.schema[name] == pl.String}
    loose = {name: frame.get_column(name) for name, one in written.items() if one.parsed is not None}
    if not loose:
        return {}
    plain = {name: frame.get_column(name) for name in written if name not in loose}
    marks = settled(loose, plain, semicolons)
    changed = {}
    for name in [*marks.decimal, *(name for name in marks.doubts if name not in marks.decimal)]:
        one = replace(found[name], doubt=marks.doubts.get(name))
        if name in marks.decimal:
            notation = noted(one.notation, marks.decimal[name])
            one = replace(one, notation=notation, parsed=numbers.parse(frame.get_column(name), notation))
        changed[name] = one
    return changed


def _overruled(cells: pl.Series, kind: str) -> Inferred:
    parsed: numbers.Numbers | times.Times | None = None
    if kind == "number" and cells.dtype == pl.String:
        parsed = numbers.parse(cells)
    elif kind == "time" and cells.dtype == pl.String:
        parsed = times.parse(cells)
    elif kind == "time" and cells.dtype.is_numeric():
        parsed = _whole_days(cells)
    return Inferred(kind, "as the recipe says", parsed.notation if parsed else {}, parsed)


def _of_stored(column: _Column, dtype: Any) -> Inferred:
    """A column that was stored with a type."""
    if dtype == pl.Boolean:
        return Inferred("category", "true or false")
    if dtype in (pl.Date, pl.Datetime):
        return Inferred("time", "stored as time")
    if dtype in (pl.Duration, pl.Time):
        return Inferred("number", "a length of time, in seconds")
    if dtype in (pl.Categorical, pl.Enum):
        return Inferred("category", "stored as categories")
    if is_picture(dtype):
        return Inferred("image", "stored as images")
    if is_nested(dtype):
        return Inferred("ignore", f"{str(dtype).split('(')[0].lower()} cells are not read")
    if column.size is not None:
        return _of_plain(column, column.size)
    values = column.cells.cast(pl.Float64).fill_nan(None).drop_nulls()
    if not len(values):
        return Inferred("ignore", "empty in every row")
    return _of_numbers(column, float(str(values.min())), float(str(values.max())), _all_whole(values), {})


def _of_strings(column: _Column) -> Inferred:
    if column.size is not None:
        return _of_plain(column, column.size)
    look = column.look
    assert look is not None
    if look.truth:
        return Inferred("category", "true or false")
    if look.images >= 0.95 and _share(column.cells, IMAGE) >= 0.95:
        return Inferred("image", "names of image files")
    if look.digits >= 0.5:
        found = _of_digits(column)
        if found is not None:
            return found
    return _of_words(column, look)


def _of_plain(column: _Column, size: Size) -> Inferred:
    """Every filled cell is a number as programs write it."""
    if size.whole and size.low >= 1e7:
        found = _epoch(column.cells) if says_time(column.name) else _days(column, size)
        if found is not None:
            return found
    written = column.cells.dtype == pl.String
    long = max(size.high, -size.low) >= 1e15 and not column.cells.dtype.is_float()
    if long and (not written or column.cells.str.contains(r"^\s*[+-]?\d{16,}\s*$").any()):
        return _code(column, "more than 15 digits")
    if written and size.zeros > 0.01:
        return _code(column, "numbers with leading zeros")
    return _of_numbers(column, size.low, size.high, size.whole, {})


def _of_digits(column: _Column) -> Inferred | None:
    """Numbers, times and codes among strings that mostly hold digits; None when they are none of these."""
    said = sampled(column.cells)
    said = said.filter(~said.str.strip_chars().is_in(numbers.MARKERS + numbers.ABSENT))
    if numbers.parse(said).share >= 0.8:
        read = numbers.parse(column.cells)
        if read.share >= numbers.MOST:
            if _share(column.cells, r"^\s*0\d+\s*$") > 0.01:
                return _code(column, "numbers with leading zeros")
            values = read.values.drop_nulls()
            low, high = float(str(values.min())), float(str(values.max()))
            found = _of_numbers(column, low, high, _all_whole(values), read.notation)
            return replace(found, parsed=read) if found.kind == "number" else found
    if _share(said, r"\d\D+\d|^\d{8}$") >= 0.5 and times.parse(said).share >= 0.8:
        dates = times.parse(column.cells)
        if dates.share >= numbers.MOST:
            order = dates.notation.get("order", "ymd")
            return Inferred("time", f"dates and times ({order})", dates.notation, dates)
    return None


def _of_numbers(column: _Column, low: float, high: float, whole: bool, notation: Mapping[str, str]) -> Inferred:
    if whole and not notation.get("unit"):
        if says_code(column.name):
            return _code(column, "its name says code")
        if says_id(column.name):
            if column.many:
                return Inferred("id", f"its name says id, {column.distinct:,} different")
            return Inferred("category", f"its name says id, only {column.distinct:,} different")
        if column.rows >= 10 and column.distinct == column.rows and low in (0, 1) and high - low + 1 == column.rows:
            return Inferred("id", "counts the rows")
    how = "numbers"
    if notation:
        how += " with decimal comma" if notation.get("decimal") == "," else ""
        how += f" in {notation['unit']}" if notation.get("unit") else ""
    return Inferred("number", how, notation)


def _code(column: _Column, why: str) -> Inferred:
    if column.all_differ and column.filled >= 10:
        return Inferred("id", f"{why}, nearly all different")
    return Inferred("category", why)


def _of_words(column: _Column, look: Look) -> Inferred:
    letters, words = look.letters, look.words
    if says_id(column.name) and column.many and letters <= 64 and words < 3:
        return Inferred("id", f"its name says id, {column.distinct:,} different")
    if column.all_differ and column.filled >= 10 and look.digits > 0.9:
        sample = sampled(column.cells)
        if _share(sample, _UUID) == 1.0:
            return Inferred("id", "UUIDs")
        if _share(sample, _SERIAL) == 1.0:
            return Inferred("id", "serial codes, nearly all different")
        if _share(sample, _HEX) == 1.0 and sample.str.len_chars().n_unique() == 1:
            return Inferred("id", "hexadecimal codes, nearly all different")
    long = words > 4 or letters > 30 or (look.asian >= 0.5 and letters > 12)
    half = column.distinct >= 0.5 * column.filled
    if long and (half or column.distinct > MANY):
        return Inferred("text", f"{words:.0f} words on average" if words > 4 else f"{letters:.0f} letters on average")
    if half and column.filled >= 20:
        return Inferred("text", f"{column.distinct:,} different in {column.filled:,}")
    return Inferred("category", f"{column.distinct:,} different")


def _epoch(cells: pl.Series) -> Inferred | None:
    """Digits in a column named as a time, when every one of them is a plausible day or epoch."""
    if cells.dtype == pl.String and not cells.str.contains(r"^\s*\d{8}(?:\d{2,8})?(?:\.0*)?\s*$").all():
        return None
    found = times.parse(cells) if cells.dtype == pl.String else _whole_days(cells)
    years = found.values.drop_nulls().dt.year()
    if found.unparsed.any() or not years.is_between(1970, 2100).all():
        return None
    return Inferred("time", f"its name says time, {found.notation['order']}", found.notation, found)


def _days(column: _Column, size: Size) -> Inferred | None:
    """Numbers that are all days written as digits; of other numbers of that size one in thirty looks like a day."""
    if column.distinct < DAYS or size.low < 19000101 or size.high > 21001231:
        return None
    found = _whole_days(column.cells.cast(pl.Float64, strict=False))
    if found.notation.get("order") != "digits" or found.unparsed.any():
        return None
    return Inferred("time", "days written as digits", found.notation, found)


def _whole_days(cells: pl.Series) -> times.Times:
    whole = cells.cast(pl.Float64).fill_nan(None)
    low, high = whole.min(), whole.max()
    if isinstance(low, float) and isinstance(high, float) and low >= 19000101 and high <= 21001231:
        found = times.parse(whole.cast(pl.Int64).cast(pl.String), {"order": "digits"})
        if found.share == 1.0:
            return found
    return times.of_numbers(whole)


def _all_whole(values: pl.Series) -> bool:
    return bool((values == values.floor()).all())


def _share(cells: pl.Series, pattern: str) -> float:
    share = cells.str.contains(pattern).mean()
    return float(share) if isinstance(share, int | float) else 0.0
