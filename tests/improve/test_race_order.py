"""What a candidate takes is what it took at the first look beside the baseline; the order of the race goes by it."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from melior.improvement.plan import Candidate
from melior.improvement.race import Race
from melior.improvement.runner import Runner
from melior.recipe import Choice, Recipe
from melior.trials import shared as sharing
from melior.trials.bench import Result
from melior.trials.shared import Shared


def race():
    made = Race.__new__(Race)
    made.folds, made.workers, made.baseline_seconds, made.look_seconds = 5, 2, 10.0, 0.5
    return made


def runner(seconds, *, cost=4.0, looked=True):
    recipe = Recipe(model="linear")
    made = Runner(Candidate("a", Choice(name="threshold"), recipe, (), cost))
    made.alone, made.look = seconds, SimpleNamespace() if looked else None
    return made


def test_before_a_look_it_is_what_is_usual():
    assert race()._to_prove(runner(0.0, looked=False)) == pytest.approx(4 * 10.0)


def test_after_it_what_was_measured_whatever_is_usual():
    """On a part of the rows all take less, and what each does besides its fits does not shrink: no share says how."""
    assert race()._to_prove(runner(0.5)) == pytest.approx(10.0)
    assert race()._to_prove(runner(5.0, cost=1.0)) == pytest.approx(100.0)


def test_folds_that_were_run_are_not_counted_again():
    half = runner(1.0)
    half.results = {0: None, 1: None}
    assert race()._to_prove(half) == pytest.approx(2.0 * 2 * 3)


class Clock:
    """Stands, until it is set forward."""

    now = 0.0

    def perf_counter(self):
        return self.now


def test_what_others_made_is_counted_for_whoever_takes_it(monkeypatch):
    """Of those that share scores the one that comes first makes them, and the others are not the cheaper for it."""
    clock = Clock()
    monkeypatch.setattr(sharing, "time", clock)
    shared = Shared()

    def made(seconds, *needed):
        for key, make in needed:
            shared.once("scores", key, make)
        clock.now += seconds
        return "scores"

    inner = ("inner", lambda: made(5.0))
    shared.once("scores", *inner)
    assert (clock.now, shared.saved) == (5.0, 0.0)
    outer = ("outer", lambda: made(2.0, inner))
    shared.once("scores", *outer)
    assert (clock.now, shared.saved) == (7.0, 5.0)
    shared.once("scores", *outer)
    assert (clock.now, shared.saved) == (7.0, 12.0)
    shared.once("encoding", "rows", lambda: made(3.0))
    shared.once("encoding", "rows", lambda: made(3.0))
    assert (clock.now, shared.saved) == (10.0, 12.0)


def test_each_thread_counts_for_itself():
    shared = Shared()
    shared.once("scores", "a", lambda: time.sleep(0.02))
    seen = []
    other = threading.Thread(target=lambda: seen.append((shared.once("scores", "a", int), shared.saved)[1]))
    other.start()
    other.join()
    assert seen[0] > 0
    assert shared.saved == 0


def test_a_kept_trial_still_knows_what_it_takes_alone(tmp_path):
    result = Result(np.arange(3), np.ones((3, 2)) / 2, np.zeros(3, dtype=np.int32), 1.5, 4.0)
    (tmp_path / "trial").write_bytes(result.to_bytes(Recipe(model="linear")))
    again = Result.read(tmp_path / "trial")
    assert again is not None
    assert (again.seconds, again.alone) == (1.5, 4.0)


def test_a_trial_that_does_not_say_it_is_run_again(tmp_path):
    from safetensors.numpy import save

    arrays = {"rows": np.arange(3), "scores": np.ones((3, 2)) / 2, "answers": np.zeros(3, dtype=np.int32)}
    (tmp_path / "trial").write_bytes(save(arrays, metadata={"seconds": "1.5", "recipe": "{}"}))
    assert Result.read(tmp_path / "trial") is None


def test_how_often_folds_were_drawn_is_said_where_time_decided_it():
    one, other = (SimpleNamespace(candidate=SimpleNamespace(name=name)) for name in ("bagging", "threshold"))

    def told(going, done, settled=False):
        race = SimpleNamespace(repeats=5, settled=settled, notes=[])
        Race._tell_drawn(race, [one, other], going, done)
        return race.notes

    assert told([one, other], 4) == []
    assert told([], 0) == ["folds were drawn once, of 5 times at most, by the time there was"]
    assert told([one], 2) == [
        "folds were drawn 3 times, of 5 times at most, by the time there was, and once for threshold"
    ]
    assert told([one, other], 2, settled=True) == ["folds were drawn 3 times, of 5 times at most"]


def test_repeats_are_priced_as_if_nothing_were_shared_with_what_does_not_go_on():
    """What took the held-out scores that another made pays for them itself once the other is left out."""
    results = {fold: SimpleNamespace(seconds=0.2, alone=3.0) for fold in range(2)}
    runner = SimpleNamespace(results=results, seconds=0.4, candidate=SimpleNamespace(cost=5.0))
    assert Race._price(SimpleNamespace(settled=False, folds=2), runner) == 6.0
    assert Race._price(SimpleNamespace(settled=True, folds=2), runner) == 10.0
