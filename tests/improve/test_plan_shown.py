"""`--plan` says what `improve` does, and does nothing."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import melior
from melior.cli.main import app
from melior.errors import UserError
from melior.progress import time_words
from melior.recipe import Choice, Recipe


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "rows.csv"
    random = np.random.default_rng(3)
    answer = (random.random(300) < 0.3).astype(int)
    columns = {"a": random.normal(size=300) + answer, "b": random.normal(size=300), "c": random.normal(size=300)}
    pl.DataFrame({**columns, "y": np.where(answer == 1, "yes", "no")}).write_csv(path)
    return path


def test_what_is_planned_is_what_is_tried(file, monkeypatch):
    monkeypatch.setattr("melior.improvement.pace.ENOUGH", 1e9)  # however slow the machine, no first look at one fold
    planned = melior.plan(file, target="y", model="linear", budget=3600, attempt=["l1_selection"])
    found = melior.improve(file, target="y", model="linear", budget=3600, attempt=["l1_selection"])
    assert not planned.look
    tried = {
        str(Choice(name=one.methods[0], settings=one.settings)) for one in found.evidence if one.stage != "combine"
    }
    late = {name for note in found.notes if note.startswith("not tried") for name in note.split(": ")[1].split(", ")}
    assert tried | late == {one.name for one in planned.trials}
    assert len(tried) > 20
    assert planned.rows == found.rows
    assert {one.name for one in planned.refused} == {name for name, _ in found.refused}
    assert planned.recipe.split == found.recipe.split


def test_what_there_was_no_time_to_look_for_is_said(file, monkeypatch):
    monkeypatch.setattr("melior.improvement.looking.CHECKING", 0.0)
    said = [note for note in melior.plan(file, target="y", model="linear", budget=20).notes if "time ran out" in note]
    assert len(said) == 1
    assert said[0].startswith("not looked for, because the time ran out: ")
    assert "overfitting" in said[0]


def test_rows_that_are_left_out_are_said(file, tmp_path):
    rows = pl.read_csv(file).with_row_index()
    rows.select(pl.exclude("index", "y"), y=pl.when(rows["index"] > 9).then("y")).write_csv(tmp_path / "rows.csv")
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "rows.csv"), "target": "y", "missing_target": "drop"}})
    assert melior.plan(recipe, model="linear", budget=20).notes[0] == '10 rows have no "y" and were left out.'


def test_what_is_never_tried_is_not_planned(file):
    usual = melior.plan(file, target="y", model="linear", budget=20)
    without = melior.plan(file, target="y", model="linear", budget=20, never=["threshold"])
    names = [one.name for one in usual.trials]
    assert "threshold" in names
    assert [one.name for one in without.trials] == [name for name in names if name != "threshold"]


def test_nothing_is_written_but_what_was_asked_for(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        app, ["improve", str(file), "--target", "y", "--model", "linear", "--plan", "--json", "plan.json"]
    )
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    assert "What would be tried" in result.output
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["seconds"] <= written["budget"]
    assert all(one["seconds"] >= 0 for one in written["trials"])


def test_a_language_model_has_no_plan_before_its_plain_training(tmp_path):
    (tmp_path / "melior.yaml").write_text("task: generate\ndata: {path: rows.jsonl}\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(UserError, match="depends on how its plain training goes"):
        melior.plan(tmp_path / "melior.yaml")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.6, "1 min"), (125, "2 min 5 s"), (3599, "1 h"), (90000, "25 h")]
)
def test_times_are_said_in_their_largest_unit(seconds, said):
    assert time_words(seconds) == said


@pytest.mark.parametrize("margin", [-1.0, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused_as_by_improve(file, margin):
    with pytest.raises(UserError, match="--margin is"):
        melior.plan(file, target="y", model="linear", margin=margin)
    result = CliRunner().invoke(app, ["improve", str(file), "-t", "y", "--plan", "--margin", str(margin)])
    assert isinstance(result.exception, UserError)
    assert "--margin is" in str(result.exception)


@pytest.mark.parametrize("verb", [melior.improve, melior.plan])
@pytest.mark.parametrize("goal", ["", "  "])
def test_an_empty_goal_is_refused(file, verb, goal):
    with pytest.raises(UserError, match="goal: it is empty"):
        verb(file, target="y", goal=goal)
