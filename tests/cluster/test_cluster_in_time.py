"""What a cluster may take of the budget, asked of a courier that says what the test wants it to."""

import time

import pytest

import melior
from melior.data.splits import folds
from melior.errors import UserError
from melior.recipe import Recipe, Split
from melior.testing import tables
from melior.trials.executors import cluster
from melior.trials.executors.cluster import Cluster
from melior.trials.run import Trials

LINEAR = Recipe(model="linear", metric="macro_f1")
BEGINNING = """\
import os, sys, time
sys.path.append(sys.argv[1])
from melior.trials.executors._wire import Inbox, say
pipe, inbox = os.fdopen(os.dup(1), "wb"), Inbox(sys.stdin.buffer)
hello = inbox.next(600)
"""
SILENCE = """\
while inbox.next(600):
    pass
"""


@pytest.fixture
def courier(monkeypatch):
    """Makes the courier say something, and then nothing until nobody asks any more."""
    monkeypatch.setattr(cluster, "find_spec", lambda name: True)  # Ray is not needed

    def saying(lines):
        monkeypatch.setattr(cluster, "_PROGRAM", BEGINNING + lines + SILENCE)

    return saying


def one_trial(executor):
    table = tables.number_table(60)
    return Trials(table, folds(table, Split(folds=3), 0), executor=executor).run(LINEAR, 0)


@pytest.mark.parametrize("lines", ["", "say(pipe, 'awake')\n", "say(pipe, 'awake'); say(pipe, 'connected')\n"])
def test_a_cluster_that_takes_too_much_of_the_budget_to_connect_is_left(courier, lines):
    courier(lines)
    with Cluster(budget=5.0) as executor:
        assert len(executor.notes) == 1
        assert executor.notes[0].endswith(" seconds, for which the budget is too short: trials went on on this machine")
        assert executor.workers > 0
        assert one_trial(executor).scores.size


def test_it_is_not_left_while_there_is_time(courier, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECTING", 1.0)
    courier("say(pipe, 'awake')\n")
    with pytest.raises(UserError, match="no answer in time"):
        Cluster(budget=3600.0)


def test_machines_that_are_ready_do_not_wait_for_the_others_beyond_the_budget(courier):
    courier("say(pipe, 'awake'); say(pipe, 'connected'); say(pipe, 'workers', workers=3)\n")
    with Cluster(budget=40.0) as executor:  # the courier has twelve seconds to begin
        assert executor.notes == []
        assert executor.workers == 3


@pytest.mark.parametrize(("budget", "grace"), [(40.0, 4.0), (3600.0, 20.0)])
def test_the_courier_is_told_how_long_others_are_waited_for(courier, budget, grace):
    courier("say(pipe, 'no', sentence=str(hello.about['grace']))\n")
    with pytest.raises(UserError, match=f"^{grace}$"):
        Cluster(budget=budget)


def test_a_free_cpu_is_waited_for_no_longer_than_the_budget_allows(courier):
    courier("say(pipe, 'ready', machines=0, workers=0)\n")
    with Cluster(budget=40.0) as executor:
        assert (executor.patience, executor.silence) == (4.0, 12.0)
        executor.patience = 0.5
        assert one_trial(executor).scores.size
        assert executor.notes == [
            "no machine of the cluster had a free CPU for 0.5 seconds: trials went on on this machine"
        ]


def test_a_courier_that_says_nothing_is_left_after_a_share_of_the_budget(courier):
    courier("say(pipe, 'ready', machines=1, workers=1)\n")
    with Cluster(budget=40.0) as executor:
        executor._heard = time.monotonic() - 13.0
        executor._look()
        assert executor.notes == ["the cluster did not answer for 12 seconds: trials went on on this machine"]


def test_with_much_time_the_usual_patience_is_kept(courier):
    courier("say(pipe, 'ready', machines=1, workers=1)\n")
    for how in ({}, {"budget": 3600.0}):
        with Cluster(**how) as executor:
            assert (executor.patience, executor.silence) == (30.0, 90.0)


def test_improve_says_what_its_budget_is(tmp_path, monkeypatch):
    def asked(address, *, budget, progress):
        raise UserError(f"{address}, {budget}")

    monkeypatch.setattr(cluster, "Cluster", asked)
    with pytest.raises(UserError, match=r"^auto, 20\.0$"):
        melior.improve(tmp_path / "rows.csv", target="y", cluster="auto", budget="20s")
