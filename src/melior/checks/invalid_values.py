"""Invalid values: cells that are not what the column holds, such as -999, "n/a", 1970-01-01 or a word among numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, listed
from melior.checks._tails import FEWEST_VALUES, surprise, upper_outliers
from melior.data.table import Floats, Rows, Table
from melior.findings import Finding

CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
WORDS = frozenset({
    "?", "-", "--", ".", "n/a", "#n/a", "na", "n.a.", "nan", "null", "nil", "missing", "unknown", "not available",
    "not known", "undefined", "tbd", "unbekannt", "inconnu", "desconocido", "未知", "无", "不详", "暂无",
})  # fmt: skip
EPOCHS = tuple(datetime(year, month, day) for year, month, day in (
    (1, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (1970, 1, 1), (2099, 12, 31), (9999, 12, 31),
))  # fmt: skip
FALSE_RATE = 0.01
FEWEST_REPEATS = 3
RAREST_SIGN = 0.02
RAREST_TIE = 0.02  # extra copies of a value that are expected even where none are seen


@dataclass(frozen=True)
class Cells:
    """Positions in one column, and the value found there, for messages."""

    column: str
    positions: Rows
    shown: str


class InvalidValues(Check):
    """Five kinds of cells, one finding each.

    unread       text found where a number or a time was expected, as the reader kept it
    infinite     infinite numbers
    placeholder  codes and words for "missing". A number counts only as a spike: three times or more, and outside the
                 other values by more than their tail predicts, negative among positives and repeated where its
                 neighbours are not, or inside and far more often than its neighbours
    epoch        dates such as 1970-01-01, by the same rule
    sign         rare negative numbers whose size is that of the others, too far below zero for the column's lower tail

    Severity is the share of the worst column's cells, times five.
    """

    symptoms = frozenset({"invalid_values"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if not len(table):
            return []
        numbers, names = context.numbers()
        causes = {
            "unread": list(unread(table)),
            "infinite": list(infinite(numbers, names)),
            "placeholder": [*placeholders(numbers, names), *words(table)],
            "epoch": list(epochs(table)),
            "sign": list(signs(numbers, names)),
        }
        return [self.finding(table, cause, cells) for cause, cells in causes.items() if cells]

    def finding(self, table: Table, cause: str, cells: list[Cells]) -> Finding:
        cells = sorted(cells, key=lambda cell: (-len(cell.positions), cell.column))
        worst = cells[0]
        many = len(worst.positions)
        where = f"{count(many)} of {count(len(table))} cells of {worst.column!r}"
        said = {
            "unread": f"{where} could not be read, such as {worst.shown}: they count as missing.",
            "infinite": f"{where} are infinite.",
            "placeholder": f"{where} hold {worst.shown}, which stands for a missing value and not for a value.",
            "epoch": f"{where} are {worst.shown}, a date that programs write where they know none.",
            "sign": f"{where} are negative, such as {worst.shown}, where all others are positive and as large.",
        }[cause]
        names = list(dict.fromkeys(cell.column for cell in cells))
        also = f" Also in {listed([name for name in names if name != worst.column])}." if len(names) > 1 else ""
        rows = np.unique(np.concatenate([cell.positions for cell in cells]))
        return Finding(
            symptom="invalid_values",
            severity=min(1.0, 5 * many / len(table)),
            message=said + also,
            measured={
                "kind": cause,
                "rows": len(rows),
                "share": len(rows) / len(table),
                "cells": {name: sum(len(c.positions) for c in cells if c.column == name) for name in names},
                "values": {name: [c.shown for c in cells if c.column == name] for name in names},
            },
            threshold=None if cause in ("unread", "infinite") else FALSE_RATE,
            threshold_from={
                "unread": "the column's kind",
                "infinite": "numbers are finite",
                "placeholder": "known codes; numbers against the tail of the others or the counts of their neighbours",
                "epoch": "known dates; against the tail of the others or the counts of their neighbours",
                "sign": "generalized Pareto tail of the positive values",
            }[cause],
            columns=tuple(names),
            rows=table.row_ids[rows],
        )


def unread(table: Table) -> Iterator[Cells]:
    for name, found in table.unparsed.items():
        if name not in table.schema.kinds:
            continue
        positions = np.flatnonzero(np.isin(table.row_ids, np.fromiter(found, dtype=np.int64, count=len(found))))
        if len(positions):
            yield Cells(name, positions, repr(found[int(table.row_ids[positions[0]])])[:40])


def infinite(numbers: Floats, names: list[str]) -> Iterator[Cells]:
    for j in np.flatnonzero(np.isinf(numbers).any(axis=0)):
        positions = np.flatnonzero(np.isinf(numbers[:, j]))
        yield Cells(names[j], positions, "infinity")


def placeholders(numbers: Floats, names: list[str]) -> Iterator[Cells]:
    for j, name in enumerate(names):
        values = numbers[:, j]
        for code in CODES:
            positions = np.flatnonzero(values == code)
            if len(positions) < FEWEST_REPEATS:
                continue
            others = values[np.isfinite(values) & ~np.isin(values, CODES)]
            if spike(others, code, len(positions), FALSE_RATE / len(names)):
                yield Cells(name, positions, count(code))


def spike(others: Floats, value: float, repeats: int, allowed: float) -> bool:
    """Whether this value, so often, is foreign to the others: outside their tail, or inside and far too often."""
    if len(others) < FEWEST_VALUES:
        return False
    distinct, counts = np.unique(others, return_counts=True)
    near = int(np.searchsorted(distinct, value))
    usual = counts[max(0, near - 10) : near + 10]
    if not others.min() <= value <= others.max():
        if surprise(others, value) < allowed:
            return True
        # a negative code among positives: foreign if it is repeated and values near it are not
        extra = max(float(usual.mean()) - 1, RAREST_TIE)
        return bool(value < 0 <= others.min() and stats.poisson.sf(repeats - 2, extra) < allowed)
    # the most frequent of all others as well, for people round: 100 is said more often than 99 or 101
    rate = max(float(usual.mean()), float(counts.max()) if counts.max() > 1 else 0.0)
    return bool(repeats > 5 * rate and stats.poisson.sf(repeats - 1, rate) < allowed)


def words(table: Table) -> Iterator[Cells]:
    for name in table.of_kind("category", "text", "language"):
        folded = table.column(name).str.strip_chars().str.to_lowercase()
        hits = folded.is_in(sorted(WORDS)).fill_null(False)
        positions = hits.to_numpy().nonzero()[0].astype(np.int64)
        if len(positions):
            yield Cells(name, positions, repr(table.column(name)[int(positions[0])]))


def epochs(table: Table) -> Iterator[Cells]:
    for name in table.of_kind("time"):
        column = table.column(name)
        moments = column.dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for date in EPOCHS:
            hits = (column == date).fill_null(False).to_numpy()
            others = moments[np.isfinite(moments) & ~hits]
            moment = (date - datetime(1970, 1, 1)).total_seconds() * 1e6
            if hits.sum() >= FEWEST_REPEATS and spike(others, moment, int(hits.sum()), FALSE_RATE):
                yield Cells(name, np.flatnonzero(hits), f"{date:%Y-%m-%d}")


def signs(numbers: Floats, names: list[str]) -> Iterator[Cells]:
    tested = []
    for j in range(len(names)):
        known = np.flatnonzero(np.isfinite(numbers[:, j]) & ~np.isin(numbers[:, j], CODES))
        values = numbers[known, j]
        below = values < 0
        if 0 < below.sum() <= RAREST_SIGN * len(values) and (values[~below] > 0).all():
            tested.append((j, known, values, below))
    for j, known, values, below in tested:
        beyond = upper_outliers(-values, FALSE_RATE / len(tested))
        if beyond is None:
            continue
        usual = np.quantile(values[~below], [0.005, 0.995])
        flipped = [p for p in beyond.positions if values[p] < 0 and usual[0] <= -values[p] <= usual[1]]
        if flipped:
            yield Cells(names[j], np.sort(known[flipped]), count(float(values[flipped[0]])))
