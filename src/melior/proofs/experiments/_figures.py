"""Figures that several experiments ask for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from melior.data.splits import Fold
from melior.data.table import Table
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import fit


def macro_f1(predictor: Predictor, table: Table) -> float:
    """On the rows of a table; classes without a row of either kind do not count."""
    return float(f1_score(table.given_labels(), predictor.answers(table), average="macro"))


def reported(recipe: Recipe, table: Table, folds: Sequence[Fold]) -> float:
    """Macro F1 of the answers of a cross-validation, all rows together."""
    answers = np.full(table.rows, -1, dtype=np.int64)
    for fold in folds:
        answers[fold.test] = fit(recipe, table.take(fold.train)).answers(table.take(fold.test))
    told = answers >= 0
    return float(f1_score(table.given_labels()[told], answers[told], average="macro"))


def named(recipe: Recipe, table: Table, symptom: str) -> list[str]:
    """Columns that the audit names for a symptom."""
    from melior.trials.audit import run_checks

    found: Any = run_checks(table, recipe, only=(symptom,))
    return sorted({column for finding in found.findings if finding.symptom == symptom for column in finding.columns})
