"""What the terminal says of an improvement: no more than was proved, and lists that can be read."""

from types import SimpleNamespace

import pytest

from melior.evidence import Evidence
from melior.improvement.improvement import Outcome
from melior.improvement.race import Race
from melior.improvement.runner import NO_TIME, Runner
from melior.metrics import Interval


def said(low, high, accepted=("threshold",)):
    found = SimpleNamespace(
        accepted=accepted, aims=(), as_labelled="", metric="macro_f1", baseline=Interval(0.6, 0.5, 0.7),
        final=Interval(0.66, 0.57, 0.74), gain=Interval(0.055, low, high), begins="",
    )  # fmt: skip
    return Outcome.said(found)


def test_what_the_sealed_rows_prove_is_said_of_them():
    assert said(0.01, 0.1).startswith("threshold provably helps: macro_f1 on the sealed rows went from 0.6")


@pytest.mark.parametrize("low", [-0.009, 0.0])
def test_what_they_do_not_prove_was_proved_on_the_development_rows(low):
    told = said(low, 0.137, ("bagging", "threshold"))
    assert told.startswith(
        "bagging, threshold provably help on the development rows; the sealed rows alone are too few to prove it once "
        "more: macro_f1 on the sealed rows went from 0.6"
    )


def test_a_notebook_says_what_print_says():
    """The score before repair and what was repaired; and settings tell the trials of one method apart."""
    tried = [
        Evidence(("bagging",), 0.1, 0.0, 0.2, 0.1, 0.1, "undecided", 1.0, 5, settings=settings)
        for settings in ({}, {"members": 25})
    ]
    found = SimpleNamespace(
        said=lambda: "Nothing helps.", evidence=tried, reported_before_repair=0.9, aims=(), regressions=(),
        repairs=(SimpleNamespace(message="left out 'rating'"),), begins="the recipe begins with l1_selection",
    )  # fmt: skip
    found._beside = lambda: Outcome._beside(found)
    for shown in (Outcome.__repr__(found), Outcome._repr_html_(found).replace("&#x27;", "'")):
        assert "before repair the score looked like 0.900" in shown
        assert "repaired: left out 'rating'" in shown
        assert "the recipe begins with l1_selection" in shown
        assert shown.count("bagging (members=25)") == 1


def test_names_with_commas_are_told_apart():
    race = Race(*[None] * 7)
    race.notes = []
    runners = [Runner(SimpleNamespace(name=name)) for name in ("trees", "trees, threshold", "bagging")]
    race._tell_left(runners)
    assert race.notes == ["not tried, because the time ran out: trees; trees, threshold; bagging"]
    race.notes, race._left, race._takes, race.trials = [], lambda when: 1.0, lambda runner: 9.0, SimpleNamespace()
    race.workers = 1
    assert race._begin(runners) == []
    assert race.notes[0].endswith("trees; trees, threshold; bagging")
    assert all(runner.stopped == NO_TIME for runner in runners)
