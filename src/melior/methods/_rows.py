"""What row methods share: classes that must not be emptied, and feature values that can be compared or moved."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Labels, Table

Mask = NDArray[np.bool_]

MOST_VALUES = 200  # of a category column that are told apart
SPREAD = 1.349  # interquartile range of a normal distribution in its standard deviations


def none_emptied(labels: Labels, keep: Mask, preference: Floats, least: int = 1) -> Mask:
    """`keep`, with the most preferred rows put back into every class that would have fewer than `least` of its rows.

    labels, keep, preference (rows,): larger preference is put back first. A class that has fewer rows keeps them all.
    """
    keep = keep.copy()
    for number in np.unique(labels):
        inside = np.flatnonzero(labels == number)
        wanted = min(least, len(inside))
        if keep[inside].sum() < wanted:
            keep[inside[np.argsort(-preference[inside], kind="stable")[:wanted]]] = True
    return keep


def groups_of_equal_rows(table: Table, images: Callable[[str], NDArray[Any]] | None = None) -> NDArray[np.int64]:
    """(rows,) a number for each row, the same for rows whose features are all equal; numbered as first seen.

    images  image column -> (rows,) numbers that are the same where images count as equal: the same bytes, unless said
    """
    import polars as pl

    frame = table.frame.select(table.features())
    for name in table.of_kind("image"):
        same = images(name) if images is not None else table.pictures(name).digests
        frame = frame.with_columns(pl.Series(name, same))
    frame = frame.with_row_index("__row")
    by = [name for name in frame.columns if name != "__row"]
    numbers = np.zeros(table.rows, dtype=np.int64)
    lists = frame.group_by(by, maintain_order=True).agg(pl.col("__row")).get_column("__row")
    sizes = lists.list.len().to_numpy()
    numbers[lists.explode().to_numpy()] = np.repeat(np.arange(len(sizes)), sizes)
    return numbers


def standardized(table: Table) -> Floats:
    """(rows, number columns) centred at the median and divided by the spread; what is missing becomes 0, the median.

    The spread is the interquartile range / 1.349, or the standard deviation where that is 0.
    """
    names = table.of_kind("number")
    values = np.zeros((table.rows, len(names)))
    for position, name in enumerate(names):
        values[:, position] = robustly_scaled(table.numbers(name))
    return values


def robustly_scaled(column: Floats) -> Floats:
    """(rows,) minus the median, over the spread; nan becomes 0."""
    known = column[np.isfinite(column)]
    if not len(known):
        return np.zeros(len(column))
    scaled = (column - np.percentile(known, 50)) / (robust_spread(known) or 1.0)
    return np.where(np.isfinite(scaled), scaled, 0.0)


def robust_spread(values: Floats) -> float:
    """Of the finite ones (rows,): the interquartile range / 1.349, or the standard deviation where that is 0."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    low, high = np.percentile(known, [25, 75])
    return float((high - low) / SPREAD or known.std())


def noisy(values: Floats, everywhere: Floats, share: float, strength: float, random: np.random.Generator) -> Floats:
    """(rows,) values with normal noise of `strength` spreads on a share of them. They stay in the range of the column
    (`everywhere`), whole numbers stay whole, and what is missing stays missing."""
    known = everywhere[np.isfinite(everywhere)]
    touched = (random.random(len(values)) < share) & np.isfinite(values)
    noise = random.normal(size=len(values)) * strength * robust_spread(known)
    if not touched.any():
        return values
    moved = np.clip(values + noise, known.min(), known.max())
    if np.array_equal(known, np.round(known)):
        moved = np.round(moved)
    return np.where(touched, moved, values)


def mixed_space(table: Table) -> Floats:
    """(rows, dimensions) numbers as `standardized`, each category column as 0/1 columns at distance 1 in all.

    Two rows that differ in one category are as far apart as rows one spread apart in one number. Values beyond the 200
    commonest of a column count as one. Texts are left out.
    """
    parts = [standardized(table)]
    for name in table.of_kind("category", "language"):
        codes = table.column(name).fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
        if codes.max(initial=0) >= MOST_VALUES:
            order = np.argsort(-np.bincount(codes), kind="stable")
            codes = np.minimum(np.argsort(order, kind="stable")[codes], MOST_VALUES)
        parts.append(np.eye(codes.max(initial=0) + 1)[codes] / np.sqrt(2))
    return np.concatenate(parts, axis=1)


def row_space(table: Table, seed: int = 0) -> Floats:
    """(rows, dimensions) as `mixed_space`, and each text and image column in at most 16 fitted dimensions beside them,
    scaled so that the widest has a standard deviation of 1."""
    from melior.features.images import ImageDimensions
    from melior.features.texts import TextDimensions

    parts = [mixed_space(table)]
    for name in table.of_kind("text"):
        shown = np.asarray(TextDimensions(name, dimensions=16).fit(table, seed).transform(table))
        if shown.shape[1]:
            parts.append(shown / max(float(shown.std(axis=0).max()), 1e-9))
    for name in table.of_kind("image"):
        block = ImageDimensions(name, dimensions=16, scale=1.0).fit(table, seed)
        parts.append(np.asarray(block.transform(table))[:, : len(block.axes)])
    space = np.concatenate(parts, axis=1)
    return space if space.shape[1] else np.zeros((table.rows, 1))  # empty texts: all in one place
