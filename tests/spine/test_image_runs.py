"""A folder of images from beginning to end: audit, train, save, load elsewhere, predict; and what changes a run."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

Image = pytest.importorskip("PIL.Image")

import melior  # noqa: E402
from melior.methods._base import methods  # noqa: E402
from melior.testing.images import drawn  # noqa: E402
from melior.trials.run import content_hash  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    random = np.random.default_rng(0)
    where = tmp_path_factory.mktemp("shapes")
    for kind, name in enumerate(("lying", "standing", "disc")):
        (where / name).mkdir()
        for number in range(40):
            Image.fromarray(drawn(kind, random)).save(where / name / f"{number}.png")
    (where / "disc" / "broken.png").write_bytes((where / "disc" / "0.png").read_bytes()[:200])
    Image.open(where / "disc" / "1.png").save(where / "disc" / "again.bmp")
    return where


def command(*arguments):
    code = "import sys; from melior.cli.main import run; sys.argv = ['melior', *sys.argv[1:]]; run()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_audit_of_a_folder(folder, tmp_path):
    found = melior.audit(folder, run=tmp_path / "run", checks=("invalid_images", "image_copies", "row_order"))
    assert not found.failed
    kinds = {finding.check: finding for finding in found.findings}
    assert set(kinds) == {"invalid_images", "image_copies"}
    assert len(kinds["invalid_images"].rows) == 1
    assert len(kinds["image_copies"].rows) == 2
    report = (tmp_path / "run" / "report.html").read_text()
    assert "disc/broken.png" in report
    assert "disc/again.bmp" in report
    assert report.count("data:image/webp;base64,") == 2  # the two copies; the broken one has no picture


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_train_save_load_elsewhere_and_predict(folder, tmp_path, family):
    done = command("train", folder, "--run", tmp_path / "run", "--model", family)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["scores"]["accuracy"]["value"] > 0.8
    answered = command("predict", tmp_path / "run", folder / "lying", "--out", tmp_path / "answers.csv")
    assert answered.returncode == 0, answered.stderr
    answers = pl.read_csv(tmp_path / "answers.csv")
    assert answers.columns[:3] == ["row", "image", "prediction"]
    assert (answers["prediction"] == "lying").mean() > 0.8
    pl.DataFrame({"image": ["lying/1.png", "disc/broken.png", None]}).write_ndjson(folder / "new.jsonl")
    here = melior.predict(tmp_path / "run", folder / "new.jsonl")
    (folder / "new.jsonl").unlink()
    assert here["image"].to_list() == ["lying/1.png", "disc/broken.png", None]
    alone = answers.filter(pl.col("image") == "1.png")
    assert here["score_lying"][0] == pytest.approx(alone["score_lying"][0], abs=1e-12)  # the same in another process
    assert here["score_lying"][1] == here["score_lying"][2]  # nothing is known of either


def test_two_runs_are_judged_on_a_folder(folder, tmp_path):
    for family in ("linear", "trees"):
        melior.train(folder, model=family, run=tmp_path / family)
    found = melior.judge(tmp_path / "linear", tmp_path / "trees", folder)
    assert found.rows == 122
    assert [one.name for one in found.classes] == ["disc", "lying", "standing"]
    answers = melior.predict(tmp_path / "trees", folder)["prediction"]
    right = [path.split("/")[0] for path in melior.read(folder).column("image").to_list()]
    assert found["accuracy"].b.value == pytest.approx((answers == pl.Series(right)).mean())


def test_improve_of_a_folder(folder):
    never = [name for name in methods() if name not in ("class_weights", "normalization", "deduplication")]
    improvement = melior.improve(folder, budget="20s", model="linear", workers=1, never=never)
    assert improvement.recipe.model.name == "linear"
    symptoms = {finding.symptom for finding in improvement.findings}
    assert "invalid_values" in symptoms
    assert {"duplicate_rows", "split_overlap"} & symptoms  # as the two copies fell on one side or on both


def test_another_image_under_the_same_name_is_other_content(folder, tmp_path):
    frame = {"image": [str(folder / "disc" / f"{number}.png") for number in range(12)], "y": ["a", "b"] * 6}
    first = content_hash(melior.read(frame, target="y"))
    assert content_hash(melior.read(frame, target="y")) == first
    kept = (folder / "disc" / "3.png").read_bytes()
    (folder / "disc" / "3.png").write_bytes((folder / "disc" / "4.png").read_bytes())
    try:
        assert content_hash(melior.read(frame, target="y")) != first
    finally:
        (folder / "disc" / "3.png").write_bytes(kept)


def test_a_cleaned_copy_finds_its_images(folder, tmp_path):
    melior.audit(folder, fix=tmp_path / "clean.csv", checks=("image_copies",))
    clean = melior.read(tmp_path / "clean.csv", target="label")
    assert clean.rows == 121  # one copy was left out
    assert clean.pictures("image").readable.sum() == 120


def test_a_folder_that_cannot_be_used_ends_with_a_sentence(tmp_path):
    done = command("audit", tmp_path)
    assert done.returncode == 2
    assert "folder without images" in done.stderr
    assert "Traceback" not in done.stderr
