"""What sparse_matrices are worth: terms of texts take as much memory as the texts have words, not rows times terms; a
matrix that is mostly filled would only be larger so."""

import tracemalloc
from typing import Any

import numpy as np

from melior.proofs._base import Case, Proof


def peak(values: Any, sparse: bool, seed: int) -> float:
    """The most memory, in MiB, that making a matrix and a linear fit on it take beyond what was held before."""
    from scipy.sparse import csr_matrix, issparse

    from melior.features._base import Matrix
    from melior.models.linear import Linear

    labels = np.random.default_rng(seed).integers(0, 2, values.shape[0]).astype(np.int32)
    model = Linear(rounds=20)
    model.fit(Matrix(np.eye(4), list("abcd"), list("abcd")), np.array([0, 1, 0, 1], dtype=np.int32), None, 2, seed=0)
    names = [str(number) for number in range(values.shape[1])]
    tracemalloc.start()
    try:
        made = csr_matrix(values, copy=True) if sparse else values.toarray() if issparse(values) else values.copy()
        model.fit(Matrix(made, names, names), labels, None, 2, seed=seed)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def terms(seed: int, sparse: bool) -> float:
    """Terms of generated texts: 3,000 rows of 20,000 features, 24 a row."""
    random = np.random.default_rng([seed, 211])
    from scipy.sparse import csr_matrix

    columns = ((20_000 ** random.random((3000, 24))).astype(np.int64) - 1).ravel()
    values = csr_matrix((np.ones(len(columns)), (np.repeat(np.arange(3000), 24), columns)), shape=(3000, 20_000))
    return peak(values, sparse, seed)


def filled(seed: int, sparse: bool) -> float:
    """Numbers: 60,000 rows of 100 features, all of them there."""
    return peak(np.random.default_rng([seed, 212]).normal(size=(60_000, 100)), sparse, seed)


PROOF = Proof(
    question=7,
    paper="Gustavson, Some Basic Techniques for Solving Sparse Systems of Linear Equations, 1972",
    helps=(
        Case(
            "3,000 texts of 20,000 terms, memory of a linear fit",
            figure=terms,
            unit="MiB",
            smaller_is_better=True,
        ),
    ),
    does_not=(
        Case("60,000 rows of 100 numbers that are all there", figure=filled, unit="MiB", smaller_is_better=True),
    ),
)
