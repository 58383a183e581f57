"""What preprocessing_isolation is worth: how far the score that is reported lies from the true one, where features are
chosen on all rows before the split and where each fold chooses its own; where few features are chosen from, it is the
same."""

import numpy as np
import polars as pl

from melior.data.read import read
from melior.data.splits import folds
from melior.data.table import Table
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._figures import macro_f1, reported
from melior.recipe import Recipe, Split
from melior.trials.fit import fit

ROWS, NEW = 100, 2000


def table_of(columns: int, telling: int, seed: int) -> tuple[Table, Table]:
    """Gaussian columns, `telling` of which differ between the two classes; rows to work on and new ones."""
    random = np.random.default_rng([seed, 303])
    labels = np.arange(ROWS + NEW) % 2
    values = random.normal(size=(ROWS + NEW, columns))
    values[:, :telling] += 0.5 * labels[:, None]
    frame = pl.DataFrame(values, schema=[f"x{n}" for n in range(columns)])
    frame = frame.with_columns(pl.Series("y", np.where(labels == 1, "yes", "no").tolist()))
    table = read(frame, target="y")
    return table.take(np.arange(ROWS)), table.take(np.arange(ROWS, ROWS + NEW))


def gap(seed: int, changed: bool, *, columns: int = 400, telling: int = 0) -> float:
    """|reported - true| macro F1. With the change l1_selection is fitted in each fold, without it on all rows."""
    table, new = table_of(columns, telling, seed)
    chooses = Recipe(model="linear", metric="macro_f1", methods=({"l1_selection": {}},))
    whole = fit(chooses, table)
    true = macro_f1(whole, new)
    how = folds(table, Split(kind="stratified", repeats=1), seed)
    if changed:
        return abs(reported(chooses, table, how) - true)
    kept = whole.scorer.encoding.matrix_steps[0].which  # type: ignore[attr-defined]
    names = [table.features()[number] for number in kept]
    gone = [name for name in table.features() if name not in names]
    return abs(reported(chooses.without_methods("l1_selection"), table.without_columns(gone), how) - true)


PROOF = Proof(
    question=22,
    paper="Ambroise and McLachlan, Selection Bias in Gene Extraction, PNAS 2002",
    helps=(
        Case("400 columns of noise, 100 rows", figure=gap, unit="macro F1 too much", smaller_is_better=True),
        Case("400 columns, 10 of them telling, 100 rows",
             figure=lambda seed, changed: gap(seed, changed, telling=10),
             unit="macro F1 too much", smaller_is_better=True),
    ),
    does_not=(
        Case("10 columns, all telling, 100 rows",
             figure=lambda seed, changed: gap(seed, changed, columns=10, telling=10),
             unit="macro F1 too much", smaller_is_better=True),
    ),
)  # fmt: skip
