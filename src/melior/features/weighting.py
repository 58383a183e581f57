"""Weights on features: given for a column, or learned from how much each feature says of the answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from melior.data.table import Floats, Labels
from melior.features._base import Matrix, MatrixStep

Strength = Literal["information", "variance"]

BINS = 10
LEAST = 0.1  # of the largest weight: what is learned weakens a feature and never takes it out


def variance_explained(values: Any, labels: Labels, weights: Floats | None = None) -> Floats:
    """(features,) the share of each feature's variance that lies between the classes, 0..1, less what chance gives.

    values (rows, features) dense, nan counts as the mean, or CSR; labels (rows,); weights (rows,) or None. With n rows
    and K classes 1 - (1 - e)(n - 1) / (n - K) of the share e, at least 0.
    Kelley, An Unbiased Correlation Ratio Measure, PNAS 1935.
    """
    count = np.ones(len(labels)) if weights is None else weights * len(labels) / weights.sum()
    classes, codes = np.unique(labels, return_inverse=True)
    member = csr_matrix((count, (codes, np.arange(len(codes)))), shape=(len(classes), len(codes)))
    sizes = np.asarray(member.sum(axis=1)).ravel()
    rows = float(sizes.sum())
    if hasattr(values, "tocsr"):
        sums, squares = np.asarray((member @ values).toarray()), count @ values.multiply(values)
    else:
        known = np.isfinite(values)
        share = count @ known
        mean = np.where(share > 0, (count @ np.where(known, values, 0.0)) / np.maximum(share, 1e-300), 0.0)
        away = np.where(known, values - mean, 0.0)
        sums, squares = member @ away, count @ away**2
    mean = sums.sum(axis=0) / rows
    total = np.asarray(squares).ravel() - rows * mean**2
    between = (sums**2 / sizes[:, None]).sum(axis=0) - rows * mean**2
    explained = np.where(total > 1e-12 * rows * (1 + mean**2), between / np.maximum(total, 1e-300), 0.0)
    if len(codes) <= len(classes):
        return np.zeros(len(explained))
    return np.clip(1 - (1 - explained) * (len(codes) - 1) / (len(codes) - len(classes)), 0.0, 1.0)


def mutual_information(values: Any, labels: Labels, weights: Floats | None = None) -> Floats:
    """(features,) how much each feature says of the class, in nats, less what chance gives, at least 0.

    values (rows, features) dense or CSR. A dense feature is cut into 10 bins of equally many rows, nan a bin of its
    own; of a sparse one it counts whether it is 0. From the mean of a feature that says nothing, (bins - 1)(classes
    - 1) / 2n, it is corrected.  Miller, Note on the Bias of Information Estimates, 1955.
    """
    count = np.ones(len(labels)) if weights is None else weights * len(labels) / weights.sum()
    classes, codes = np.unique(labels, return_inverse=True)
    if hasattr(values, "tocsr"):
        present = values.copy()
        present.data = (present.data != 0).astype(np.float64)
        member = csr_matrix((count, (codes, np.arange(len(codes)))), shape=(len(classes), len(codes)))
        inside = np.asarray((member @ present).toarray())  # (classes, features)
        sizes = np.bincount(codes, weights=count)[:, None]
        return _information(np.stack([inside, sizes - inside], axis=1), len(codes))
    found = np.zeros(values.shape[1])
    for place in range(values.shape[1]):
        bins = _binned(values[:, place])
        cells = np.zeros((len(classes), int(bins.max(initial=0)) + 1, 1))
        np.add.at(cells[:, :, 0], (codes, bins), count)
        found[place] = _information(cells, len(codes))[0]
    return found


def _binned(column: Floats) -> NDArray[np.int64]:
    """(rows,) the number of each value's bin; nan is bin 0."""
    known = np.isfinite(column)
    edges = np.unique(np.quantile(column[known], np.linspace(0, 1, BINS + 1)[1:-1])) if known.any() else np.empty(0)
    return np.where(known, 1 + np.searchsorted(edges, np.where(known, column, 0.0), side="left"), 0)


def _information(cells: Floats, rows: int) -> Floats:
    """(features,) of tables (classes, bins, features) of counts."""
    shares = cells / max(cells[:, :, :1].sum(), 1e-300)
    by_class, by_bin = shares.sum(axis=1, keepdims=True), shares.sum(axis=0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(shares > 0, shares * np.log(shares / (by_class * by_bin)), 0.0)
    occurring = (by_bin[0] > 0).sum(axis=0)
    chance = (occurring - 1) * (len(cells) - 1) / (2 * max(rows, 1))
    return np.asarray(np.maximum(parts.sum(axis=(0, 1)) - chance, 0.0))


def learned_weights(strength: Floats, power: float) -> Floats:
    """(features,) LEAST + (1 - LEAST) (strength / largest) ** power, scaled so that the mean of their squares is 1.

    The penalty on a weight of 2 is a quarter of that on a weight of 1; with mean squares of 1 the penalty on all of
    them together stays about what it was. All 1 where nothing says anything.
    """
    if not len(strength) or strength.max() <= 0:
        return np.ones(len(strength))
    found = LEAST + (1 - LEAST) * (strength / strength.max()) ** power
    return np.asarray(found / np.sqrt(np.mean(found**2)))


class FeatureScale(MatrixStep):
    """Multiplies features by weights; codes of categories are left as they are.

    given   column -> weight of every feature that comes from it
    kind    how those of the other columns are learned; None: they stay
    power   of what is learned: 0 makes all equal, 1 goes all the way
    """

    def __init__(self, given: Mapping[str, float], kind: Strength | None, power: float) -> None:
        self.given = dict(given)
        self.kind: Strength | None = kind
        self.power = power
        self.weights = np.empty(0)

    def fit(self, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, seed: int) -> Self:
        self.weights = np.ones(matrix.features)
        codes = set(matrix.categorical)
        free = [n for n in range(matrix.features) if n not in codes and matrix.sources[n] not in self.given]
        if self.kind is not None and free:
            measure = mutual_information if self.kind == "information" else variance_explained
            values = matrix.values[:, free] if matrix.sparse else np.asarray(matrix.values, dtype=np.float64)[:, free]
            self.weights[free] = learned_weights(measure(values, labels, weights), self.power)
        for place, source in enumerate(matrix.sources):
            if source in self.given and place not in codes:
                self.weights[place] = self.given[source]
        return self

    def transform(self, matrix: Matrix) -> Matrix:
        if matrix.sparse:
            changed = (matrix.values @ diags(self.weights)).tocsr()
            changed.sort_indices()
            return replace(matrix, values=changed)
        return replace(matrix, values=np.asarray(matrix.values, dtype=np.float64) * self.weights)
