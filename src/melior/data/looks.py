"""What columns look like, for all of them at once: the facts from which `kinds` draws its guesses.

A table may have ten thousand columns, and asking each column its own questions then takes minutes; one question to
all columns takes a fraction of a second.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from melior.data.numbers import ABSENT, MARKERS

SAMPLE = 1000
IMAGE = r"(?i)\.(?:png|jpe?g|jpe|jfif|gif|bmp|dib|webp|tiff?)$"
ASIAN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"


@dataclass(frozen=True)
class Look:
    """Text in a sample of the rows: shares of cells, and means over cells.

    truth    whether every cell (of all rows) is true or false
    digits   share that holds a digit, of the cells that are no marker of a missing number
    """

    truth: bool
    digits: float
    images: float
    letters: float
    words: float
    asian: float


@dataclass(frozen=True)
class Size:
    """Numbers of all rows: the range, whether all are whole, the share written with leading zeros."""

    low: float
    high: float
    whole: bool
    zeros: float


def sampled(cells: pl.Series) -> pl.Series:
    """About a thousand filled cells, evenly spaced."""
    filled = cells.drop_nulls()
    return filled.gather_every(max(1, len(filled) // SAMPLE))


def looks(frame: pl.DataFrame, names: Iterable[str], distinct: dict[str, int]) -> dict[str, Look]:
    """Column of strings -> how it looks."""
    text = frame.select(names)
    if not text.width:
        return {}
    few = [name for name in text.columns if distinct[name] <= 6]
    truths = dict.fromkeys(text.columns, False)
    if few:
        lower = pl.col(few).drop_nulls().str.to_lowercase()
        truths |= dict(zip(few, text.select(lower.is_in(["true", "false"]).all()).row(0), strict=True))
    sample = text.gather_every(max(1, text.height // SAMPLE))
    thin = {n: sampled(text.get_column(n)) for n, c in zip(text.columns, sample.null_count().row(0), strict=True) if c}
    means = {name: _means(cells.to_frame())[0] for name, cells in thin.items() if len(text) > SAMPLE}
    rest = [name for name in text.columns if name not in means]
    means |= dict(zip(rest, _means(sample.select(rest)), strict=True)) if rest else {}
    return {name: Look(bool(truths[name]), *means[name]) for name in text.columns}


def _means(frame: pl.DataFrame) -> list[Any]:
    """For each column: digits, images, letters, words, asian."""
    cell = pl.all()
    said = cell.filter(~cell.str.strip_chars().is_in(MARKERS + ABSENT))
    asked = (
        said.str.contains(r"\d").mean(),
        cell.str.contains(IMAGE).mean(),
        cell.str.len_chars().mean(),
        cell.str.count_matches(r"\S+").mean(),
        cell.str.contains(ASIAN).mean(),
    )
    answers = [frame.select(question).row(0) for question in asked]
    return [tuple(0.0 if mean is None else float(mean) for mean in column) for column in zip(*answers, strict=True)]


def sizes(frame: pl.DataFrame, plain: pl.DataFrame, names: list[str]) -> dict[str, Size]:
    """Column whose cells are all plain numbers -> the size of them. `plain` holds their values."""
    if not names:
        return {}
    values = plain.select(names)
    lows, highs = values.min().row(0), values.max().row(0)
    whole = values.select((pl.all().drop_nulls() % 1 == 0).all()).row(0)
    wanted = set(names)
    text = [name for name, dtype in frame.schema.items() if dtype == pl.String and name in wanted]
    zeros = dict.fromkeys(names, 0.0)
    if text:
        zeros |= dict(zip(text, frame.select(pl.col(text).str.contains(r"^\s*0\d+\s*$").mean()).row(0), strict=True))
    return {
        name: Size(float(low), float(high), bool(every), float(zeros[name] or 0))
        for name, low, high, every in zip(names, lows, highs, whole, strict=True)
    }
