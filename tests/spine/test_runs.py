"""The run folder: begun once, continued by the same command only, verifiable, and every damaged file named."""

import json

import numpy as np
import pytest

from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import MANIFEST, Run
from melior.storage import sha256
from melior.testing import tables
from melior.trials.fit import fit

RECIPE = Recipe(model="linear", metric="macro_f1")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "甲 b"


@pytest.fixture
def finished(folder):
    run = Run.begin(folder, "train", RECIPE, "rows")
    run.write("scores.json", {"macro_f1": np.float64(0.5), "rows": np.arange(3), "bad": float("nan"), "é": "中"})
    run.write_text("report.html", "<p>hello</p>")
    run.finish(seconds=1.5, name="reviews.csv")
    return run


def one_sentence(caught, *parts):
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    for part in parts:
        assert str(part) in said, said


def test_a_finished_run_is_read_again(finished, folder):
    run = Run.open(folder)
    about = run.read("run.json")
    assert about["verb"] == "train"
    assert about["state"] == "finished"
    assert about["seconds"] == 1.5
    assert run.recipe() == RECIPE
    assert run.read("scores.json") == {"macro_f1": 0.5, "rows": [0, 1, 2], "bad": None, "é": "中"}
    assert run.has("report.html")
    assert not run.has("evidence.json")


def test_the_manifest_names_every_file_but_itself_and_trials(finished, folder):
    finished.trials.mkdir()
    (finished.trials / "one.safetensors").write_bytes(b"x")
    finished.renew_manifest()
    named = json.loads((folder / MANIFEST).read_text())["sha256"]
    assert set(named) == {"recipe.yaml", "run.json", "scores.json", "report.html"}
    assert all(sha256(folder / name) == digest for name, digest in named.items())
    (finished.trials / "one.safetensors").unlink()
    Run.open(folder)


@pytest.mark.parametrize("name", ["recipe.yaml", "run.json", "scores.json", "report.html"])
def test_a_damaged_file_is_named(finished, folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    one_sentence(caught, folder / name, "damaged")


@pytest.mark.parametrize("name", ["recipe.yaml", "scores.json", "report.html"])
def test_a_missing_file_is_named(finished, folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    one_sentence(caught, folder / name, "missing")


@pytest.mark.parametrize("name", ["run.json", MANIFEST])
def test_a_truncated_list_is_named(finished, folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:20])
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    one_sentence(caught, folder / name, "damaged")


@pytest.mark.parametrize("name", ["run.json", MANIFEST])
@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_a_list_that_is_another_thing_is_named(finished, folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(UserError):
        Run.open(folder)


def test_no_run_there(tmp_path):
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError) as caught:
            Run.open(place)
        one_sentence(caught, place, "no run")


def test_an_interrupted_run_says_so_and_is_continued(folder):
    Run.begin(folder, "improve", RECIPE, "rows").write("findings.json", [])
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    one_sentence(caught, folder, "interrupted", "same command")
    again = Run.begin(folder, "improve", RECIPE, "rows")
    assert again.has("findings.json")
    again.finish()
    Run.open(folder)


def test_a_finished_run_begun_again_is_whole_until_it_is_replaced(finished, folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = Run.begin(folder, "train", RECIPE, "rows")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    Run.open(folder)
    again.replace()
    assert not (folder / MANIFEST).exists()
    with pytest.raises(UserError, match="interrupted"):
        Run.open(folder)
    again.finish()
    assert "seconds" not in Run.open(folder).read("run.json")


def test_another_option_is_another_run_and_another_budget_goes_on(folder):
    given = {"try": ["bagging"], "never": (), "margin": 0.0, "budget": 60.0}
    Run.begin(folder, "improve", RECIPE, "rows", given).finish()
    for changed in ({"try": []}, {"never": ["bagging"]}, {"margin": 0.1}, {"try": ["voting"], "budget": 90.0}):
        with pytest.raises(UserError) as caught:
            Run.begin(folder, "improve", RECIPE, "rows", {**given, **changed})
        one_sentence(caught, folder, f"improve with another --{next(iter(changed))})", "--run")
    assert Run.finished(folder, "improve", RECIPE, "rows", given) is not None
    assert Run.finished(folder, "improve", RECIPE, "rows", {**given, "budget": 90.0}) is None
    Run.begin(folder, "improve", RECIPE, "rows", {**given, "budget": 90.0})


@pytest.mark.parametrize(
    ("verb", "recipe", "data"),
    [("audit", RECIPE, "rows"), ("train", RECIPE.with_model("trees"), "rows"), ("train", RECIPE, "other rows")],
)
def test_another_run_there_is_left_alone(finished, folder, verb, recipe, data):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        Run.begin(folder, verb, recipe, data)
    one_sentence(caught, folder, "another run", "--run")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_version_is_another_run(finished, folder, monkeypatch):
    monkeypatch.setattr("melior.runs.store.__version__", "9.9")
    with pytest.raises(UserError, match="another version"):
        Run.begin(folder, "train", RECIPE, "rows")


def test_where_the_rows_lie_does_not_matter(finished, folder):
    Run.begin(folder, "train", RECIPE.with_data(path="moved.csv"), "rows")


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(UserError) as caught:
        Run.begin(tmp_path, "train", RECIPE, "rows")
    one_sentence(caught, tmp_path, "not empty", "--run")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(UserError) as caught:
        Run.begin(tmp_path / "file", "train", RECIPE, "rows")
    one_sentence(caught, "is a file")
    assert (tmp_path / "file").read_text() == "keep me"


def test_an_empty_folder_will_do(tmp_path):
    Run.begin(tmp_path, "train", RECIPE, "rows").finish()
    Run.open(tmp_path)


def test_a_predictor_in_a_run(folder):
    run = Run.begin(folder, "train", RECIPE, "rows")
    table = tables.number_table(60)
    predictor = fit(RECIPE, table)
    run.save_predictor(predictor)
    run.finish()
    loaded = Run.open(folder).predictor()
    assert loaded.scores(table).tobytes() == predictor.scores(table).tobytes()
    path = folder / "predictor" / "predictor.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    one_sentence(caught, path, "damaged")


def test_a_run_without_a_predictor_says_how_to_make_one(finished, folder):
    with pytest.raises(UserError) as caught:
        Run.open(folder).predictor()
    one_sentence(caught, folder, "melior train")


def test_a_manifest_cannot_name_files_outside_the_run(finished, folder):
    """A shared run must not make the reader look elsewhere."""
    (folder.parent / "secret").write_text("s")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["sha256"]["../secret"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError):
        Run.open(folder)
