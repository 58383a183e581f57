"""What rare_augmentation is worth: where a few rows follow a rule of their own, more of them let a model learn it;
where what is rare follows the rule of all, there is little to learn."""

import numpy as np
import polars as pl

from melior.proofs import data
from melior.proofs._base import Case, Given, Proof
from melior.proofs.tables import Rows, labels_of, split


def corners(seed: int, rows: int = 3500, share: float = 0.06) -> Given:
    """Two columns decide, three say nothing; a share of the rows lies far out, and there the rule is turned round."""
    random = np.random.default_rng([seed, 641])
    values = random.normal(size=(rows, 5))
    labels = (values[:, 0] + 0.5 * values[:, 1] + 0.3 * random.normal(size=rows) > 0).astype(int)
    far = random.random(rows) < share
    values[far, 2] = random.normal(4, 1, far.sum())
    labels[far] = 1 - labels[far]
    frame = pl.DataFrame({f"x{place}": values[:, place] for place in range(5)})
    whole = Rows("corners", frame, labels_of(labels))
    train, test = split(whole, 0.2, seed)
    # half of what is scored are rows from far out, which the training rows have few of
    rare, usual = np.flatnonzero(test.frame["x2"].to_numpy() > 2.5), np.flatnonzero(test.frame["x2"].to_numpy() <= 2.5)
    return data.given(train, test.take(np.concatenate([rare, usual[: len(rare)]])))


PROOF = Proof(
    question=12,
    paper="Loftsgaarden and Quesenberry, A Nonparametric Estimate of a Multivariate Density Function, 1965",
    helps=(
        Case("a few rows far out with a rule of their own, trees", corners, model="trees",
             methods=("rare_augmentation",)),
        Case("a few rows far out with a rule of their own, trees, told by weights", corners, model="trees",
             methods=({"rare_augmentation": {"kind": "weights"}},)),
        Case("digits, 300 of them", lambda seed: data.plain("digits", seed, rows=300), methods=("rare_augmentation",)),
    ),
    does_not=(
        Case("breast cancer as it is", lambda seed: data.plain("breast_cancer", seed), methods=("rare_augmentation",)),
        Case("mixed", lambda seed: data.plain("mixed 600", seed), methods=("rare_augmentation",)),
    ),
)  # fmt: skip
