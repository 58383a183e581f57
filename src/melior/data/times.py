"""Text and numbers to times: ISO 8601, 31/12/2024, 12/31/2024, 31.12.2024, 3 May 2024, 2024年3月5日, epoch seconds.

The order of day and month is one decision for the whole column: the order in which more cells are dates. When both
fit, a slash means month first and anything else day first. Zones are turned to UTC, cells without one are taken as
they stand. Digits alone (20240305, 1709600000) are times in columns whose name says so, and
days where ten or more different ones are all days of the years 1900 to 2100, which no other numbers are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from melior.data.numbers import MARKERS

US = pl.Datetime("us")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAY = r"^(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+"
_MONTH = (
    r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\b\.?"
)
_CLOCK = (
    r"(?:[T ,]*(?<hour>\d{1,2})[:时時点](?<minute>\d{1,2})(?:[:分](?<second>\d{1,2})秒?(?:[.,](?<part>\d{1,9}))?)?分?"
    r"\s*(?<noon>(?i:am|pm))?\s*(?<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$"
)
_DATE = r"^(?<one>\d{1,4})\s*[-/. 年]\s*(?<two>\d{1,2})\s*[-/., 月]\s*(?<three>\d{1,4})\s*[日号]?"
_TWITTER = r"^([A-Za-z]{3}) ([A-Za-z]{3} \d{1,2}) ([\d:]+) ([+-]\d{4}) (\d{4})$"
ORDERS = {"ymd": ("one", "two", "three"), "dmy": ("three", "two", "one"), "mdy": ("three", "one", "two")}
PLAIN = {
    "%Y-%m-%d": r"^\d{4}-\d{2}-\d{2}$",
    "%Y-%m-%d %H:%M:%S": r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$",
    "%Y-%m-%dT%H:%M:%S": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$",
}
EPOCHS = {"epoch s": 1_000_000, "epoch ms": 1000, "epoch us": 1}


@dataclass(frozen=True)
class Times:
    """The values (null where missing or no time), how they were written, and which cells were missing."""

    values: pl.Series
    notation: dict[str, str]
    missing: pl.Series

    @property
    def unparsed(self) -> pl.Series:
        return self.values.is_null() & ~self.missing

    @property
    def share(self) -> float:
        said = len(self.values) - int(self.missing.sum())
        return (len(self.values) - self.values.null_count()) / said if said else 0.0


def parse(cells: pl.Series, notation: Mapping[str, str] | None = None) -> Times:
    """The times of a column of strings. With a notation they are read as that says, else it is found.

    >>> parse(pl.Series(["5/3/2024", "25/3/2024"])).values.dt.strftime("%Y-%m-%d").to_list()
    ['2024-03-05', '2024-03-25']
    """
    trimmed = cells.str.strip_chars()
    missing = (trimmed.is_null() | trimmed.is_in(MARKERS)).fill_null(True)
    order = (notation or {}).get("order", "" if notation is None else "ymd")
    digits = trimmed.filter(~missing).str.contains(r"^\d{8}(\d{2,8})?$")
    if order == "digits" or order in EPOCHS or (not order and len(digits) and digits.all()):
        return _of_digits(cells, trimmed, missing, order)
    if order in ("", "ymd"):
        for form, pattern in PLAIN.items():  # the usual ways, much faster
            if trimmed.filter(~missing).str.contains(pattern).all():
                values = trimmed.str.to_datetime(form, strict=False, time_unit="us")
                return Times(values.alias(cells.name), {}, missing)
    text = trimmed.str.replace(_TWITTER, "$2 $5 $3 $4").str.replace(_WEEKDAY, "")
    named = text.str.contains(_MONTH)
    if named.any():
        for number, month in enumerate(MONTHS, start=1):
            text = text.str.replace(_MONTH.replace("|".join(MONTHS), month), f"M{number}M")
        text = (
            text.str.replace(r"^M(\d+)M\s*(\d{1,2})(?:st|nd|rd|th)?,?\s+", "M $1/$2/")
            .str.replace(r"^(\d{1,2})(?:st|nd|rd|th)?[\s-]*M(\d+)M[\s,-]*", "M $2/$1/")
            .str.replace(r"^(\d{4})[\s-]*M(\d+)M[\s-]*(\d{1,2})", "$1-$2-$3")
        )
    spoken = text.str.starts_with("M ")
    parts = pl.DataFrame({"part": text.str.strip_prefix("M ").str.extract_groups(_DATE + _CLOCK)}).unnest("part")
    wanted = len(cells) - int(missing.sum())
    tried = {name: _made(parts, name) for name in ([order] if order in ORDERS else ["ymd"])}
    if not order and len(cells) - tried["ymd"].null_count() < wanted:
        tried |= {name: _made(parts, name) for name in ("dmy", "mdy")}
    if order not in ORDERS:
        fits = {name: len(values) - values.null_count() for name, values in tried.items()}
        slash = bool(trimmed.str.contains("/", literal=True).any())
        prefer = [name for name in (("ymd", "mdy", "dmy") if slash else ("ymd", "dmy", "mdy")) if name in tried]
        order = max(prefer, key=lambda name: fits[name])
    months_first = _made(parts, "mdy") if spoken.any() else tried[order]
    iso = _made(parts, "ymd") if order != "ymd" else tried[order]
    chosen = pl.select(
        pl.when(spoken).then(months_first).otherwise(pl.coalesce(tried[order], iso))  # 2024-03-05 is never in doubt
    ).to_series()
    return Times(chosen.alias(cells.name), {} if order == "ymd" else {"order": order}, missing)


def _made(parts: pl.DataFrame, order: str) -> pl.Series:
    """Datetimes from the parts of a date in this order; null where there is no such day."""
    year, month, day = ORDERS[order]
    zeros = pl.col(year).str.zfill(4)
    length = pl.col(year).str.len_bytes()
    short = pl.when(pl.col(year) >= "69").then(pl.lit("19")).otherwise(pl.lit("20")) + pl.col(year)
    two_digits = (length == 2) & pl.lit(order != "ymd")  # a year that comes first has four
    full = pl.when(length == 4).then(zeros).when(two_digits).then(short)
    hour = pl.col("hour").fill_null("0").cast(pl.Int32, strict=False)
    noon = pl.col("noon").str.to_lowercase()
    hour = pl.when(noon.is_null()).then(hour).when(hour > 12).then(None).otherwise(hour % 12 + (noon == "pm") * 12)
    day_text = pl.concat_str(full, pl.col(month).str.zfill(2), pl.col(day).str.zfill(2), separator="-")
    clock = pl.concat_str(
        hour.cast(pl.String), pl.col("minute").fill_null("0"), pl.col("second").fill_null("0"), separator=":"
    )
    stamp = pl.concat_str(day_text, clock, separator=" ").str.to_datetime(
        "%Y-%m-%d %H:%M:%S", strict=False, time_unit="us"
    )
    part = pl.col("part").fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    zone = pl.col("zone").str.replace(":", "", literal=True)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(pl.Int64, strict=False)
    shift = (sign * minutes).fill_null(0)
    return parts.select((stamp + pl.duration(microseconds=part) - pl.duration(minutes=shift)).cast(US)).to_series()


def _of_digits(cells: pl.Series, trimmed: pl.Series, missing: pl.Series, order: str) -> Times:
    """Eight digits that are a day, or an epoch."""
    days = trimmed.str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    days = pl.select(pl.when(trimmed.str.len_bytes() == 8).then(days)).to_series()
    plausible = days.filter(~missing).dt.year().is_between(1900, 2100).fill_null(False)
    if order == "digits" or (not order and len(plausible) and plausible.mean() == 1.0):
        return Times(days.alias(cells.name), {"order": "digits"}, missing)
    found = of_numbers(trimmed.cast(pl.Float64, strict=False), order)
    return Times(found.values.alias(cells.name), found.notation, missing)


def of_numbers(numbers: pl.Series, order: str = "") -> Times:
    """Epochs to times: seconds, milliseconds or microseconds, as the size of the median says (1973 to 2096)."""
    whole = numbers.cast(pl.Float64).fill_nan(None)
    if order not in EPOCHS:
        middle = whole.median()
        size = float(middle) if isinstance(middle, int | float) else 0.0
        order = next((name for name, unit in EPOCHS.items() if 1e8 <= size * unit / 1e6 <= 4e9), "epoch s")
    micros = whole * EPOCHS[order]
    safe = pl.select(pl.when(micros.abs() < 2.5e17).then(micros.round())).to_series()
    return Times(safe.cast(pl.Int64).cast(US).alias(numbers.name), {"order": order}, whole.is_null())
