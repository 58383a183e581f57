"""Which features to keep: those that an L1 fit keeps, after a test of each alone where there are many."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, issparse

from melior.data.table import Floats, Labels, Rows
from melior.features._base import Matrix, MatrixStep

PENALTIES = 8  # strengths tried, from the one that keeps nothing downwards
LEAST = 0.05  # of that one: where the path ends
INNER_FOLDS = 5
CODES = 50  # of a feature of category codes that are looked at, the commonest


def f_test(values: NDArray[Any] | csr_matrix, labels: Labels, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """F (features,) and p (features,) of the one-way analysis of variance of every feature over the classes.

    values (rows, features), sparse stays sparse; labels, weights (rows,). F = (between / (K - 1)) / (within / (n - K)).
    Constant features have F 0 and p 1.
    """
    from scipy.stats import f as distribution

    rows = values.shape[0]
    found = np.unique(labels)
    mass = np.ones(rows) if weights is None else weights * (rows / weights.sum())
    hot = (labels[:, None] == found).astype(np.float64) * mass[:, None]  # (rows, classes)
    sums = np.asarray(values.T @ hot).T  # (classes, features)
    squared: Any = values.multiply(values) if issparse(values) else values**2  # type: ignore[union-attr]
    squares = np.asarray(squared.T @ mass).ravel()
    counts = hot.sum(axis=0)
    total = sums.sum(axis=0)
    between = (sums**2 / counts[:, None]).sum(axis=0) - total**2 / rows
    whole = squares - total**2 / rows
    within = np.maximum(whole - between, 0.0)
    varies = whole > 1e-10 * np.maximum(squares, 1e-300)
    free = max(rows - len(found), 1)
    f = np.zeros(values.shape[1])
    np.divide(between / max(len(found) - 1, 1), within / free, out=f, where=varies & (within > 1e-12 * whole))
    f[varies & (within <= 1e-12 * whole)] = np.inf
    p = np.where(varies, distribution.sf(f, max(len(found) - 1, 1), free), 1.0)
    return f, p


def benjamini_hochberg(p: Floats, level: float) -> NDArray[np.bool_]:
    """(tests,) True where rejected, with the expected share of false ones among them at most `level`.

    The largest k with p_(k) <= level k / m.  Benjamini and Hochberg, JRSS B 1995.
    """
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / len(p))
    found = np.zeros(len(p), dtype=bool)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found


@dataclass
class Path:
    """L1 logistic fits of one class against the rest, from strong to weak penalties.

    coefs (penalties, features), intercepts (penalties,)
    """

    coefs: Floats
    intercepts: Floats


def l1_path(values: Any, positive: NDArray[np.bool_], weights: Floats, strengths: Floats, seed: int) -> Path:
    """Logistic fits that minimise sum w log-loss + strength * |coef|_1, one for each strength."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    coefs = np.zeros((len(strengths), values.shape[1]))
    intercepts = np.zeros(len(strengths))
    for number, strength in enumerate(strengths):
        # the solver penalises the intercept too: a large constant feature makes that next to nothing
        fit = LogisticRegression(
            l1_ratio=1, solver="liblinear", C=1 / strength, intercept_scaling=10.0, max_iter=200, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit.fit(values, positive, sample_weight=weights)
        coefs[number], intercepts[number] = fit.coef_[0], fit.intercept_[0]
    return Path(coefs, intercepts)


def refitted(rows: Any, new: Any, positive: NDArray[np.bool_], weights: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Log-odds of new rows by an ordinary logistic fit on the features that are kept.

    The L1 fit itself shrinks what it keeps, so that its own loss is least with too many features.
    Meinshausen, Relaxed Lasso, Computational Statistics and Data Analysis 2007.
    """
    from sklearn.linear_model import LogisticRegression

    if not kept.any():
        share = weights @ positive / weights.sum()
        return np.full(new.shape[0], np.log(share / (1 - share)))
    fit = LogisticRegression(max_iter=200, tol=1e-3).fit(rows[:, kept], positive, sample_weight=weights)
    return np.asarray(fit.decision_function(new[:, kept]))


def strongest(values: Any, positive: NDArray[np.bool_], weights: Floats) -> float:
    """The least strength at which no feature is kept: max_j |sum_i w_i x_ij (y_i - mean y)|."""
    share = weights @ positive / weights.sum()
    slope = np.abs(np.asarray(values.T @ (weights * (positive - share)))).ravel()
    return float(slope.max(initial=0.0)) or 1.0


class L1Features(MatrixStep):
    """Keeps the features that L1 logistic fits keep, of any class against the rest; never none.

    A feature of category codes is looked at as a 0/1 feature for each of its commonest codes, and kept where one of
    these is: the numbers of the codes mean nothing.

    strength  of the penalty as a share of the one that keeps nothing; None: the strongest for which an ordinary fit on
              what it keeps has an inner cross-validated log loss within one standard error of the best
    level     share of false discoveries of the F tests that come first, where there are more than `many` features
    """

    holds_out: ClassVar[bool] = True

    def __init__(self, strength: float | None, level: float, many: int) -> None:
        self.strength = strength
        self.level = level
        self.many = many
        self.which = np.empty(0, dtype=np.int64)

    def fit(
        self,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        seed: int,
        ids: Rows | None = None,
    ) -> Self:
        if not matrix.features:  # empty texts
            self.which = np.empty(0, dtype=np.int64)
            return self
        values, owner = spelled_out(matrix)
        mass = np.ones(matrix.rows) if weights is None else weights
        ids = np.arange(matrix.rows) if ids is None else ids
        kept = np.zeros(len(owner), dtype=bool)
        found = np.unique(labels)
        for number in found[1:] if len(found) == 2 else found:
            positive = labels == number
            strength = self.strength or self._chosen(values, positive, mass, seed, ids)
            kept |= self._fit_one(values, positive, mass, strength, seed)
        if not kept.any():
            kept[int(np.argmin(f_test(values, labels, weights)[1]))] = True
        self.which = np.unique(owner[kept])
        return self

    def _screened(self, values: Any, positive: NDArray[np.bool_], mass: Floats) -> NDArray[np.int64]:
        features = values.shape[1]
        if features <= self.many:
            return np.arange(features)
        _, p = f_test(values, positive.astype(np.int32), mass)
        passed = benjamini_hochberg(p, self.level)
        # a feature may matter only beside others: the likeliest always get their chance in the joint fit
        passed[np.argsort(p, kind="stable")[: self.many // 10]] = True
        return np.flatnonzero(passed)

    def _fit_one(
        self, values: Any, positive: NDArray[np.bool_], mass: Floats, strength: float, seed: int
    ) -> NDArray[np.bool_]:
        which = self._screened(values, positive, mass)
        inside = values[:, which]
        path = l1_path(inside, positive, mass, np.array([strength * strongest(inside, positive, mass)]), seed)
        kept = np.zeros(values.shape[1], dtype=bool)
        kept[which[np.abs(path.coefs[0]) > 1e-10]] = True
        return kept

    def _chosen(self, values: Any, positive: NDArray[np.bool_], mass: Floats, seed: int, ids: Rows) -> float:
        shares = np.geomspace(0.9, LEAST, PENALTIES)
        sides = [(side, in_order(ids[side])) for side in (positive, ~positive)]
        distinct = [int(which.max()) + 1 for _, which in sides]
        folds = max(2, min(INNER_FOLDS, *distinct))
        fold = np.empty(len(positive), dtype=np.int64)
        random = np.random.default_rng([seed, 71])
        for side, which in sides:  # a row and its copies are held out together
            fold[side] = random.permutation(np.arange(which.max() + 1) % folds)[which]
        losses = np.zeros((PENALTIES, len(positive)))
        for number in range(folds):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if len(np.unique(positive[inside])) < 2:
                continue
            which = self._screened(values[inside], positive[inside], mass[inside])
            rows = values[inside][:, which]
            path = l1_path(
                rows, positive[inside], mass[inside],
                shares * strongest(rows, positive[inside], mass[inside]), seed,
            )  # fmt: skip
            for strength, coef in enumerate(path.coefs):
                kept = np.abs(coef) > 1e-10
                margins = refitted(rows, values[outside][:, which], positive[inside], mass[inside], kept)
                losses[strength, outside] = np.logaddexp(0, np.where(positive[outside], -margins, margins))
        mean = losses @ mass / mass.sum()
        best = int(mean.argmin())
        error = np.sqrt(((losses[best] - mean[best]) ** 2) @ mass / mass.sum() / sum(distinct))
        return float(shares[int(np.flatnonzero(mean - mean[best] <= error)[0])])

    def transform(self, matrix: Matrix) -> Matrix:
        which = self.which.tolist()
        place = {number: position for position, number in enumerate(which)}
        return Matrix(
            matrix.values[:, which],
            [matrix.names[number] for number in which],
            [matrix.sources[number] for number in which],
            tuple(place[code] for code in matrix.categorical if code in place),
            matrix.parts,
        )


def in_order(ids: Rows) -> Rows:
    """(rows,) the same number for rows of one id, in the order in which ids are first seen."""
    _, first, which = np.unique(ids, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[which], dtype=np.int64)


def spelled_out(matrix: Matrix) -> tuple[Any, NDArray[np.int64]]:
    """(rows, more features) scaled, with a 0/1 feature for each common code in place of a feature of codes, and the
    feature that each comes from."""
    codes = list(matrix.categorical)
    if not codes:
        return scaled(matrix.values), np.arange(matrix.features)
    plain = [number for number in range(matrix.features) if number not in set(codes)]
    parts, owner = [matrix.values[:, plain]], list(plain)
    for code in codes:
        given = replace(matrix, values=matrix.values[:, [code]]).dense().ravel()
        known, counts = np.unique(given[np.isfinite(given)], return_counts=True)
        common = np.sort(known[np.argsort(-counts, kind="stable")[:CODES]])
        hot = (given[:, None] == common).astype(np.float64)
        parts.append(csr_matrix(hot) if matrix.sparse else hot)
        owner += [code] * len(common)
    values: Any = hstack(parts, format="csr") if matrix.sparse else np.concatenate(parts, axis=1)
    return scaled(values), np.array(owner, dtype=np.int64)


def scaled(values: NDArray[Any] | csr_matrix) -> Any:
    """Dense: mean 0, standard deviation 1, missing 0. Sparse: largest absolute value 1, so that it stays sparse."""
    if issparse(values):
        from scipy.sparse import diags

        largest = np.asarray(abs(values).max(axis=0).todense()).ravel()
        return (values @ diags(1 / np.where(largest > 0, largest, 1.0))).tocsr()
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / counts
    away = np.where(known, values - mean, 0.0)
    spread = np.sqrt((away**2).sum(axis=0) / counts)
    return away / np.where(spread > 1e-12 * (1 + np.abs(mean)), spread, np.inf)
