"""Scores against noisy labels, corrected: what they would be against the true ones.

If a row of true class t carries the label g with probability N[t, g], then row g of the inverse of N is a label weight
whose expectation, given t, is one-hot(t). Any sum that is linear in one-hot labels is therefore estimated without bias
by putting these weights in their place. They are signed; that is what takes out the noise. The price is variance.
Natarajan et al., Learning with Noisy Labels, NeurIPS 2013; Menon et al., Learning from Corrupted Binary Labels, 2015.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from melior.errors import UserError
from melior.metrics._base import Floats

LARGEST_WEIGHT = 10.0  # a larger weight in the inverse means that more than 99 of 100 rows are lost to the correction


def label_weights(
    codes: ArrayLike, noise_matrix: ArrayLike, *, weights: ArrayLike | None = None, classes: Sequence[str] = ()
) -> Floats:
    """Truth, (rows, classes), whose expectation given the true class is one-hot; each row sums to 1 (or its weight).

    codes (rows,): the given labels; noise_matrix (classes, classes): P(given g | true t) in row t, column g.

    >>> label_weights([0, 1], [[0.9, 0.1], [0.2, 0.8]]).round(3).tolist()
    [[1.143, -0.143], [-0.286, 1.286]]
    """
    truth = _inverse(noise_matrix, classes)[np.asarray(codes, dtype=np.int64)]
    return truth if weights is None else truth * np.asarray(weights, dtype=np.float64)[:, None]


def corrected_joint(joint: ArrayLike, noise_matrix: ArrayLike, *, clip: bool = True) -> Floats:
    """Joint of (true class, anything) from the joint of (given label, anything): transpose(inverse(N)) @ joint.

    joint (classes, columns): counts or shares, for example a confusion table of given label and answer. With `clip`,
    negative cells, which are noise, become 0 and the total is kept; without, the estimate is unbiased.

    >>> corrected_joint([[78.0, 2.0], [12.0, 8.0]], [[0.9, 0.1], [0.2, 0.8]]).round(2).tolist()
    [[85.71, 0.0], [4.29, 10.0]]
    """
    corrected: Floats = _inverse(noise_matrix, ()).T @ np.asarray(joint, dtype=np.float64)
    if clip:
        total = corrected.sum()
        corrected = np.maximum(corrected, 0.0)
        if corrected.sum() > 0:
            corrected *= total / corrected.sum()
    return corrected


def _inverse(noise_matrix: ArrayLike, classes: Sequence[str]) -> Floats:
    noise = np.asarray(noise_matrix, dtype=np.float64)
    if noise.ndim != 2 or noise.shape[0] != noise.shape[1]:
        raise UserError(f"A noise matrix has one row and one column for each class; this one is {noise.shape}.")
    if (noise < 0).any() or not np.allclose(noise.sum(axis=1), 1.0, atol=1e-6):
        raise UserError("Row t of a noise matrix holds P(given label | true t): no negative numbers, and the sum is 1.")
    inverse = np.linalg.inv(noise) if np.linalg.cond(noise) < 1e12 else np.full(noise.shape, np.inf)
    if np.abs(inverse).max() > LARGEST_WEIGHT:
        one, other = _most_alike(noise)
        said = [f"{classes[k]!r}" if len(classes) == len(noise) else f"number {k}" for k in (one, other)]
        raise UserError(
            f"The labels are too noisy to correct for: rows of class {said[0]} and class {said[1]} carry nearly the "
            f"same labels. Give trusted labels for some held-out rows and score on those."
        )
    return np.asarray(inverse, dtype=np.float64)


def _most_alike(noise: Floats) -> tuple[int, int]:
    distance = np.abs(noise[:, None, :] - noise[None, :, :]).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    one, other = np.unravel_index(int(distance.argmin()), distance.shape)
    return int(one), int(other)
