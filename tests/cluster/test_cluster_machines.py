"""Trials on a real Ray cluster of several nodes on this machine: the same to the last bit as here, whatever is lost."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from counting import NEVER, Counted, environment, improving, judged, write_rows, write_study

from melior.data.read import read
from melior.data.splits import folds
from melior.errors import UserError
from melior.improvement import pace
from melior.improvement.improve import improve_table
from melior.recipe import Recipe, Split
from melior.testing import tables
from melior.trials.bench import Bench
from melior.trials.executors.agree import installed
from melior.trials.executors.cluster import Cluster
from melior.trials.run import Trials

ray_cluster = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.slow

LINEAR = Recipe(model={"linear": {"longest": 1, "characters": False}}, metric="macro_f1")
RECIPES = [
    LINEAR,
    LINEAR.with_methods("class_weights"),
    LINEAR.with_methods({"threshold": {"resamples": 5}}),
    Recipe(model={"trees": {"rounds": 8, "text_dimensions": 3}}, metric="macro_f1"),
]
STORE = 80 * 2**20
LONG = 900  # seconds: for a machine that has much else to do


def patiently(make):
    """Ray gives a node thirty seconds to start, which a machine that has much else to do may not keep."""
    for _ in range(4):
        try:
            return make()
        except Exception as error:
            if "timed out" not in str(error):
                raise
    return make()


class Machines:
    """A cluster whose head runs no trials, and nodes of one CPU each."""

    def __init__(self, folder):
        self.counted = folder / "counted"
        self.before = dict(os.environ)
        os.environ.update(environment(self.counted, delay=0.3))  # what its nodes are started with
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self.cluster = patiently(lambda: ray_cluster.Cluster(initialize_head=True, head_node_args=head))
        self.nodes = []

    def add(self):
        self.nodes.append(patiently(lambda: self.cluster.add_node(num_cpus=1, object_store_memory=STORE)))

    def lose(self):
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def close(self):
        self.cluster.shutdown()
        os.environ.clear()
        os.environ.update(self.before)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    made = Machines(tmp_path_factory.mktemp("machines"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def machines(started):
    """Two nodes, whatever was lost before, and no trial counted yet."""
    while len(started.nodes) < 2:
        started.add()
    started.counted.unlink(missing_ok=True)
    return started


@pytest.fixture(scope="module")
def table():
    return tables.mixed_table(120, seed=3)


@pytest.fixture(scope="module")
def wanted(table):
    return [(recipe, fold) for recipe in RECIPES for fold in range(3)]


@pytest.fixture(scope="module")
def here(table, wanted):
    """What the trials give in this process."""
    return [result.scores.tobytes() for result in trials_on(None, table, workers=1).many(wanted)]


def trials_on(executor, table, **how):
    return Trials(table, folds(table, Split(folds=3), 0), executor=executor, **how)


def until_there_are(machines, executor):
    while executor.workers != machines:
        executor.ended(0.2)


def fitted_here(*_, **__):
    raise AssertionError("a trial was fitted in this process")


def test_trials_are_the_same_to_the_last_bit_and_run_on_every_machine(
    machines, table, wanted, here, monkeypatch, tmp_path
):
    with Cluster(machines.cluster.address) as executor:
        until_there_are(2, executor)
        monkeypatch.setattr(Bench, "fitted", fitted_here)
        found = trials_on(executor, table).many(wanted)
        assert [result.scores.tobytes() for result in found] == here
        counted = Counted(machines.counted)
        assert set(counted.times().values()) == {1}
        assert len(counted.by_process()) == 2
        assert os.getpid() not in counted.by_process()
        with pytest.raises(UserError, match=r"no method.*on the machine"):
            trials_on(executor, table).many([(LINEAR.with_methods("nonsense"), 0), (LINEAR, 1)])
        assert executor.notes == []

        # what was kept is not run again, here or there
        before, some = len(Counted(machines.counted).begun), wanted[:2]
        trials_on(executor, table, store=tmp_path).many(some)
        trials_on(None, table, store=tmp_path).many(some)
        trials_on(executor, table, store=tmp_path).many(some)
        assert len(Counted(machines.counted).begun) == before + len(some)


def test_a_lost_machine_costs_what_it_ran_and_a_new_one_is_used(machines, table, wanted, here, monkeypatch):
    monkeypatch.setattr(Bench, "fitted", fitted_here)

    def lose_one():
        while len(Counted(machines.counted).by_process()) < 2:
            time.sleep(0.02)
        machines.lose()

    with Cluster(machines.cluster.address, patience=LONG) as executor:
        until_there_are(2, executor)
        loser = threading.Thread(target=lose_one)
        loser.start()
        found = trials_on(executor, table).many(wanted)
        loser.join()
        assert [result.scores.tobytes() for result in found] == here
        first = Counted(machines.counted)
        again = {key for key, times in first.times().items() if times > 1}
        assert len(again) <= 1, "it ran one trial at a time, and more than that was repeated"
        assert len(first.by_process()) == 2
        until_there_are(1, executor)  # the loss may be told after the last trial

        machines.add()
        until_there_are(2, executor)
        found = trials_on(executor, table).many(wanted)
        assert [result.scores.tobytes() for result in found] == here
        second = Counted(machines.counted)
        assert len(second.by_process()) == 3, "the new machine ran nothing"
        told = [note for note in executor.notes if "was lost" in note]
        assert len(told) == 1


def test_without_any_machine_trials_go_on_here(machines, table, wanted, here):
    with Cluster(machines.cluster.address, patience=1.0) as executor:
        machines.lose()
        machines.lose()
        found = trials_on(executor, table).many(wanted)
        assert [result.scores.tobytes() for result in found] == here
        assert any("went on on this machine" in note for note in executor.notes)


def test_without_the_cluster_itself_trials_go_on_here(machines, table, wanted, here):
    with Cluster(machines.cluster.address) as executor:
        executor._courier.kill()  # as Ray does to its process when the head is gone
        found = trials_on(executor, table).many(wanted)
        assert [result.scores.tobytes() for result in found] == here
        assert executor.notes == ["the cluster is gone: trials went on on this machine"]


@pytest.mark.parametrize("name", ["melior", "python", "polars"])
def test_a_machine_with_another_version_is_refused(machines, name):
    with pytest.raises(UserError, match=f"has {name} .* and here it is 0.0.1: install the same"):
        Cluster(machines.cluster.address, about={**installed(), name: "0.0.1"})


def test_a_study_comes_to_the_same_evidence(machines, tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "QUICK", 1e9)  # whether there is a look at one fold first is not left to the clock
    write_rows(tmp_path / "rows.csv")
    rows = read(tmp_path / "rows.csv", target="y")
    recipe = Recipe(model="linear", metric="macro_f1", split=Split(folds=3, repeats=2))
    how = {"budget": 3600.0, "never": NEVER}
    alone = improve_table(rows, recipe, workers=1, **how)[0]
    with Cluster(machines.cluster.address) as executor:
        together = improve_table(rows, recipe, executor=executor, **how)[0]
    assert judged(together.to_dict()) == judged(alone.to_dict())
    assert len(alone.evidence) >= 3
    np.testing.assert_array_equal(together.predictor.scores(rows), alone.predictor.scores(rows))
    done = Counted(machines.counted)
    assert sum(one.trials for one in together.evidence) <= len(done.ended)
    assert os.getpid() not in done.by_process()


def test_the_command_runs_its_trials_there(machines, tmp_path):
    write_study(tmp_path, repeats=1)
    done = subprocess.run(
        improving("run", "--cluster", machines.cluster.address), cwd=tmp_path, env=dict(os.environ),
        capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "connecting to the cluster" in done.stderr
    counted = Counted(machines.counted)
    kept = {path.stem for path in (tmp_path / "run" / "trials").glob("*.safetensors")}
    assert len(kept) == len(counted.times()) == len(counted.begun) > 3
    assert (tmp_path / "run" / "report.html").exists()


def test_ray_is_loaded_by_nothing_else():
    code = (
        "import sys; from melior.cli import main; import melior.trials.executors.cluster; print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
