"""Text to numbers: 1234.5, 1,234.5, 1.234,5, 1 234, $12, 12 kg, 30 %, (5) for -5, full-width digits.

How a column writes its numbers is one decision for the whole column (its notation), taken from all its cells: the
decimal mark with which more cells are numbers, the point when both fit (so 1,234 alone is a thousand and 1.234 is
one and a bit, unless other columns of the file say otherwise, see `marks`), and the unit that most cells name. 0,126
is never a thousand. A cell in another unit, or none of the column's notation, is not a number; it is null and told,
never converted. 12 % is read as 12: units are dropped, values never scaled.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

MARKERS = ("", "NA", "N/A", "na", "n/a", "NaN", "nan", "null", "NULL", "Null", "None", "#N/A", "<NA>")
ABSENT = ("-", "--", "—", "?", ".")  # nobody's number: told as unparsed, but no vote against the column
MOST = 0.95

_FULL = {**{chr(0xFF10 + i): str(i) for i in range(10)}, "．": ".", "，": ",", "－": "-", "＋": "+", "％": "%"}
_FULL |= {"（": "(", "）": ")", "−": "-", "￥": "¥", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u3000": " "}
_CURRENCY = r"[$€£¥₩₹₽₺฿₫₴₪]|(?:US|HK|NT|CA|AU|A|C|S|R)\$|(?i:usd|eur|gbp|cny|rmb|jpy|chf|inr|krw|hkd|twd|rs)\.?"
_UNIT = r"[%‰°℃℉$€£¥₩₹₽]|[\p{L}°µ][\p{L}²³23/°µ.]{0,11}"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_BODY = {  # nobody writes a thousand as 0,126: what comes before the first mark of thousands has no leading zero
    ".": r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?:[ '’]\d{3})+|\d+)(?:\.\d*)?|\.\d+",
    ",": r"(?:[1-9]\d{0,2}(?:\.\d{3})+|[1-9]\d{0,2}(?:[ '’]\d{3})+|\d+)(?:,\d*)?|,\d+",
}


def _pattern(decimal: str) -> str:
    return (
        r"^(?<open>\(?)\s*(?<sign>[+-]?)\s*(?<prefix>" + _CURRENCY + r")?\s*(?<inner>[+-]?)\s*"
        r"(?<body>(?:" + _BODY[decimal] + ")" + _EXPONENT + r")\s*(?<suffix>" + _UNIT + r")?\s*(?<close>\)?)$"
    )


@dataclass(frozen=True)
class Numbers:
    """The values (null where missing or no number), how they were written, and which cells were not numbers.

    missing   rows that are null or one of the markers of a missing number (NA, NaN, null, None, ...)
    excused   rows that hold a mark of absence such as - or ?; they count as unparsed too
    """

    values: pl.Series
    notation: dict[str, str]
    missing: pl.Series
    excused: pl.Series

    @property
    def unparsed(self) -> pl.Series:
        return self.values.is_null() & ~self.missing

    @property
    def share(self) -> float:
        """Share of the cells that say anything that are numbers."""
        said = len(self.values) - int(self.missing.sum()) - int((self.excused & self.values.is_null()).sum())
        return (len(self.values) - self.values.null_count()) / said if said else 0.0


def plain(column: pl.Expr) -> pl.Expr:
    """Numbers as programs write them, finite; null for everything else. For whole frames at once."""
    value = column.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def parse(cells: pl.Series, notation: Mapping[str, str] | None = None) -> Numbers:
    """The numbers of a column of strings. With a notation they are read as that says, else it is found.

    >>> parse(pl.Series(["1.234,50 €", "7,25 €", None])).values.to_list()
    [1234.5, 7.25, None]
    """
    frame = pl.DataFrame({"cell": cells}).with_columns(trimmed=pl.col("cell").str.strip_chars())
    frame = frame.with_columns(
        value=plain(pl.col("trimmed")),
        missing=pl.col("trimmed").is_null() | pl.col("trimmed").is_in(MARKERS),
        excused=pl.col("trimmed").is_in(ABSENT).fill_null(False),
    )
    missing, excused = frame.get_column("missing"), frame.get_column("excused")
    rest = frame.get_column("value").is_null() & ~missing & ~excused
    if not rest.any() and (not notation or notation.get("decimal", ".") == "."):
        return Numbers(frame.get_column("value"), dict(notation or {}), missing, excused)
    text = tidy(frame.get_column("trimmed"))
    decimal = (notation or {}).get("decimal", ".")
    values, units = taken(text, decimal)
    if notation is None and (values.is_null() & rest).any():
        others, their_units = taken(text, ",")
        if others.null_count() < values.null_count():
            decimal, values, units = ",", others, their_units
    found = (notation or {}).get("unit", "")
    if notation is None:
        counts = units.filter(units != "").value_counts(sort=True).sort("count", "unit", descending=[True, False])
        found = str(counts.item(0, "unit")) if counts.height else ""
    right = (units == "") | (units == found)
    if decimal == ".":
        values = pl.select(pl.coalesce(frame.get_column("value"), values)).to_series()
        right = right | frame.get_column("value").is_not_null()
    values = pl.select(pl.when(right & values.is_finite() & ~missing).then(values)).to_series().alias(cells.name)
    how = {**({"decimal": ","} if decimal == "," else {}), **({"unit": found} if found else {})}
    return Numbers(values, how, missing, excused)


def tidy(cells: pl.Series) -> pl.Series:
    """Full-width digits and rare spaces and signs as the usual ones."""
    return cells.str.replace_many(_FULL).str.strip_chars()


def taken(text: pl.Series, decimal: str) -> tuple[pl.Series, pl.Series]:
    """Values as written, and the units in lower case without plural s; both null where the cell is no number."""
    parts = pl.DataFrame({"part": text.str.extract_groups(_pattern(decimal))}).unnest("part")
    body = pl.col("body").str.replace_all(r"[ '’.]" if decimal == "," else r"[ '’,]", "")
    body = body.str.replace(",", ".", literal=True) if decimal == "," else body
    signs = pl.col("sign") + pl.col("inner")
    bracketed = (pl.col("open") == "(") & (pl.col("close") == ")")
    whole = (pl.col("open") == "") == (pl.col("close") == "")
    once = signs.str.len_bytes() <= pl.when(bracketed).then(0).otherwise(1)
    negative = (signs == "-") | bracketed
    value = body.cast(pl.Float64, strict=False) * pl.when(negative).then(-1.0).otherwise(1.0)
    unit = (pl.col("prefix").fill_null("") + pl.col("suffix").fill_null("")).str.to_lowercase()
    unit = pl.when(unit.str.len_chars() > 2).then(unit.str.strip_chars_end("s.")).otherwise(unit)
    both = pl.col("prefix").is_not_null() & pl.col("suffix").is_not_null()
    done = parts.select(value=pl.when(whole & once & ~both).then(value), unit=pl.when(value.is_not_null()).then(unit))
    return done.get_column("value"), done.get_column("unit")
