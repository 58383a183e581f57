"""Ways to cut a table into slices.

An `Axis` gives every row a small whole number (its bin, category, part of time, group of similar rows). Slices are runs
of these numbers on one axis, or on two. Nothing here looks at the labels: which slices are tested depends on the
columns and on the model's answers only, so that shuffled mistakes are an honest null for all slices together
(`_slice_sums`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from melior.checks._statistics import count, mutual_information
from melior.data.table import Floats, Rows, Table, said_row

MOST_COLUMNS = 60  # cut alone
MOST_PAIRED = 12  # cut in pairs: 66 pairs
MOST_BINS = 20
ROWS_A_BIN = 25
ENDS = (0.01, 0.02, 0.03)
MOST_VALUES = 12  # a number column of fewer values is cut by value
MOST_CATEGORIES = 40
QUARTERS = 4
MOST_GROUPS = 20
ROWS_A_GROUP = 100
ROWS_FOR_GROUPS = 5_000
ROUNDS = 15
TRIES = 5
NAME = 40  # characters of a value that a rule shows


@dataclass(frozen=True)
class Axis:
    """codes (rows,) from 0, the last number (`size` - 1) is for rows in no slice; spans: runs [from, to) of codes that
    are slices; rules: how each reads; absent: spans of rows without a value."""

    columns: tuple[str, ...]
    codes: Rows
    size: int
    spans: tuple[tuple[int, int], ...]
    rules: tuple[str, ...]
    absent: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Slice:
    """Rows where every axis in `at` has a code in the span of that number."""

    at: tuple[tuple[int, int], ...]  # (axis, span)
    rule: str
    columns: tuple[str, ...]
    absent: bool = False


@dataclass
class Cuts:
    """All axes of a table; the slices are runs on each, and pairs of runs on two of the `coarse` ones (numbers of axes
    with few bins, each with the number of the axis of many bins of the same column)."""

    axes: list[Axis] = field(default_factory=list)
    coarse: dict[int, int] = field(default_factory=dict)

    def inside(self, one: Slice) -> NDArray[np.bool_]:
        """(rows,) whether each row is in the slice."""
        found = np.ones(len(self.axes[0].codes), dtype=bool)
        for axis, span in one.at:
            start, end = self.axes[axis].spans[span]
            found &= (self.axes[axis].codes >= start) & (self.axes[axis].codes < end)
        return found


def cuts(table: Table, embedding: Floats, answers: Rows, seed: int) -> Cuts:
    """The axes of a table. answers (rows,): the model's; where there are too many columns, those that tell most of the
    answers are kept. A number column is cut at up to 19 quantiles, a category by value, a text by its length, a time by
    its order, month, weekday and hour, and all rows into groups of similar ones (k-means of the embedding)."""
    found = Cuts()
    names = _telling(table, answers, MOST_COLUMNS)
    paired = set(_telling(table, answers, MOST_PAIRED))
    fine: dict[str, int] = {}
    for name in names:
        for axis in _axes_of(table, name, MOST_BINS):
            fine.setdefault(name, len(found.axes))
            found.axes.append(axis)
    if len(names) >= 2:
        groups = _groups(table, embedding, seed)
        if groups is not None:
            found.axes.append(groups)
    for name in names:
        if name in paired and len(paired) > 1:
            coarse = next(_axes_of(table, name, QUARTERS), None)
            if coarse is not None:
                found.coarse[len(found.axes)] = fine[name]
                found.axes.append(coarse)
    return found


def _telling(table: Table, answers: Rows, most: int) -> list[str]:
    names = [name for name in table.schema.kinds if table.schema.kinds[name] in _CUT]
    if len(names) <= most:
        return names

    def tells(name: str) -> float:
        axis = next(_axes_of(table, name, QUARTERS), None)
        return 0.0 if axis is None else mutual_information(axis.codes, answers)

    told = {name: tells(name) for name in names}
    kept = set(sorted(names, key=lambda name: -told[name])[:most])
    return [name for name in names if name in kept]


_CUT = frozenset({"number", "category", "language", "text", "time"})


def _axes_of(table: Table, name: str, bins: int) -> Iterator[Axis]:
    """The axes of a column, the plainest first."""
    kind = table.schema.kinds[name]
    if kind == "number":
        yield from _ordered((name,), name, table.numbers(name), bins, "missing")
    elif kind in ("category", "language"):
        yield from _named((name,), name, table.column(name), 2 * bins)
    elif kind == "text":
        lengths = table.column(name).str.strip_chars().str.len_chars().cast(pl.Float64).fill_null(0.0).to_numpy()
        lengths = np.where(lengths == 0, np.nan, lengths)
        yield from _ordered((name,), f"length of {name}", lengths, bins, "empty", of=name)
    elif kind == "time":
        column = table.column(name)
        moments = column.dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy()
        yield from _ordered((name,), name, moments, bins, "missing", time=True)
        if bins > QUARTERS:
            days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
            for part, values in (
                ("weekday", column.dt.weekday().replace_strict(dict(enumerate(days, 1)), return_dtype=pl.String)),
                ("month", column.dt.month().cast(pl.String)),
                ("hour", column.dt.hour().cast(pl.String)),
            ):
                if values.n_unique() > 2:
                    yield from _named((name,), f"{part} of {name}", values, 2 * bins, absence=False)


def _ordered(
    columns: tuple[str, ...], name: str, values: Floats, bins: int, gone: str, *, time: bool = False, of: str = ""
) -> Iterator[Axis]:
    """Quantile bins (each value a bin where there are few), code 0 for missing; slices are runs of bins that begin or
    end at an end, or are short."""
    known = np.isfinite(values)
    if not known.any():
        return
    distinct = np.unique(values[known])
    by_value = len(distinct) <= min(MOST_VALUES, 2 * bins) and not time
    if by_value:
        edges = distinct
    else:
        many = int(np.clip(int(known.sum()) // ROWS_A_BIN, 2, bins))
        levels = np.linspace(0, 1, many + 1)[1:-1]
        if many == MOST_BINS:  # a part of the rows may be smaller than a bin: at the ends it can be seen
            ends = np.array([level for level in ENDS if level * known.sum() >= ROWS_A_BIN])
            levels = np.sort(np.concatenate([ends, levels, 1 - ends]))
        edges = np.quantile(values[known], levels)
        if not time:
            # edges as people write them: three digits of the distance between neighbours
            spread = float(np.subtract(*np.quantile(values[known], [0.9, 0.1])))
            if np.isfinite(spread) and spread > 0:
                edges = np.round(edges, int(np.clip(2 - np.floor(np.log10(spread)), -300, 300)))
        edges = np.unique(edges[np.isfinite(edges)])
    found = np.zeros(len(values), dtype=np.int64)
    found[known] = 1 + np.searchsorted(edges, values[known], side="left")
    last = len(edges) + (1 if by_value else 2)  # one past the last bin
    spans, rules = [], []
    width = max(1, (last - 1) // 5)
    for start in range(1, last):
        for end in range(start + 1, last + 1):
            if (start, end) == (1, last) or not (start == 1 or end == last or end - start <= width):
                continue
            spans.append((start, end))
            low = None if start == 1 else edges[start - 2]
            high = None if end == last else edges[end - 2]
            exact = edges[start - 1] if by_value and end == start + 1 else None
            rules.append(_between(name, low, high, exact, time))
    absent = frozenset[int]()
    if not known.all():
        absent = frozenset({len(spans)})
        spans.append((0, 1))
        rules.append(f"{of or name} is {gone}")
    if spans:
        yield Axis(columns, found, last + 1, tuple(spans), tuple(rules), absent)


def _between(name: str, low: Any, high: Any, exact: Any, time: bool) -> str:
    def said(value: float) -> str:
        if time:
            return str(np.datetime64(int(value), "us").astype("datetime64[m]")).replace("T", " ")
        return f"{value:.6g}" if abs(value) < 1e5 else count(value)

    if exact is not None:
        return f"{name} is {said(exact)}"
    if low is None:
        return f"{name} is at most {said(high)}"
    if high is None:
        return f"{name} is above {said(low)}"
    return f"{name} is above {said(low)} and at most {said(high)}"


def _named(
    columns: tuple[str, ...], name: str, values: pl.Series, most: int, *, absence: bool = True
) -> Iterator[Axis]:
    """The commonest values, each a slice."""
    counted = values.drop_nulls().value_counts(sort=False).sort(["count", values.name], descending=[True, False])
    kept = counted[values.name].head(min(most, MOST_CATEGORIES)).to_list()
    if values.n_unique() < 2:
        return
    numbered = {value: number for number, value in enumerate(kept, 1)}
    coded = values.replace_strict(numbered, default=len(kept) + 1, return_dtype=pl.Int64)
    found = np.where(values.is_null().to_numpy(), 0, coded.to_numpy()).astype(np.int64)
    spans = [(number, number + 1) for number in numbered.values()]
    rules = [f"{name} is {shortened(value)!r}" for value in kept]
    absent = frozenset[int]()
    if absence and values.null_count():
        absent = frozenset({len(spans)})
        spans.append((0, 1))
        rules.append(f"{name} is missing")
    yield Axis(columns, found, len(kept) + 2, tuple(spans), tuple(rules), absent)


def shortened(value: str) -> str:
    """A value as a rule shows it: one line, at most 40 characters."""
    said = " ".join(value[: 4 * NAME].split())
    return said if len(said) <= NAME else f"{said[: NAME - 1]}…"


def _groups(table: Table, embedding: Floats, seed: int) -> Axis | None:
    """Groups of similar rows by k-means of the embedding; None where rows are few or all alike."""
    many = min(MOST_GROUPS, table.rows // ROWS_A_GROUP)
    points = np.clip(np.nan_to_num(embedding), -10, 10)  # a few far rows would be groups of their own
    if many < 2 or len(np.unique(points[:1000], axis=0)) < 2 * many:
        return None
    centres = k_means(points, many, np.random.default_rng([seed, 53]))
    found = np.concatenate([_nearest(part, centres)[0] for part in _pieces(points)])
    rules = []
    for number in range(many):
        own = np.flatnonzero(found == number)
        near = own[_nearest(centres[[number]], points[own])[0][0]] if len(own) else 0
        rules.append(f"the row is one of those like {said_row(int(table.row_ids[near]))}")
    spans = tuple((number, number + 1) for number in range(many))
    return Axis((), found, many + 1, spans, tuple(rules))


def k_means(points: Floats, many: int, generator: np.random.Generator) -> Floats:
    """(many, dimensions) centres by Lloyd's iterations from rows drawn far apart (k-means++, Arthur and Vassilvitskii
    2007), on at most 5,000 rows. In one thread: scikit-learn's many wait for each other where other work runs."""
    if len(points) > ROWS_FOR_GROUPS:
        points = points[generator.choice(len(points), ROWS_FOR_GROUPS, replace=False)]
    centres = points[[generator.integers(len(points))]]
    while len(centres) < many:
        away = _nearest(points, centres)[1]
        if away.sum() <= 0:
            break
        drawn = points[generator.choice(len(points), TRIES, p=away / away.sum())]
        left = [np.minimum(away, _nearest(points, one[None])[1]).sum() for one in drawn]
        centres = np.vstack([centres, drawn[int(np.argmin(left))]])  # the best of a few keeps two off one group
    for _ in range(ROUNDS):
        nearest = _nearest(points, centres)[0]
        hot = sparse.csr_matrix((np.ones(len(points)), nearest, np.arange(len(points) + 1)))
        sizes = np.bincount(nearest, minlength=hot.shape[1])
        moved = np.asarray(hot.T @ points) / np.maximum(sizes, 1)[:, None]
        kept = np.flatnonzero(sizes)
        centres[kept] = moved[kept]
    return np.asarray(centres, dtype=np.float64)


def _nearest(points: Floats, centres: Floats) -> tuple[Rows, Floats]:
    """Number of the nearest centre of each point, and the squared distance."""
    squared = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    number = squared.argmin(axis=1)
    return number.astype(np.int64), np.maximum(squared[np.arange(len(points)), number], 0.0)


def _pieces(points: Floats) -> list[Floats]:
    return [points[start : start + 50_000] for start in range(0, len(points), 50_000)]
