"""A command that is refused once its run is begun leaves a folder that takes the command that was meant."""

import numpy as np
import pytest

import melior
from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.runs.study import joined

RANDOM = np.random.default_rng(0)
ROWS = {"x": RANDOM.normal(size=60).tolist(), "y": ["yes", "no"] * 30}


def test_train_with_a_family_that_is_none(tmp_path):
    with pytest.raises(UserError, match="no family 'nosuch'"):
        melior.train(ROWS, target="y", model="nosuch", run=tmp_path / "run")
    assert melior.train(ROWS, target="y", model="linear", run=tmp_path / "run").run == tmp_path / "run"


@pytest.mark.parametrize("options", [{"attempt": ["nosuch"]}, {"never": ["nosuch"]}])
def test_improve_with_a_method_that_is_none(tmp_path, options):
    with pytest.raises(UserError, match="no method 'nosuch'"):
        melior.improve(ROWS, target="y", run=tmp_path / "run", **options)
    rest = [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert rest == []


def test_audit_with_a_check_that_is_none(tmp_path):
    with pytest.raises(UserError, match="no check 'nosuch'"):
        melior.audit(ROWS, target="y", checks=["nosuch"], run=tmp_path / "run")
    melior.audit(ROWS, target="y", checks=["class_imbalance"], run=tmp_path / "run")
    assert Run(tmp_path / "run").is_finished()


def test_a_language_model_whose_base_is_none(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "rows.jsonl").write_text('{"text": "one two three"}\n' * 20)

    def recipe(**settings):
        data = {"path": str(tmp_path / "rows.jsonl")}
        return Recipe.checked({"task": "generate", "data": data, "model": {"causal_lm": settings}})

    with pytest.raises(UserError):
        melior.train(recipe(base=str(tmp_path / "nosuch")), run=tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_what_has_come_of_a_run_stays(tmp_path):
    def after_a_trial():
        with joined(tmp_path / "run", "improve", Recipe(), "rows", {}) as study:
            (study.run.trials / "one.safetensors").write_bytes(b"a trial")
            raise UserError("the metric is undefined.")

    with pytest.raises(UserError):
        after_a_trial()
    assert (tmp_path / "run" / "run.json").exists()


def test_a_study_in_which_another_is_at_work_stays(tmp_path):
    with joined(tmp_path / "run", "improve", Recipe(), "rows", {}) as study:
        with pytest.raises(UserError), joined(tmp_path / "run", "improve", Recipe(), "rows", {}):
            raise UserError("not here.")
        assert study.run.has("run.json")


def test_a_run_of_another_command_stays(tmp_path):
    Run.begin(tmp_path / "run", "train", Recipe(), "rows")
    with pytest.raises(UserError, match="holds another run"):
        melior.train(ROWS, target="y", model="linear", run=tmp_path / "run")
    assert Run(tmp_path / "run").has("run.json")
