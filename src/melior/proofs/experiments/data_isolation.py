"""What data_isolation is worth: how far the score that is reported lies from the one that new rows show, where rows of
one origin stand on both sides of a split and where they are kept together; where rows have nothing in common, it is the
same."""

import numpy as np
import polars as pl

from melior.data.read import read
from melior.data.splits import folds
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._figures import macro_f1, reported
from melior.proofs.tables import SETS, TARGET, Rows, split
from melior.recipe import Recipe, Split
from melior.trials.fit import fit

TREES = {"trees": {"rounds": 15}}


def repeated(rows: Rows, times: int, seed: int) -> Rows:
    """Each row measured several times: numbers with a little noise, and a number of who was measured."""
    random = np.random.default_rng([seed, 302])
    which = np.repeat(np.arange(len(rows.labels)), times)
    taken = rows.take(which)
    values = taken.frame.select(rows.numbers()).to_numpy()
    noise = 0.02 * values.std(axis=0) * random.normal(size=values.shape)
    noisy = [pl.Series(name, column) for name, column in zip(rows.numbers(), (values + noise).T, strict=True)]
    frame = taken.frame.with_columns(noisy).with_columns(pl.Series("person", [f"p{n}" for n in which]))
    return Rows(rows.name, frame, taken.labels)


def gap(seed: int, changed: bool, *, name: str = "digits", rows: int = 150, times: int = 4) -> float:
    """|reported - true| macro F1. With the change splits are by group, without it they are stratified."""
    train, test = split(SETS[name](seed), 0.6, seed)
    few = split(train, min(rows / len(train.labels), 0.95), seed + 1)[0]
    table = read(repeated(few, times, seed).whole(), target=TARGET, columns={"person": "ignore"})
    new = read(test.frame.with_columns(pl.lit("new").alias("person"), pl.Series(TARGET, test.labels.tolist())),
               target=TARGET, columns={"person": "ignore"})  # fmt: skip
    recipe = Recipe(model=TREES, metric="macro_f1")
    how = Split(kind="group", column="person", repeats=1) if changed else Split(kind="stratified", repeats=1)
    said = reported(recipe, table, folds(table, how, seed))
    return abs(said - macro_f1(fit(recipe, table), new))


PROOF = Proof(
    question=22,
    paper="Kapoor and Narayanan, Leakage and the Reproducibility Crisis in Machine-Learning-Based Science, 2023",
    helps=(
        Case("digits, each measured four times", figure=gap, unit="macro F1 too much", smaller_is_better=True),
        Case(
            "breast cancer, each measured four times",
            figure=lambda seed, changed: gap(seed, changed, name="breast_cancer", rows=120),
            unit="macro F1 too much",
            smaller_is_better=True,
        ),
    ),
    does_not=(
        Case(
            "digits, each measured once",
            figure=lambda seed, changed: gap(seed, changed, times=1),
            unit="macro F1 too much",
            smaller_is_better=True,
        ),
    ),
)
