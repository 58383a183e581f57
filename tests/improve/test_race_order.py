"""What a candidate takes is what it took at the first look beside the baseline; the order of the race goes by it."""

from types import SimpleNamespace

import pytest

from melior.improvement.plan import Candidate
from melior.improvement.race import Race
from melior.improvement.runner import Runner
from melior.recipe import Choice, Recipe


def race():
    made = Race.__new__(Race)
    made.folds, made.workers, made.baseline_seconds, made.look_seconds = 5, 2, 10.0, 0.5
    return made


def runner(seconds, *, cost=4.0, looked=True):
    recipe = Recipe(model="linear")
    made = Runner(Candidate("a", Choice(name="threshold"), recipe, (), cost))
    made.seconds, made.look = seconds, SimpleNamespace() if looked else None
    return made


def test_before_a_look_it_is_what_is_usual():
    assert race()._to_prove(runner(0.0, looked=False)) == pytest.approx(4 * 10.0)


def test_after_it_what_was_measured_whatever_is_usual():
    """On a part of the rows all take less, and what each does besides its fits does not shrink: no share says how."""
    assert race()._to_prove(runner(0.5)) == pytest.approx(10.0)
    assert race()._to_prove(runner(5.0, cost=1.0)) == pytest.approx(100.0)


def test_folds_that_were_run_are_not_counted_again():
    half = runner(2.0)
    half.results = {0: None, 1: None}
    assert race()._to_prove(half) == pytest.approx(2.0 * 2 * 3)
