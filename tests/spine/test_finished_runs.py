"""The same `melior train` of a run that is finished loads it, and of anything else does not."""

import json

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.read import read
from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import WAS_FINISHED, Run
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
