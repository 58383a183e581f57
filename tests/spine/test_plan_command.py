"""melior train --plan: nothing is trained, the table is there, and the layout of the recipe is marked."""

import json
import re

import polars as pl
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from melior.cli.main import app
from melior.errors import UserError
from melior.layout import Layout
from melior.recipe import Recipe
from melior.testing import tables
from melior.verbs.plan import plan_training


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "rows.parquet"
    table = tables.number_table(200)
    answers = pl.Series("answer", [f"class {label}" for label in table.given_labels()])
    table.frame.with_columns(answers).write_parquet(path)

    def made(parallel="auto", model=None):
        return Recipe.checked({
            "data": {"path": str(path), "target": "answer"}, "train": {"parallel": parallel},
            "model": model or {"tabular_network": {"width": 8, "depth": 2, "batch_rows": 32}},
        })  # fmt: skip

    return made


def test_the_command_shows_the_plan_and_trains_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("melior.engine.loop.train", lambda *given, **how: pytest.fail("it trained"))
    monkeypatch.setattr("melior.networks.fitting.train", lambda *given, **how: pytest.fail("it trained"))
    path, out = tmp_path / "melior.yaml", tmp_path / "plan.json"
    path.write_text(recipe().to_yaml())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", str(path), "--plan", "--processes", "2", "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "● 1 copies 2" in re.sub(r"\s+", " ", done.output).replace("│", "")
    for word in (
        "weights",
        "gradients",
        "optimizer",
        "communication",
        "as fast as one rank",
        "assumed",
        "Nothing is trained",
    ):
        assert word in re.sub(r"\s+", " ", done.output)
    kept = json.loads(out.read_text())
    assert kept["ranks"] == 2
    taken = kept["plans"][kept["taken"]]
    assert taken["fits"]
    assert taken["layout"]["data"] == 2
    assert not taken["layout"]["sharded"]
    assert sum(taken["memory"].values()) == pytest.approx(taken["memory_total"])
    assert {one["said"] for one in kept["plans"]} >= {"data 2 (replicated)", "data 2 (sharded)"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["melior.yaml", "plan.json", "rows.parquet"]


def test_the_recipes_own_layout_is_marked_and_compared(recipe):
    found = plan_training(recipe({"sharded": True}), processes=4)
    assert found.plan.layout == Layout(data=4, sharded=True)
    assert "The recipe asks for data 4 (sharded)" in found.why[0]
    assert "auto would take data 4 (replicated)" in found.why[0]
    local = plan_training(recipe({"local_steps": 8}), processes=2)
    assert local.plan.layout.local_steps == 8
    assert local.plan.memory["averages"] == local.plan.memory["weights"]
    assert local.plan.sent["averages"] == pytest.approx(
        next(one for one in local.plans if one.layout == Layout(data=2)).sent["gradients"] / 8
    )


def test_one_rank_is_as_fast_as_one_rank(recipe):
    found = plan_training(recipe(), processes=1)
    assert found.times_as_fast(found.plan) == pytest.approx(1)
    assert sum(found.plan.sent.values()) == 0
    assert "one rank" in repr(found)


@pytest.mark.parametrize("model", ["linear", "trees", "auto"])
def test_only_networks_are_planned(recipe, model):
    with pytest.raises(UserError, match="only the training of a network"):
        plan_training(recipe(model=model), processes=2)


def test_ranks_that_cannot_be_laid_out_are_refused(recipe):
    with pytest.raises(UserError, match=r"does not make 3 ranks"):
        plan_training(recipe({"tensor": 2}), processes=3)
    with pytest.raises(UserError, match=r"cannot share steps of 32 rows"):
        plan_training(recipe(model={"tabular_network": {"width": 7, "depth": 1, "batch_rows": 32}}), processes=100)


def test_a_language_model_is_planned(tmp_path):
    pytest.importorskip("transformers")
    rows = [{"prompt": f"{n}: colour of the sky?", "answer": f" blue {n}"} for n in range(24)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"width": 32, "depth": 2, "heads": 2, "vocabulary": 400, "context": 48, "batch_rows": 16}
    made = Recipe(task="generate", model={"causal_lm": settings}).with_data(path=str(tmp_path / "rows.jsonl"))
    found = plan_training(made, processes=2)
    assert found.family == "causal_lm"
    assert len(found.sizes.blocks) == 2
    assert found.sizes.heads == 2
    assert found.sizes.tokens > 1
    assert found.plan.memory["logits"] > 0
    width, inner, vocabulary = 32, 88, found.sizes.row_logits / found.sizes.tokens  # see scratch.small_causal
    assert found.sizes.weights.all == vocabulary * width + 2 * (4 * width**2 + 3 * width * inner + 2 * width) + width
