"""The same `melior train` or `improve` of a run that is finished loads it, and of anything else does not."""

import errno
import json

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.read import read
from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import WAS_FINISHED, Run
from melior.verbs import audit as audit_verb
from melior.verbs import improve as improve_verb
from melior.verbs import train as train_verb


def made_rows(seed=0):
    g = np.random.default_rng(seed)
    x = g.normal(size=(150, 3))
    return {**{f"x{j}": x[:, j] for j in range(3)}, "y": np.where(x[:, 0] + 0.3 * g.normal(size=150) > 0, "yes", "no")}


def several(seed=0):
    g = np.random.default_rng(seed)
    x = g.normal(size=(150, 3))
    return {**{f"x{j}": x[:, j] for j in range(3)}, "y": [["abc"[k] for k in np.flatnonzero(r > 0.3)] for r in x]}


def written(folder, rows):
    folder.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_ndjson(folder / "rows.jsonl")
    return folder / "rows.jsonl"


def fitted_never(*_, **__):
    raise AssertionError("it was fitted again")


@pytest.mark.parametrize("rows", [made_rows, several])
@pytest.mark.parametrize("sealed", [0.2, 0.0])
def test_a_finished_training_is_loaded(tmp_path, monkeypatch, rows, sealed):
    path = written(tmp_path, rows())
    recipe = Recipe(metric="macro_f1", data={"target": "y", "path": str(path)}).with_split(sealed=sealed)
    ready = read(path, target="y")
    first = melior.train(recipe, run=tmp_path / "run")
    monkeypatch.setattr(train_verb, "fit", fitted_never)
    monkeypatch.setattr(train_verb, "choose_family", fitted_never)
    again = melior.train(recipe, run=tmp_path / "run")
    assert again.notes == (*first.notes, WAS_FINISHED)
    np.testing.assert_array_equal(again.predictor.scores(ready), first.predictor.scores(ready))
    assert again.recipe == first.recipe
    assert (again.family, again.rows) == (first.family, first.rows)
    if sealed:
        told, kept = first.evaluation.to_dict(), again.evaluation.to_dict()
        assert json.dumps(kept) == json.dumps(told)
        assert again.evaluation.roc == first.evaluation.roc
        assert again.evaluation.confusion == first.evaluation.confusion
        assert repr(again.evaluation) == repr(first.evaluation)
    else:
        assert first.evaluation is again.evaluation is None
    Run.open(tmp_path / "run")


def test_what_is_not_the_same_finished_run_is_not_loaded(tmp_path):
    path, other = written(tmp_path, made_rows()), written(tmp_path / "other", made_rows(1))
    recipe, run = Recipe(model="linear", data={"target": "y", "path": str(path)}), tmp_path / "run"
    melior.train(recipe, run=run)
    for changed in (recipe.with_data(path=str(other)), recipe.model_copy(update={"seed": 7})):
        with pytest.raises(UserError, match="another run"):
            melior.train(changed, run=run)
    assert WAS_FINISHED in melior.train(recipe, run=run).notes
    (run / "scores.json").write_text("{}")  # damaged: made again
    assert WAS_FINISHED not in melior.train(recipe, run=run).notes
    assert WAS_FINISHED in melior.train(recipe, run=run).notes
    about = json.loads((run / "run.json").read_text())
    Run(run).write("run.json", {**about, "interrupted": "step 1 of 2"})
    Run(run).renew_manifest()
    assert WAS_FINISHED not in melior.train(recipe, run=run).notes


def test_other_test_rows_are_another_run(tmp_path):
    rows, test = made_rows(), read(made_rows(2), target="y")
    melior.train(read(rows, target="y"), model="linear", test=test, run=tmp_path / "run")
    again = melior.train(read(rows, target="y"), model="linear", test=test, run=tmp_path / "run")
    assert WAS_FINISHED in again.notes
    assert again.evaluation.rows == 150
    fewer = test.take(np.arange(99))
    with pytest.raises(UserError, match="another run"):
        melior.train(read(rows, target="y"), model="linear", test=fewer, run=tmp_path / "run")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "trials" not in path.parts}


@pytest.fixture(scope="module")
def improved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("improved")
    path = written(folder, made_rows())
    given = {"target": "y", "model": "linear", "budget": 6, "attempt": ["class_weights"], "run": folder / "run"}
    return path, given, melior.improve(path, **given)


def test_a_finished_improve_is_loaded(improved, monkeypatch):
    path, given, first = improved
    before = files(given["run"])
    monkeypatch.setattr(improve_verb, "improve_table", fitted_never)
    again = melior.improve(path, **given)
    assert files(given["run"]) == before
    assert again.notes == (*first.notes, WAS_FINISHED)
    assert (again.accepted, again.seconds, again.recipe) == (first.accepted, first.seconds, first.recipe)
    ready = read(path, target="y")
    np.testing.assert_array_equal(again.predictor.scores(ready), first.predictor.scores(ready))


@pytest.fixture
def only_read(monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "x")

    for name in ("NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        monkeypatch.setattr(f"melior.storage.{name}", denied)


def test_a_finished_run_is_loaded_where_nothing_can_be_written(improved, only_read, monkeypatch):
    path, given, first = improved
    monkeypatch.setattr(improve_verb, "improve_table", fitted_never)
    assert melior.improve(path, **given).notes == (*first.notes, WAS_FINISHED)
    for changed in ({"margin": 0.01}, {"run": given["run"] / "new"}):
        with pytest.raises(UserError, match=r"cannot be written \(Permission denied\)"):
            melior.improve(path, **{**given, **changed})


def test_a_finished_training_is_loaded_where_nothing_can_be_written(tmp_path, request, monkeypatch):
    given = {"target": "y", "model": "linear", "run": tmp_path / "run"}
    path = written(tmp_path, made_rows())
    melior.train(path, **given)
    request.getfixturevalue("only_read")
    monkeypatch.setattr(train_verb, "fit", fitted_never)
    assert WAS_FINISHED in melior.train(path, **given).notes
    with pytest.raises(UserError, match=r"cannot be written \(Permission denied\)"):
        melior.train(path, **given, seed=7)


@pytest.mark.parametrize(
    "changed",
    [
        {"attempt": []},
        {"never": ["bagging"]},
        {"margin": 0.01},
        {"thorough": True},
        {"refit": False},
        {"test": "other"},
    ],
    ids=str,
)
def test_another_improve_is_refused_and_the_run_is_left_as_it_is(improved, tmp_path, changed):
    path, given, _ = improved
    if "test" in changed:
        changed = {"test": written(tmp_path / "other", made_rows(1))}
    before = files(given["run"])
    with pytest.raises(UserError, match="with another --"):
        melior.improve(path, **{**given, **changed})
    assert files(given["run"]) == before


def test_a_longer_improve_leaves_the_run_whole_until_its_own_files_are_there(improved, monkeypatch):
    path, given, _ = improved
    before, improve_table = files(given["run"]), improve_verb.improve_table

    def interrupted(*asked, training, **how):
        improve_table(*asked, training=training, **how)
        training.mkdir(exist_ok=True)
        (training / "history.jsonl").write_text("{}")  # as of a network
        raise KeyboardInterrupt

    monkeypatch.setattr(improve_verb, "improve_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        melior.improve(path, **{**given, "budget": 7})
    assert files(given["run"]) == before
    Run.open(given["run"]).predictor()
    monkeypatch.setattr(improve_verb, "improve_table", improve_table)
    longer = melior.improve(path, **{**given, "budget": 7})
    assert WAS_FINISHED not in longer.notes
    assert Run.open(given["run"]).read("run.json")["options"]["budget"] == 7
    assert (given["run"] / "training" / "history.jsonl").exists()
    assert not (given["run"] / "trials" / "training").exists()


def test_an_audit_that_is_interrupted_leaves_the_one_before_whole(tmp_path, monkeypatch):
    path = written(tmp_path, made_rows())
    melior.audit(path, target="y", fast=True, run=tmp_path / "run")
    before = files(tmp_path / "run")
    for changed in ({"fast": False}, {"skip": ["label_noise"]}, {"rows_by": "tsne"}):
        with pytest.raises(UserError, match="audit with another --"):
            melior.audit(path, **{"target": "y", "fast": True, "run": tmp_path / "run", **changed})

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_verb, "run_checks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        melior.audit(path, target="y", fast=True, run=tmp_path / "run")
    assert files(tmp_path / "run") == before
