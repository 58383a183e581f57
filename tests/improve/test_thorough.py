"""Where rows are many a part of the budget is enough, and what is not proved for that is said; `--thorough` uses it."""

import time

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.splits import folds
from melior.improvement import race as racing
from melior.improvement.pace import all_at_once, quick
from melior.improvement.plan import candidates
from melior.improvement.race import SAVED, Race
from melior.metrics.registry import metric
from melior.progress import silent
from melior.recipe import Recipe, Split
from melior.trials.run import Trials

RECIPE = Recipe(model={"linear": {"longest": 1, "characters": False}}, metric="macro_f1", split={"folds": 3})
TRIED = ("class_weights", "oversampling", "undersampling", "threshold")


def rare():
    """Two classes, one of them rare and hard to tell: several ways to balance them help."""
    random = np.random.default_rng(0)
    answer = random.random(600) < 0.1
    frame = pl.DataFrame({f"x{i}": random.normal(size=600) + answer for i in range(3)})
    return melior.read(frame.with_columns(pl.Series("y", np.where(answer, "rare", "common").tolist())), target="y")


def raced(monkeypatch, thorough, once=False):
    """A race on few rows whose constants say that next to nothing may be spent on them; once: with no look at one fold
    before."""
    for name in ("LOOK", "CONFIRM"):
        monkeypatch.setattr(racing, name, 0.0)
    monkeypatch.setattr(racing, "quick", lambda rows: 0.0)
    monkeypatch.setattr(racing, "all_at_once", lambda seconds, left, rows, thorough: once)
    table = rare()
    trials = Trials(table, folds(table, Split(folds=3, repeats=2), 0), workers=1)
    planned, _ = candidates(RECIPE, (), table, attempt=TRIED, never=("label_cleaning",))
    race = Race(trials, metric("macro_f1", table.classes), table.truth(), RECIPE, planned, time.monotonic() + 1e6,
                silent, thorough=thorough)  # fmt: skip
    race.run()
    return race


def test_what_is_not_proved_to_save_time_is_said(monkeypatch):
    race = raced(monkeypatch, thorough=False)
    saved = [runner.candidate.name for runner in race.runners if runner.stopped == SAVED]
    assert saved
    (note,) = [note for note in race.notes if "to save time" in note]
    assert "`--thorough`" in note
    assert "thorough=True" in note
    assert set(note.split(": ", 1)[1].split("; ")) == set(saved)
    assert all(verdict.verdict == "undecided" for runner, verdict in race.judged() if runner.stopped == SAVED)


@pytest.mark.parametrize("once", [True, False])
def test_with_time_left_all_that_is_promising_is_proved(monkeypatch, once):
    race = raced(monkeypatch, thorough=True, once=once)
    assert sum(runner.complete for runner in race.runners) >= 2
    assert not [note for note in race.notes if "not proved" in note]
    assert all(runner.complete or runner.stopped not in ("", SAVED) for runner in race.promising)


def test_the_more_rows_the_less_of_the_budget():
    assert quick(1000) == quick(4000) > quick(8000) > quick(16_000)
    assert all_at_once(100, 1000, 50_000, thorough=True)
    assert not all_at_once(100, 1000, 50_000)
    assert not all_at_once(600, 1000, 50_000, thorough=True)
