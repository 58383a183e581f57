"""Where rows are very many, fewer folds are run: as many as score enough rows, two at least, and that is said."""

import numpy as np
import pytest

from melior.data.splits import Fold
from melior.improvement import pace
from melior.improvement.improve import improve_table
from melior.improvement.pace import enough_folds
from melior.methods._base import methods
from melior.recipe import Recipe
from melior.testing import tables


def dealt(rows, folds=5, repeats=2):
    cut = np.array_split(np.arange(rows), folds)
    return [
        Fold(np.setdiff1d(np.arange(rows), part), part, repeat, n)
        for repeat in range(repeats)
        for n, part in enumerate(cut)
    ]


@pytest.mark.parametrize(
    ("rows", "enough", "wanted"), [(1000, 10_000, 5), (1000, 1000, 5), (1000, 600, 3), (1000, 601, 4), (1000, 10, 2)]
)
def test_as_many_folds_as_score_enough_rows(monkeypatch, rows, enough, wanted):
    monkeypatch.setattr(pace, "ENOUGH_ROWS", enough)
    assert enough_folds(dealt(rows)) == wanted


def test_usual_sizes_run_every_fold():
    assert enough_folds(dealt(20_000)) == 5


def test_a_race_of_fewer_folds_says_so_and_scores_each_candidate_on_them(monkeypatch):
    monkeypatch.setattr(pace, "ENOUGH_ROWS", 100)
    table = tables.number_table(300)
    recipe = Recipe(model="linear", metric="accuracy")
    never = [name for name in methods() if name not in ("l2_penalty", "bagging")]
    found = improve_table(table, recipe, budget=600.0, never=never, attempt=["l2_penalty"], workers=1)[0]
    assert any("of 5 folds were run" in note for note in found.notes)
    assert found.evidence
    assert max(one.trials for one in found.evidence) <= 3
