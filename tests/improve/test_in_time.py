"""A budget holds before the race too: fewer folds of a slow baseline, and no family that takes too long."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from melior.data.splits import folds
from melior.improvement import race as racing
from melior.improvement.race import Race
from melior.metrics.registry import metric
from melior.progress import silent
from melior.recipe import Recipe, Split
from melior.runs import study
from melior.testing import tables
from melior.trials import family
from melior.trials.run import Trials

RECIPE = Recipe(model="linear", metric="accuracy", split={"folds": 5, "repeats": 2})


def raced(monkeypatch, *, jump, settled=False):
    """A race whose clock goes on by so many seconds whenever somebody looks at it, 100 seconds from its end."""
    looked = []

    def monotonic():
        looked.append(1)
        return time.monotonic() + jump * len(looked)

    table = tables.number_table(150)
    trials = Trials(table, folds(table, Split(folds=5, repeats=2), 0), workers=1)
    deadline = time.monotonic() + 100
    for module in (racing, study):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    race = Race(trials, metric("accuracy", table.classes), table.truth(), RECIPE, [], deadline, silent, settled=settled)
    race.run()
    return race


def test_a_baseline_that_takes_half_of_the_time_is_run_on_fewer_folds(monkeypatch):
    race = raced(monkeypatch, jump=40.0)
    assert race.folds == len(race.base_results) == 2
    assert race.repeats == 1
    assert race.scored_rows == len(race.base.rows) < 150
    assert race.notes == ["2 of 5 folds were run, because a fold takes long for this budget"]


@pytest.mark.parametrize(("jump", "settled"), [(0.0, False), (40.0, True)])
def test_all_folds_are_run_where_there_is_time_or_where_no_clock_counts(monkeypatch, jump, settled):
    race = raced(monkeypatch, jump=jump, settled=settled)
    assert race.folds == len(race.base_results) == 5
    assert race.notes == []


def chosen(monkeypatch, needs, allowed=10.0):
    monkeypatch.setattr(family, "_needs", lambda took, *rest: needs.pop(0))
    return family.choose_family(
        Recipe(metric="accuracy", model="auto"), tables.number_table(120), allowed=allowed, workers=1
    )


def test_a_family_whose_last_fits_do_not_end_in_time_is_not_taken(monkeypatch):
    for slow, other in ((0, "trees"), (1, "linear")):
        needs = [5.0, 5.0]
        needs[slow] = 31.0
        found = chosen(monkeypatch, needs)
        assert found.recipe.model.name == other
        assert "some 31 seconds, too much of the budget" in found.reason


def test_where_all_take_too_long_the_fastest_is_taken(monkeypatch):
    assert chosen(monkeypatch, [90.0, 50.0]).recipe.model.name == "trees"
    assert chosen(monkeypatch, [50.0, 90.0]).recipe.model.name == "linear"


def test_what_a_family_needs_grows_with_rows_and_folds():
    table = tables.number_table(120)
    sample = table.take(np.arange(60))
    small = family._needs(1.0, sample, sample, RECIPE)
    assert family._needs(1.0, table, sample, RECIPE) == pytest.approx(2 * small)
    assert family._needs(2.0, sample, sample, RECIPE) == pytest.approx(2 * small)
    assert family._needs(1.0, sample, sample, RECIPE.with_split(folds=11)) == pytest.approx(2 * small)
