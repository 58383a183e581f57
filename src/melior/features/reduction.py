"""Fewer dimensions: principal components of dense matrices, truncated singular vectors of sparse ones."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix

from melior.data.table import Floats, Labels
from melior.features._base import Matrix, MatrixStep

MOST_SPARSE = 100  # dimensions of a sparse matrix where only a share is asked for


def principal_components(values: Floats, weights: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """mean (features,), directions (components, features) of length 1, and the variance along each, largest first.

    values (rows, features), weights (rows,). By the singular values of the centred, weighted rows; the largest entry
    of each direction is positive, so that the same rows always give the same directions.
    Pearson 1901; Hotelling 1933.
    """
    shares = np.full(len(values), 1 / len(values)) if weights is None else weights / weights.sum()
    mean = shares @ values
    _, lengths, directions = np.linalg.svd(np.sqrt(shares)[:, None] * (values - mean), full_matrices=False)
    return mean, with_sign(directions), lengths**2


def truncated_directions(values: csr_matrix, dimensions: int, seed: int) -> tuple[Floats, Floats]:
    """directions (dimensions, features) of the largest singular values, not centred, and the squares of these values.

    values (rows, features) stay sparse.  Halko et al., Finding Structure with Randomness, SIAM Review 2011.
    """
    from sklearn.utils.extmath import randomized_svd

    _, lengths, directions = randomized_svd(values, n_components=dimensions, n_iter=5, random_state=seed)
    return with_sign(np.asarray(directions, dtype=np.float64)), np.asarray(lengths, dtype=np.float64) ** 2


def with_sign(directions: Floats) -> Floats:
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return np.asarray(directions * np.where(signs == 0, 1.0, signs)[:, None])


def count_for_share(variances: Floats, total: float, share: float) -> int:
    """How many of the largest variances are needed to explain this share of the total; at least 1."""
    if total <= 0:
        return 1
    reached = np.cumsum(variances) / total >= share - 1e-12
    return int(reached.argmax()) + 1 if reached.any() else len(variances)


class Projection(MatrixStep):
    """Projects rows on the directions of most variance; category codes pass by unchanged.

    Dense features are brought to mean 0 and standard deviation 1 first, missing values to 0; sparse ones are taken
    as they are, so that they stay sparse.
    """

    def __init__(self, dimensions: int | None, share: float) -> None:
        self.dimensions = dimensions
        self.share = share
        self.centre = np.empty(0)
        self.spread = np.empty(0)
        self.directions = np.empty((0, 0))
        self.numbers: list[int] = []
        self.explained = 0.0

    def fit(self, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, seed: int) -> Self:
        codes = set(matrix.categorical)
        self.numbers = [number for number in range(matrix.features) if number not in codes]
        if not self.numbers:  # empty texts, or nothing but codes of categories, which pass by
            self.centre, self.spread = np.empty(0), np.empty(0)
            self.directions, self.explained = np.empty((0, 0)), 1.0
            return self
        if matrix.sparse:
            most = min(matrix.rows, len(self.numbers)) - 1
            wanted = max(1, min(self.dimensions or MOST_SPARSE, most))
            values: Any = matrix.values[:, self.numbers]
            directions, variances = truncated_directions(values, wanted, seed)
            total = float((values.data**2).sum())
        else:
            values = np.asarray(matrix.values[:, self.numbers], dtype=np.float64)
            known = np.isfinite(values)
            counts = np.maximum(known.sum(axis=0), 1)
            self.centre = np.where(known, values, 0.0).sum(axis=0) / counts
            away = np.where(known, values - self.centre, 0.0)
            spread = np.sqrt((away**2).sum(axis=0) / counts)
            self.spread = np.where(spread > 1e-12 * (1 + np.abs(self.centre)), spread, np.inf)  # constant: 0
            mean, directions, variances = principal_components(away / self.spread, weights)
            self.centre = self.centre + mean * np.where(np.isfinite(self.spread), self.spread, 0.0)
            total = float(variances.sum())
        kept = min(self.dimensions or count_for_share(variances, total, self.share), len(variances))
        # in the order in which a file gives it back: products of the other order differ in their last bits on some CPUs
        self.directions = np.ascontiguousarray(directions[:kept])
        self.explained = float(variances[:kept].sum() / total) if total > 0 else 1.0
        return self

    def transform(self, matrix: Matrix) -> Matrix:
        if matrix.sparse:
            projected = np.asarray(matrix.values[:, self.numbers] @ self.directions.T)
        else:
            values = np.asarray(matrix.values[:, self.numbers], dtype=np.float64)
            away = np.where(np.isfinite(values), values - self.centre, 0.0) / self.spread
            projected = away @ self.directions.T
        names = [f"component {number + 1}" for number in range(projected.shape[1])]
        sources = list(names)
        codes = list(matrix.categorical)
        if codes:
            beside = replace(matrix, values=matrix.values[:, codes]).dense().astype(np.float64)
            projected = np.concatenate([projected, beside], axis=1)
            names += [matrix.names[code] for code in codes]
            sources += [matrix.sources[code] for code in codes]
        categorical = tuple(range(len(names) - len(codes), len(names)))
        return Matrix(projected, names, sources, categorical, matrix.parts)
