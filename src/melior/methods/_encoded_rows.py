"""New rows between encoded rows: the matrix that a family reads, made longer; what is sparse stays sparse."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags, issparse, vstack

from melior.data.table import Floats, Rows
from melior.features._base import Matrix
from melior.features.reduction import truncated_directions
from melior.methods._encoded import Encoded
from melior.methods._sampling import commonest_of_neighbours, dealt, missing_rows, smote_pairs

DIMENSIONS = 32  # in which neighbours are looked for where the matrix is sparse or wide
WIDE = 64


def matrix_space(matrix: Matrix, seed: int = 0) -> Floats:
    """(rows, dimensions) in which encoded rows are near or far: every column of the table counts alike.

    The features that come from one column are divided by one number, so that the variances of all of them sum to 1; a
    missing value becomes the mean, and codes of categories become 0/1 features. A sparse matrix, or one of more than
    64 features, is projected on its 32 largest singular vectors.
    """
    codes = set(matrix.categorical)
    numbers = [place for place in range(matrix.features) if place not in codes]
    sources = np.array([matrix.sources[place] for place in numbers], dtype=object)
    _, own = np.unique(sources.astype(str), return_inverse=True) if numbers else (None, np.empty(0, dtype=np.int64))
    parts: list[Any] = []
    if matrix.sparse:
        values = matrix.values[:, numbers].astype(np.float64)
        mean = np.asarray(values.mean(axis=0)).ravel()
        variances = np.maximum(np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2, 0.0)
        parts.append((values @ diags(_of_columns(variances, own))).tocsr())
    else:
        values = np.asarray(matrix.values[:, numbers], dtype=np.float64)
        known = np.isfinite(values)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        away = np.where(known, values - mean, 0.0)
        parts.append(away * _of_columns((away**2).mean(axis=0), own))
    for place in matrix.categorical:
        given = _codes(matrix, place)
        ones = csr_matrix((np.full(len(given), np.sqrt(0.5)), (np.arange(len(given)), given)))
        parts.append(ones if matrix.sparse or ones.shape[1] > WIDE else ones.toarray())
    if any(issparse(part) for part in parts):
        from scipy.sparse import hstack

        space: Any = hstack([csr_matrix(part) for part in parts], format="csr")
    else:
        space = np.hstack(parts)
    if not issparse(space) and space.shape[1] <= WIDE:
        return np.asarray(space)
    wanted = min(DIMENSIONS, min(space.shape) - 1)
    if wanted < 1:
        return np.asarray(space.toarray() if issparse(space) else space)
    directions, _ = truncated_directions(space, wanted, seed)
    return np.asarray(space @ directions.T)


def _of_columns(variances: Floats, own: Rows) -> Floats:
    """(features,) what to multiply each feature with, so that those of a column have variances that sum to 1."""
    sums = np.bincount(own, weights=variances)[own] if len(own) else variances
    return np.where(sums > 1e-24, 1 / np.sqrt(np.maximum(sums, 1e-24)), 0.0)


def _codes(matrix: Matrix, place: int) -> Rows:
    """(rows,) the codes of one categorical feature from 1 on; 0 is missing."""
    given = np.asarray(matrix.values[:, [place]].toarray() if matrix.sparse else matrix.values[:, [place]]).ravel()
    return np.asarray(np.nan_to_num(given, nan=-1.0) + 1, dtype=np.int64)


def between_rows(matrix: Matrix, seeds: Rows, mates: Rows, shares: Floats, neighbours: Rows) -> Matrix:
    """New encoded rows: x[seed] + share * (x[mate] - x[seed]) in every feature.

    seeds, mates, shares (new rows,); neighbours (rows, k). What is missing in the mate is the seed's; a category code
    is the one that most neighbours of the seed have. A sparse matrix gives a sparse one.
    """
    assert not matrix.parts, "words and pixels have nothing between them"
    codes = list(matrix.categorical)
    if matrix.sparse:
        made = (diags(1 - shares) @ matrix.values[seeds] + diags(shares) @ matrix.values[mates]).tocsr()
        made.sort_indices()
    else:
        start, end = matrix.values[seeds], matrix.values[mates]
        made = np.where(np.isnan(end), start, start + shares[:, None] * (end - start))
    if codes and matrix.sparse:
        made = made.tolil()
    for place in codes:
        chosen = commonest_of_neighbours(_codes(matrix, place), neighbours)[seeds].astype(np.float64) - 1
        made[:, place] = np.where(chosen < 0, np.nan, chosen)
    return replace(matrix, values=made.tocsr() if matrix.sparse else made)


def lengthened(rows: Encoded, random: np.random.Generator, *, ratio: float, k: int) -> Encoded:
    """The encoded rows and new ones, until every class has `ratio` times the rows of the largest: SMOTE on the matrix.

    A new row has the weight of its seed. A class of one row gets copies. Chawla et al., SMOTE, JAIR 2002.
    """
    matrix, labels, weights = rows.matrix, rows.labels, rows.weights
    seed = int(random.integers(2**31))
    space: Floats | None = None
    values, answers, counts = [matrix.values], [labels], [weights]
    for number, count in enumerate(missing_rows(labels, int(labels.max(initial=0)) + 1, ratio)):
        if not count:
            continue
        inside = np.flatnonzero(labels == number)
        if len(inside) < 2:
            seeds = dealt(inside, count, random)
            values.append(matrix.values[seeds])
        else:
            space = matrix_space(matrix, seed) if space is None else space
            seeds, mates, shares, neighbours = smote_pairs(space[inside], k, count, random)
            values.append(between_rows(matrix.take(inside), seeds, mates, shares, neighbours).values)
            seeds = inside[seeds]
        answers.append(labels[seeds])
        counts.append(None if weights is None else weights[seeds])
    joined = vstack(values, format="csr") if matrix.sparse else np.concatenate(values)
    whole = None if weights is None else np.concatenate([one for one in counts if one is not None])
    return Encoded(replace(matrix, values=joined), np.concatenate(answers), whole)
