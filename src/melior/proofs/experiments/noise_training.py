"""What noise_training is worth: new rows that are less exact than the training rows; on rows as exact it should not
help."""

from dataclasses import replace

import numpy as np
import polars as pl

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import given, plain
from melior.proofs.tables import SETS, Rows, split

NETWORK = {"tabular_network": {"epochs": 20, "batch_rows": 32}}
STRONG = ({"noise_training": {"numbers": 0.5}},)


def blurred(rows: Rows, seed: int, share: float) -> Rows:
    """Numbers with Gaussian noise of this share of their column's standard deviation."""
    random = np.random.default_rng([seed, 310])
    spread = {name: float(rows.frame[name].cast(pl.Float64).std() or 0.0) for name in rows.numbers()}  # type: ignore[arg-type]
    noise = [
        pl.Series(name, rows.frame[name].to_numpy() + share * spread[name] * random.normal(size=rows.frame.height))
        for name in rows.numbers()
    ]
    return replace(rows, frame=rows.frame.with_columns(noise))


def less_exact(name: str, seed: int, share: float = 0.7) -> Given:
    """Training rows as they are; new ones from a worse instrument."""
    train, test = split(SETS[name](seed), 0.7, seed)
    return given(train, blurred(test, seed, share))


PROOF = Proof(
    question=12,
    paper="Bishop, Neural Computation 1995",
    helps=(
        Case("digits, new rows less exact", lambda seed: less_exact("digits", seed), NETWORK, STRONG,
             metric="accuracy", seeds=3),
        Case("digits, new rows less exact, trees on noisy copies", lambda seed: less_exact("digits", seed),
             {"trees": {"rounds": 60}}, STRONG, metric="accuracy"),
        Case("mixed table, new rows less exact, trees on noisy copies", lambda seed: less_exact("mixed 3000", seed),
             {"trees": {"rounds": 60}}, STRONG, metric="accuracy"),
    ),
    does_not=(
        Case("digits, new rows as exact", lambda seed: plain("digits", seed), NETWORK, STRONG, metric="accuracy",
             seeds=3),
        Case("mixed table, new rows less exact, linear", lambda seed: less_exact("mixed 3000", seed), "linear", STRONG,
             metric="accuracy"),
        Case("mixed table, new rows as exact, trees", lambda seed: plain("mixed 3000", seed), {"trees": {"rounds": 60}},
             STRONG, metric="accuracy"),
    ),
)  # fmt: skip
