"""A settled race gives the same verdicts on a slow machine and on a fast one, and says so where time runs out."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from melior.data.splits import folds
from melior.improvement import race as racing
from melior.improvement.plan import candidates
from melior.improvement.race import Race
from melior.metrics.registry import metric
from melior.progress import silent
from melior.recipe import Recipe, Split
from melior.testing import tables
from melior.trials.run import Trials

RECIPE = Recipe(model={"linear": {"longest": 1, "characters": False}}, metric="macro_f1", split={"folds": 3})
TRIED = ("calibration", "class_weights", "oversampling", "normalization")
NEVER = ("label_cleaning",)


class Clock:
    """Goes on by so many seconds more whenever it is looked at."""

    def __init__(self, jump):
        self.jump, self.looked = jump, 0

    def monotonic(self):
        self.looked += 1
        return time.monotonic() + self.jump * self.looked


@pytest.fixture(scope="module")
def trials():
    table = tables.number_table(120, classes=2, seed=2)
    return Trials(table, folds(table, Split(folds=3, repeats=2), 0), workers=1)


def told(trials, monkeypatch, *, jump, settled, left=1e9, workers=1):
    """(method, settings, effect, verdict, folds run) of every candidate, and the notes."""
    monkeypatch.setattr(racing, "time", SimpleNamespace(monotonic=Clock(jump).monotonic))
    again = Trials(trials.table, trials.folds, workers=workers)
    planned, _ = candidates(RECIPE, (), trials.table, attempt=TRIED, never=NEVER)
    race = Race(again, metric("macro_f1", trials.table.classes), trials.table.truth(), RECIPE, planned,
                time.monotonic() + left, silent, settled=settled)  # fmt: skip
    race.run()
    found = [
        (str(runner.candidate.method), verdict.effect, verdict.p_adjusted, verdict.verdict, sorted(runner.results))
        for runner, verdict in race.judged()
    ]
    return found, race.notes


def test_the_clock_decides_nothing(trials, monkeypatch):
    fast, notes = told(trials, monkeypatch, jump=0.0, settled=True)
    slow, _ = told(trials, monkeypatch, jump=5.0, settled=True)
    assert fast == slow
    assert notes == []
    assert any(len(done) > 3 for *_, done in fast)  # some had other folds too


@pytest.mark.parametrize("workers", [3, 10])  # 10: several candidates at once
def test_nor_do_the_trials_that_run_side_by_side(trials, monkeypatch, workers):
    assert told(trials, monkeypatch, jump=0.0, settled=True) == told(
        trials, monkeypatch, jump=0.0, settled=True, workers=workers
    )


def test_in_a_race_that_is_not_settled_it_does(trials, monkeypatch):
    fast, slow = (told(trials, monkeypatch, jump=jump, settled=False)[0] for jump in (0.0, 5.0))
    assert fast != slow


def test_a_deadline_that_comes_first_is_told(trials, monkeypatch):
    found, notes = told(trials, monkeypatch, jump=5.0, settled=True, left=60.0)
    assert any("because the time ran out" in note for note in notes)
    assert all(verdict != "accepted" or len(done) >= 3 for _, _, _, verdict, done in found)


@pytest.mark.parametrize("settled", [True, False])
def test_a_repeat_that_the_deadline_cuts_off_takes_nothing_from_the_one_before(trials, settled):
    over = []

    def progress(stage, *rest):
        if "(2 of" in stage:
            over.append(stage)

    three = Trials(trials.table, folds(trials.table, Split(folds=3, repeats=3), 0), workers=1)
    planned, _ = candidates(RECIPE, (), trials.table, attempt=TRIED, never=NEVER)
    race = Race(three, metric("macro_f1", trials.table.classes), trials.table.truth(), RECIPE, planned,
                time.monotonic() + 1e9, progress, settled=settled)  # fmt: skip
    race.deadline_passed = lambda: bool(over)
    race.run()
    assert over
    judged = race.judged()
    assert max(len(runner.results) for runner, _ in judged) == 6  # two drawings of three folds
    assert len(race.base.rows) == 2 * trials.table.rows


def test_repeats_go_by_what_methods_usually_cost():
    def runner(cost):
        return SimpleNamespace(candidate=SimpleNamespace(cost=cost), seconds=np.nan)

    race = object.__new__(Race)
    race.settled, race.folds, race.repeats, race.baseline = True, 5, 5, RECIPE
    going, times = race._affordable([runner(4.0), runner(1.0)])
    assert (len(going), times) == (2, 4)
    going, times = race._affordable([runner(10.0), runner(12.0)])
    assert (len(going), times) == (2, 1)
    going, times = race._affordable([runner(12.0), runner(20.0), runner(18.0)])
    assert (len(going), times) == (1, 2)  # what gains least for its cost stays behind
    race.baseline = RECIPE.with_split(repeats=5)
    assert race._affordable([runner(20.0)] * 3)[1] == 4  # asked for
