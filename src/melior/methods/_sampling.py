"""How many rows a class lacks, which rows are drawn, and where new rows lie between a row and its neighbours."""

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Labels, Rows


def missing_rows(labels: Labels, classes: int, ratio: float) -> NDArray[np.int64]:
    """(classes,) how many rows each class lacks to have `ratio` times the rows of the largest; 0 for empty classes."""
    counts = np.bincount(labels, minlength=classes)
    wanted = np.ceil(ratio * counts.max()).astype(np.int64)
    return np.where(counts > 0, np.maximum(wanted - counts, 0), 0)


def dealt(rows: Rows, count: int, random: np.random.Generator) -> Rows:
    """`count` of these rows, each as often as any other (the rest drawn without repeats)."""
    whole, rest = divmod(count, len(rows))
    return np.concatenate([np.tile(rows, whole), random.choice(rows, rest, replace=False)]).astype(np.int64)


def smote_pairs(space: Floats, k: int, count: int, random: np.random.Generator) -> tuple[Rows, Rows, Floats, Rows]:
    """Where new rows of one class lie: seeds (count,), mates (count,), shares (count,), neighbours (rows, k).

    space (rows, dimensions): the rows of the class. A new row is x[seed] + share * (x[mate] - x[seed]) with the mate
    one of the k nearest other rows of the seed and the share uniform in 0..1.
    Chawla et al., SMOTE, JAIR 2002.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = len(space)
    k = min(k, rows - 1)
    assert k >= 1
    near = NearestNeighbors(n_neighbors=k + 1).fit(space).kneighbors(space, return_distance=False)
    # a row is its own nearest neighbour, unless it has copies: take out the row itself wherever it stands
    itself = near == np.arange(rows)[:, None]
    itself[~itself.any(axis=1), -1] = True
    neighbours = near[~itself].reshape(rows, k)
    seeds = dealt(np.arange(rows), count, random)
    mates = neighbours[seeds, random.integers(0, k, count)]
    return seeds, mates, random.random(count), neighbours


def between(values: Floats, seeds: Rows, mates: Rows, shares: Floats) -> Floats:
    """(new rows,) values[seed] + share * (values[mate] - values[seed]); where the mate's is missing, the seed's."""
    start, end = values[seeds], values[mates]
    return np.asarray(start + shares * np.where(np.isnan(end), 0.0, end - start))


def commonest_of_neighbours(codes: Rows, neighbours: Rows) -> Rows:
    """(rows,) the code that most neighbours have; of equals the row's own, then the smallest.

    codes (rows,) from 0; neighbours (rows, k).
    """
    votes = np.zeros((len(codes), codes.max(initial=0) + 1))
    np.add.at(votes, (np.arange(len(codes))[:, None], codes[neighbours]), 1)
    votes[np.arange(len(codes)), codes] += 0.5
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)
