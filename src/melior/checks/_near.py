"""Rows that are nearly the same: equal up to the rounding of numbers, or with texts that are near copies.

A number is a rounding of another when it has fewer decimals (0 to 8) or fewer significant digits (2 to 7) and the other
rounds to it. So rows need not be compared with all others: at each of these fifteen precisions they are grouped by
their rounded values, and of a pair one row must have no more digits than that. What chance gives is estimated as for
equal rows (`melior.checks._copies`), between the rows that have no more digits and those that have.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from melior.checks._copies import FALSE_RATE, Hashes, agreeing_across, chance, compared, hashed, summed
from melior.checks._rounding import PRECISIONS, Ways, at_precision, rounded
from melior.data.table import Floats, Rows, Table
from melior.texts.near import NearCopies, grouped, merged

TRIED = 3 * len(PRECISIONS)  # ways of rounding
FROM_TEXTS = (
    "what texts of like length share, weighed by rarity, in a sample of pairs (200 texts of each length beside up to "
    "5,000), followed along its exponential tail to where one column in a hundred has any such pair by chance"
)
CERTAIN = 0.5  # of near copies of texts agree in all other columns: then the row was copied, not the text alone
MOST_TOLD = 10_000

TextsOf = Callable[[str], NearCopies]


@dataclass(frozen=True)
class NearRows:
    """Near copies among rows (of a table, followed by those of another).

    group       (rows,) the same number for near copies
    likeness    (rows,) how alike a row is to its group, 0 to 1; 0 for a row by itself
    columns     the columns in which near copies may differ
    elsewhere   share of the pairs looked at that agree in all other columns, numbers up to rounding
    p           probability of so many by chance
    """

    group: Rows
    likeness: Floats
    columns: tuple[str, ...]
    elsewhere: float
    p: float

    def clusters(self, same: Rows) -> list[Rows]:
        """Groups that hold different rows; `same` (rows,) has the same number for rows that are equal."""
        return [members for members in grouped(self.group) if len(np.unique(same[members])) > 1]


def stacked(table: Table, other: Table | None) -> tuple[pl.DataFrame, list[str]]:
    """The rows of both, one after the other, in the columns that both have and copies must agree in."""
    names = [name for name in compared(table) if other is None or name in other.frame.columns]
    frame = table.frame.select(names)
    if other is not None:
        frame = pl.concat([frame, other.frame.select(names)], how="vertical_relaxed")
    return frame, names


def same_numbers(table: Table, other: Table | None = None) -> Rows:
    """(rows,) the same number for rows that are equal in every column compared."""
    frame, names = stacked(table, other)
    if not names:
        return np.arange(frame.height)
    found: Rows = np.unique(summed(hashed(frame, names, table)), return_inverse=True)[1]
    return found


# ---- numbers


def near_numbers(table: Table, other: Table | None = None) -> NearRows | None:
    """Rows that agree in every column, numbers up to rounding; None where there are no more than chance gives."""
    frame, names = stacked(table, other)
    numbers = [name for name in names if table.schema.kinds[name] == "number"]
    if not numbers or frame.height < 2:
        return None
    group = np.arange(frame.height)
    p = 1.0
    for kind, digits in PRECISIONS:
        for made, plain in at_each_way(frame, numbers, kind, digits):
            order = np.concatenate([np.flatnonzero(~plain), np.flatnonzero(plain)])
            changed = frame.with_columns(*(series.alias(name) for name, series in made.items()))
            blocks = hashed(changed[order], names, table)
            pairs, found = across_parts(blocks, int((~plain).sum()))
            if found is not None and found < FALSE_RATE / TRIED:
                group = merged(group, order[pairs])
                p = min(p, found * TRIED)
    if p == 1.0:
        return None
    first = np.unique(same_numbers(table, other), return_index=True, return_inverse=True)
    group = merged(group, np.column_stack([np.arange(len(group)), first[1][first[2]]]))  # equal rows stay together
    members = np.isin(group, np.flatnonzero(np.bincount(group) > 1))
    return NearRows(group, members.astype(np.float64), tuple(numbers), 1.0, p)


def at_each_way(
    frame: pl.DataFrame, numbers: list[str], kind: str, digits: int
) -> Iterator[tuple[dict[str, pl.Series], NDArray[np.bool_]]]:
    """The number columns rounded in each way that gives something new, and (rows,) where a row has no more digits than
    that; nothing where all rows have no more, or none."""
    plain = np.ones((3, frame.height), dtype=bool)
    made: list[Ways] = []
    for name in numbers:
        values = frame.get_column(name).fill_null(float("nan")).to_numpy().astype(np.float64)
        made.append(at_precision(values, kind, digits))
        for way in range(3):
            plain[way] &= (made[-1][way] == values) | np.isnan(values)
        if not plain.any():
            return
    for way in range(3):
        old = any(all(ways[way] is ways[before] for ways in made) for before in range(way))
        if not old and plain[way].any() and not plain[way].all():
            yield (
                {name: pl.Series(ways[way]).fill_nan(None) for name, ways in zip(numbers, made, strict=True)},
                plain[way],
            )


def across_parts(blocks: list[Hashes], size: int) -> tuple[NDArray[np.int64], float | None]:
    """Pairs (position in the first `size` rows, position in the others) that agree in every block, one for every row
    of the first part; and the probability of so many by chance, None where there are none."""

    def agreeing(some: list[Hashes]) -> float:
        return agreeing_across(some, size)

    whole = summed(blocks)
    distinct, first = np.unique(whole[size:], return_index=True)
    place = np.minimum(np.searchsorted(distinct, whole[:size]), len(distinct) - 1)
    ours = np.flatnonzero(distinct[place] == whole[:size])
    pairs = np.column_stack([ours, size + first[place[ours]]])
    if not len(pairs):
        return pairs, None
    expected = chance(blocks, agreeing, agreeing(blocks), np.random.default_rng(size), size)
    return pairs, float(stats.poisson.sf(len(pairs) - 1, expected))


# ---- texts


def near_texts(table: Table, texts_of: TextsOf, other: Table | None = None) -> NearRows | None:
    """Rows whose texts are near copies; None where there are none.

    Of several text columns all must agree, but those that tell nothing: texts that are missing, or too short or too
    common for this column.
    """
    names = [name for name in table.of_kind("text") if other is None or name in other.frame.columns]
    found = {name: texts_of(name) for name in names}
    rows = table.rows + (0 if other is None else other.rows)
    edges = [np.empty((0, 2), dtype=np.int64)]
    likeness = np.zeros(rows)
    where = []
    for name, near in found.items():
        members = near.clusters()
        if not members:
            continue
        where.append(name)
        # each with the one before it and with the first of its group: other columns may part a group in two
        joined = [np.column_stack([np.r_[m[:-1], np.repeat(m[0], len(m) - 1)], np.r_[m[1:], m[1:]]]) for m in members]
        pairs = np.concatenate(joined)
        agree = np.ones(len(pairs), dtype=bool)
        for column, text in found.items():
            if column != name:
                ends = text.told[pairs].all(axis=1)
                agree &= ~ends | (text.group[pairs[:, 0]] == text.group[pairs[:, 1]])
        edges.append(pairs[agree])
        likeness = np.maximum(likeness, near.likeness)
    pairs = np.concatenate(edges)
    if not len(pairs):
        return None
    group = merged(np.arange(rows), pairs)
    likeness[~np.isin(np.arange(rows), pairs)] = 0.0
    return NearRows(group, likeness, tuple(where), agreeing_elsewhere(table, other, pairs), 0.0)


def agreeing_elsewhere(table: Table, other: Table | None, pairs: NDArray[np.int64]) -> float:
    """The share of pairs that agree in all columns but texts, numbers up to rounding; 1 without such columns."""
    frame, names = stacked(table, other)
    rest = [name for name in names if table.schema.kinds[name] != "text"]
    numbers = [name for name in rest if table.schema.kinds[name] == "number"]
    others = [name for name in rest if name not in numbers]
    agree = np.ones(len(pairs), dtype=bool)
    if others:
        whole = summed(hashed(frame, others, table))
        agree &= whole[pairs[:, 0]] == whole[pairs[:, 1]]
    for name in numbers:
        values = frame.get_column(name).fill_null(float("nan")).to_numpy().astype(np.float64)
        one, two = values[pairs[:, 0]], values[pairs[:, 1]]
        same = (one == two) | (np.isnan(one) & np.isnan(two))
        for first, second in zip(rounded(one), rounded(two), strict=True):
            # whichever has no more digits than that must be what one of the ways makes of the other
            same |= (second[0] == two) & np.any([way == two for way in first], axis=0)
            same |= (first[0] == one) & np.any([way == one for way in second], axis=0)
        agree &= same
    return float(agree.mean())


# ---- which to keep, and how a finding tells it


def preferences(table: Table, concerned: Rows) -> list[tuple[Floats, str]]:
    """What makes a row the one to keep of its copies, (rows,) larger is better, and how that is said: an answer, then
    the fewest missing values, then the longest texts, then the most digits (told for the concerned rows only)."""
    answered = np.ones(table.rows) if table.labels is None else (table.labels >= 0).astype(np.float64)
    filled = -total(table, [pl.col(name).is_null().cast(pl.Int64) for name in compared(table)])
    length = total(table, [pl.col(name).str.len_chars().fill_null(0) for name in table.of_kind("text")])
    digits = np.zeros(table.rows)
    for name in table.of_kind("number"):
        values = table.numbers(name)[concerned]
        digits[concerned] += sum((ways[0] != values) & np.isfinite(values) for ways in rounded(values))
    return [
        (answered, "it has an answer"),
        (filled, "it misses least"),
        (length, "its texts are the longest"),
        (digits, "its numbers have the most digits"),
    ]


def kept(table: Table, clusters: list[Rows]) -> tuple[list[int], list[str]]:
    """For every cluster (positions) the row to keep, and why: the first of those that `preferences` leave."""
    wanted = preferences(table, np.unique(np.concatenate(clusters)))
    rows, why = [], []
    for members in clusters:
        left, said = members, "it is the first"
        for values, reason in wanted:
            best = left[values[left] == values[left].max()]
            said = reason if len(best) == 1 < len(left) else said
            left = best
        rows.append(int(left.min()))
        why.append(said)
    return rows, why


def total(table: Table, counts: list[pl.Expr]) -> Floats:
    """(rows,) the sum of these counts of each row."""
    if not counts:
        return np.zeros(table.rows)
    return table.frame.select(pl.sum_horizontal(counts).alias("sum")).get_column("sum").to_numpy().astype(np.float64)


def told(table: Table, clusters: list[Rows]) -> dict[str, Any]:
    """What a finding says of clusters (positions): their rows, the one to keep in front, why that one, and how many
    clusters there are. The largest are told first, as many as have 10,000 rows; of one that is larger so many rows."""
    ends = np.cumsum([len(members) for members in clusters])
    shown = [members[:MOST_TOLD] for members in clusters[: max(1, int((ends <= MOST_TOLD).sum()))]]
    keep, why = kept(table, shown)
    ordered = [np.r_[first, members[members != first]] for first, members in zip(keep, shown, strict=True)]
    return {
        "clusters": [table.row_ids[members].tolist() for members in ordered],
        "keep_because": why,
        "groups": len(clusters),
        "rows_in_clusters_at_most": MOST_TOLD,
    }
