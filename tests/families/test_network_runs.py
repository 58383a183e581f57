"""Runs of networks: the training is on record, ctrl-C leaves a usable run, and the same command goes on."""

import json
import os
import signal
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

import melior
from melior.checks._training import history_in
from melior.errors import UserError
from melior.models._place import PLACE, trained_in
from melior.models.tabular_network import TabularNetwork
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.testing import tables

STEPS = 40


class Stopping:
    """Presses ctrl-C when a training has done so many steps; the trainings before are let go on."""

    def __init__(self, after, trainings=1):
        self.after, self.trainings = after, trainings

    def __call__(self, stage, done, total, note=""):
        if stage == "training" and done == self.after:
            self.trainings -= 1
            if self.trainings == 0:
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "rows.parquet"
    table = tables.number_table(200)
    answers = pl.Series("answer", [f"class {label}" for label in table.given_labels()])
    table.frame.with_columns(answers).write_parquet(path)
    settings = {"epochs": STEPS, "batch_rows": 200, "width": 8, "depth": 1}

    def made(methods=(), **more):
        return Recipe.checked({
            "data": {"path": str(path), "target": "answer"}, "metric": "accuracy", "seed": 3, "methods": methods,
            "model": {"tabular_network": {**settings, **more}},
        })  # fmt: skip

    return made


def same(one, other, path):
    """Two runs give the same answers, bit by bit."""
    first, second = (Run.open(run).predictor().scores(melior.read(path, target="answer")) for run in (one, other))
    return np.array_equal(first, second)


def test_the_training_of_a_run_is_on_record(recipe, tmp_path):
    found = melior.train(recipe(), run=tmp_path / "run")
    history = history_in(tmp_path / "run" / "training")
    assert history == tmp_path / "run" / "training" / "network-1" / "history.jsonl"
    assert not list((tmp_path / "run").rglob("checkpoints"))  # several times the size of the model, and done with
    assert not found.notes
    Run.open(tmp_path / "run")  # every file is as the manifest says
    diagnosis = melior.diagnose(tmp_path / "run")
    assert (diagnosis.steps, diagnosis.family, diagnosis.failed) == (STEPS, "tabular_network", False)
    assert "Learning rate" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_leaves_a_usable_run_and_the_same_command_goes_on(recipe, tmp_path):
    asked = recipe(average=0.9)
    early = melior.train(asked, run=tmp_path / "run", progress=Stopping(12))
    assert early.interrupted == f"step 12 of {STEPS}"
    assert any(f"interrupted at step 12 of {STEPS}" in note for note in early.notes)
    assert Run.open(tmp_path / "run").read("run.json")["interrupted"] == f"step 12 of {STEPS}"
    said = f"The training was interrupted at step 12 of {STEPS}"
    assert said in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    melior.evaluate(tmp_path / "run", asked.data.path)
    assert melior.diagnose(tmp_path / "run").steps == 12

    later = melior.train(asked, run=tmp_path / "run")
    melior.train(asked, run=tmp_path / "undisturbed")
    assert later.notes == ()
    assert later.interrupted == ""
    assert "interrupted" not in Run.open(tmp_path / "run").read("run.json")
    assert same(tmp_path / "run", tmp_path / "undisturbed", asked.data.path)
    assert not same_history(tmp_path / "run", tmp_path / "undisturbed", leave_out=())  # times differ
    assert same_history(tmp_path / "run", tmp_path / "undisturbed", leave_out=TIMES)


TIMES = ("rows_per_second", "tokens_per_second", "waited", "memory_mib", "seconds")


def same_history(one, other, leave_out):
    first, second = (
        [json.loads(line) for line in history_in(run / "training").read_text().splitlines()] for run in (one, other)
    )
    return [{k: v for k, v in line.items() if k not in leave_out} for line in first] == [
        {k: v for k, v in line.items() if k not in leave_out} for line in second
    ]


def test_ctrl_c_between_the_networks_of_one_fit_goes_on_with_the_next(recipe, tmp_path):
    """Five bagged networks, interrupted in the second: there is no whole predictor yet, and no work is lost."""
    asked = recipe(methods=[{"bagging": {"members": 5}}])
    with pytest.raises(KeyboardInterrupt):
        melior.train(asked, run=tmp_path / "run", progress=Stopping(12, trainings=2))
    done = {path.name for path in (tmp_path / "run" / "training").glob("network-*")}
    assert done == {"network-1", "network-2"}
    melior.train(asked, run=tmp_path / "run")
    melior.train(asked, run=tmp_path / "undisturbed")
    assert len(list((tmp_path / "run" / "training").glob("network-*"))) == 5
    assert same(tmp_path / "run", tmp_path / "undisturbed", asked.data.path)


def test_without_a_run_ctrl_c_ends_the_training(recipe):
    with pytest.raises(KeyboardInterrupt):
        melior.train(recipe(), progress=Stopping(12))


def test_an_improvement_keeps_the_training_of_what_it_gives(recipe, tmp_path):
    asked = recipe().model_copy(update={"methods": ()})
    found = melior.improve(asked, budget=20, run=tmp_path / "run", attempt=("dropout",), workers=1)
    assert not list((tmp_path / "run").rglob("checkpoints"))
    kept = history_in(tmp_path / "run" / "training")
    assert kept is not None
    assert kept.parent.parent.name == "training"
    assert (tmp_path / "run" / "training" / "baseline").exists() == bool(found.accepted)
    steps = melior.diagnose(tmp_path / "run").steps
    assert steps
    assert steps % STEPS == 0  # more rows, where an accepted method brings some, are more steps an epoch


def test_what_a_range_test_found_is_kept_and_diagnosed(recipe, tmp_path):
    melior.train(recipe(learning_rate="found"), run=tmp_path / "run")
    kept = json.loads((tmp_path / "run" / "training" / "network-1" / "rate_range.json").read_text())
    assert 0 < kept["suggested"] <= kept["highest"]


def test_the_last_network_on_the_most_rows_is_the_one_that_counts(tmp_path):
    for name, rows in (("network-1", 80), ("network-2", 100), ("network-10", 100), ("network-11", 60)):
        (tmp_path / name).mkdir()
        line = json.dumps({"kind": "start", "step": 0, "rows": rows})
        (tmp_path / name / "history.jsonl").write_text(line + "\n")
    assert history_in(tmp_path).parent.name == "network-10"
    assert history_in(tmp_path / "network-1").parent.name == "network-1"
    assert history_in(tmp_path / "nowhere") is None


def test_places_are_put_back(tmp_path):
    before = PLACE.get()
    with trained_in(tmp_path) as where:
        assert PLACE.get() is where
    assert PLACE.get() is before


def test_only_what_a_run_keeps_is_logged(tmp_path):
    network = TabularNetwork(log_to=("tensorboard",), epochs=100_000)
    assert network.training(100, seed=0, threads=1, stops=False).log_to == ()
    with trained_in(tmp_path):
        assert network.training(100, seed=0, threads=1, stops=False).log_to == ("tensorboard",)


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_a_logger_that_is_not_installed_is_one_sentence(recipe, tmp_path):
    with pytest.raises(UserError, match="tensorboard is not installed: pip install tensorboard"):
        melior.train(recipe(log_to=("tensorboard",)), run=tmp_path / "run")
