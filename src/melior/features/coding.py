"""Rows as a few of many learnt patterns: dictionary learning, and principal directions of few features."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack

from melior.data.table import Floats, Labels, Rows
from melior.features._base import Matrix, MatrixStep
from melior.features.reduction import truncated_directions

Kind = Literal["dictionary", "sparse_pca"]
ATOMS = 64
ROWS = 4000  # that the patterns are learnt from; more change them little
BEFORE = 100  # directions of a sparse matrix that a dictionary is learnt in
WIDEST = 500  # columns of a sparse matrix, those that vary most, that sparse components are learnt in
ROUNDS, LEARNING_ROUNDS = 150, 40  # of the search for a row's code
PASSES = 8  # over the rows that a dictionary is learnt from
AT_ONCE = 512  # rows coded at once
RIDGE = 0.01
LEAST = 1e-12


def sparse_codes(values: Floats, atoms: Floats, penalty: float, rounds: int = ROUNDS) -> Floats:
    """(rows, atoms) the codes c of rows x that make 1/2 |x - c atoms|^2 + penalty |c|_1 least; most entries are 0.

    values (rows, features), atoms (atoms, features). A fixed number of rounds, so that a row's code hangs on the row
    alone.  Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, SIAM J. Imaging Sciences 2009.
    """
    gram = atoms @ atoms.T
    steepest = float(np.linalg.norm(gram, 2)) if len(gram) else 0.0
    codes = np.zeros((len(values), len(atoms)))
    if steepest <= LEAST:
        return codes
    for start in range(0, len(values), AT_ONCE):
        towards = values[start : start + AT_ONCE] @ atoms.T  # (some, atoms)
        now, ahead, speed = np.zeros_like(towards), np.zeros_like(towards), 1.0
        for _ in range(rounds):
            moved = ahead - (ahead @ gram - towards) / steepest
            new = moved - np.clip(moved, -penalty / steepest, penalty / steepest)  # exactly 0 where it is small
            faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
            ahead = new + (speed - 1) / faster * (new - now)
            now, speed = new, faster
        codes[start : start + AT_ONCE] = now
    return codes


def learnt_dictionary(values: Floats, atoms: int, penalty: float, seed: int, passes: int = PASSES) -> Floats:
    """(atoms, features) patterns of length at most 1 in which rows have short sparse codes.

    Batches of rows are coded, and the patterns moved one after another to what is best for the codes so far, of which
    older ones fade over a pass. A pattern that no row uses becomes a row.
    Mairal et al., Online Dictionary Learning for Sparse Coding, ICML 2009.
    """
    random = np.random.default_rng([seed, 73])
    patterns = _of_length_one(values[random.choice(len(values), atoms, replace=len(values) < atoms)])
    used, wanted = np.zeros((atoms, atoms)), np.zeros((atoms, values.shape[1]))
    for _ in range(passes):
        for rows in np.array_split(random.permutation(len(values)), -(-len(values) // AT_ONCE)):
            codes = sparse_codes(values[rows], patterns, penalty, rounds=LEARNING_ROUNDS)
            kept = 1 - len(rows) / len(values)
            used, wanted = kept * used + codes.T @ codes, kept * wanted + codes.T @ values[rows]
            for atom in range(atoms):
                if used[atom, atom] > LEAST * len(values):
                    patterns[atom] += (wanted[atom] - used[atom] @ patterns) / used[atom, atom]
                    patterns[atom] /= max(1.0, float(np.linalg.norm(patterns[atom])))
                else:
                    patterns[atom] = _of_length_one(values[random.integers(len(values), size=1)])[0]
    return patterns


def _of_length_one(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LEAST))


def sparse_components(values: Floats, components: int, penalty: float, seed: int) -> Floats:
    """(components, features) of length 1 or 0, most entries 0, that explain centred rows.

    Jenatton et al., Structured Sparse Principal Component Analysis, AISTATS 2010; Mairal et al. 2009.
    """
    from sklearn.decomposition import MiniBatchSparsePCA

    length = np.sqrt((values**2).sum(axis=0).mean())  # of a column, so that the penalty means the same everywhere
    passes = int(np.clip(5000 // values.shape[1], 10, 100))  # over the columns
    found = MiniBatchSparsePCA(
        n_components=components, alpha=penalty, batch_size=min(64, values.shape[1]), max_iter=passes, method="cd",
        ridge_alpha=RIDGE, random_state=seed, n_jobs=1,
    )  # fmt: skip
    return _quietly(lambda: found.fit(values / max(length, LEAST)).components_)


def _quietly(make: Callable[[], Any]) -> Floats:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # patterns that do not settle are usable all the same
        return np.nan_to_num(np.asarray(make(), dtype=np.float64))


class SparseCoding(MatrixStep):
    """Codes of the features in learnt patterns, each scaled so that its mean square is 1; category codes pass by.

    Dense features are brought to mean 0 and standard deviation 1 first, missing values to 0. A sparse matrix stays
    sparse: a dictionary is learnt in the directions of its largest singular values, sparse components in the columns
    that vary most. Patterns are learnt from at most ROWS rows, drawn as often as they weigh.

    kind     dictionary: a row is a short sum of patterns, found row by row; sparse_pca: patterns of few features, by
             ridge regression on them
    atoms    how many patterns; None: ATOMS, a quarter of the rows at most
    penalty  on the codes (dictionary) or the patterns (sparse_pca), for rows, or columns, of length 1
    beside   the codes stand beside the features instead of in their place
    """

    def __init__(self, kind: Kind, atoms: int | None, penalty: float, *, beside: bool) -> None:
        self.kind, self.atoms, self.penalty, self.beside = kind, atoms, penalty, beside
        self.numbers: list[int] = []
        self.centre: Floats = np.empty(0)
        self.spread: Floats = np.empty(0)
        self.size: Floats = np.empty(0)
        self.directions: Floats | None = None
        self.patterns = self.solve = np.empty((0, 0))

    def fit(self, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, seed: int) -> Self:
        codes = set(matrix.categorical)
        self.numbers = [number for number in range(matrix.features) if number not in codes]
        random = np.random.default_rng([seed, 72])
        some = drawn(matrix.rows, weights, random)
        self._look(matrix, some, seed)
        values = self._seen(matrix.take(some))
        lengths = float(np.sqrt((values**2).sum(axis=1).mean())) if values.size else 0.0
        self.spread = self.spread * max(lengths, LEAST)  # a row's length is 1 on average
        values = values / max(lengths, LEAST)
        most = max(1, min(self.atoms or ATOMS, matrix.rows // 4))
        solve: Floats
        if self.kind == "dictionary":
            found = learnt_dictionary(values, most, self.penalty, seed) if values.size else np.zeros((0, 0))
            solve = np.empty((0, 0))
        else:
            most = min(most, values.shape[1])
            found = sparse_components(values, most, self.penalty, seed) if values.size else np.zeros((0, 0))
            solve = np.asarray(np.linalg.inv(found @ found.T + RIDGE * np.eye(len(found))), dtype=np.float64)
        # in the order in which a file gives it back: products of the other order differ in their last bits on some CPUs
        self.patterns, self.solve = np.ascontiguousarray(found), np.ascontiguousarray(solve)
        self.size = np.ones(len(found))
        shown = self._codes(matrix.take(some))
        square = (shown**2).mean(axis=0) if len(shown) else np.ones(len(found))
        self.size = np.where(square > LEAST, np.sqrt(square), 1.0)
        return self

    def _look(self, matrix: Matrix, some: Rows, seed: int) -> None:
        """Where features are seen from: their middle and spread, directions of a sparse matrix, or its columns."""
        if not matrix.sparse:
            dense = np.asarray(matrix.values[:, self.numbers], dtype=np.float64)[some]
            known = np.isfinite(dense)
            count = np.maximum(known.sum(axis=0), 1)
            self.centre = np.where(known, dense, 0.0).sum(axis=0) / count
            away = np.where(known, dense - self.centre, 0.0)
            spread = np.sqrt((away**2).sum(axis=0) / count)
            self.spread = np.where(spread > LEAST * (1 + np.abs(self.centre)), spread, np.inf)  # constant: 0
            return
        values: Any = matrix.values[:, self.numbers][some]
        if self.kind == "dictionary":
            wanted = max(1, min(BEFORE, *(size - 1 for size in values.shape)))
            directions, _ = truncated_directions(values, wanted, seed)
            self.directions = np.ascontiguousarray(directions)
            self.centre, self.spread = np.zeros(len(directions)), np.ones(len(directions))
            return
        mean = np.asarray(values.mean(axis=0)).ravel()
        varies = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
        kept = np.sort(np.argsort(-varies, kind="stable")[:WIDEST])
        self.numbers = [self.numbers[number] for number in kept]
        self.centre, self.spread = mean[kept], np.ones(len(kept))

    def _seen(self, matrix: Matrix) -> Floats:
        """(rows, seen) dense: what patterns are learnt from."""
        values: Any = matrix.values[:, self.numbers]
        if self.directions is not None:
            return np.asarray(values @ self.directions.T) / self.spread
        dense = np.asarray(values.toarray() if matrix.sparse else values, dtype=np.float64)
        return np.asarray(np.where(np.isfinite(dense), dense - self.centre, 0.0) / self.spread)

    def _codes(self, matrix: Matrix) -> Floats:
        """(rows, patterns)."""
        if self.kind == "dictionary":
            return sparse_codes(self._seen(matrix), self.patterns, self.penalty) / self.size
        if matrix.sparse:  # (x - centre) / spread @ patterns without making x dense
            scaled = np.ascontiguousarray(self.patterns / self.spread)
            towards = np.asarray(matrix.values[:, self.numbers] @ scaled.T) - scaled @ self.centre
        else:
            towards = self._seen(matrix) @ self.patterns.T
        return np.asarray(towards @ self.solve / self.size)

    def transform(self, matrix: Matrix) -> Matrix:
        found = self._codes(matrix)
        word = "pattern" if self.kind == "dictionary" else "sparse component"
        names = [f"{word} {number + 1}" for number in range(found.shape[1])]
        if self.beside:
            values: Any = (
                hstack([matrix.values, csr_matrix(found)], format="csr")
                if matrix.sparse
                else np.concatenate([np.asarray(matrix.values, dtype=np.float64), found], axis=1)
            )
            own = ([*matrix.names, *names], [*matrix.sources, *names])
            return Matrix(values, *own, matrix.categorical, matrix.parts)
        sources, codes = list(names), list(matrix.categorical)
        if codes:
            beside = replace(matrix, values=matrix.values[:, codes]).dense().astype(np.float64)
            found = np.concatenate([found, beside], axis=1)
            names += [matrix.names[code] for code in codes]
            sources += [matrix.sources[code] for code in codes]
        categorical = tuple(range(len(names) - len(codes), len(names)))
        return Matrix(found, names, sources, categorical, matrix.parts)


def drawn(rows: int, weights: Floats | None, random: np.random.Generator, most: int = ROWS) -> Rows:
    """At most `most` rows in their order: all where none weighs more than another, else drawn by their weights."""
    if weights is None or np.ptp(weights) == 0:
        return np.arange(rows) if rows <= most else np.sort(random.choice(rows, most, replace=False))
    return np.sort(random.choice(rows, min(rows, most), p=weights / weights.sum()))
