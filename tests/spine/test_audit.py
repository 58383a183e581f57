"""What an audit offers beside its findings: muting, sampling, a cleaned copy with its log, and pictures."""

import json
import subprocess
import sys
import warnings

import numpy as np
import polars as pl
import pytest

import melior
from melior.errors import UserError
from melior.methods._base import methods, treating
from melior.recipe import Recipe
from melior.trials.audit import run_checks


def test_a_muted_finding_is_shown_and_nothing_acts_on_it(known_file):
    given = {"data": {"path": str(known_file), "target": "answer"}}
    loud = melior.audit(Recipe.checked(given))
    assert loud["target_leakage"] is not None
    given["mute"] = [{"symptom": "target_leakage", "columns": ["code"], "reason": "known before the answer"}]
    quiet = melior.audit(Recipe.checked(given))
    assert quiet["target_leakage"] is None
    muted = [finding for finding in quiet.findings if finding.muted]
    assert [finding.symptom for finding in muted] == ["target_leakage"]
    assert quiet.to_dict()["findings"][-1]["muted"] == "known before the answer"
    never = [name for name in methods() if name != "normalization"]  # what is tried after repairs is nothing to them
    found = melior.improve(Recipe.checked(given), budget=20, never=never)
    assert not found.repairs


def test_a_mute_of_other_columns_mutes_nothing(known_file):
    mute = [{"symptom": "target_leakage", "columns": ["size"], "reason": "known before the answer"}]
    found = melior.audit(Recipe.checked({"data": {"path": str(known_file), "target": "answer"}, "mute": mute}))
    assert found["target_leakage"] is not None


def test_muting_does_not_change_what_a_trial_depends_on():
    plain = Recipe()
    muted = Recipe.checked({"mute": [{"symptom": "outliers", "reason": "they are real"}]})
    assert plain.fingerprint() == muted.fingerprint()


@pytest.mark.parametrize("mute", [{"symptom": "outliers"}, {"symptom": "outliers", "reason": ""}, {"reason": "known"}])
def test_a_mute_needs_a_symptom_and_a_reason(mute):
    with pytest.raises(UserError, match=r"mute\.0"):
        Recipe.checked({"mute": [mute]})


def test_a_mute_of_no_symptom_is_refused(known_file):
    recipe = Recipe.checked(
        {"data": {"path": str(known_file)}, "mute": [{"symptom": "outlier", "reason": "they are real"}]}
    )
    with pytest.raises(UserError, match="no symptom 'outlier'"):
        melior.audit(recipe)


def test_fast_fits_no_model(known_file, monkeypatch):
    from melior.trials import context

    monkeypatch.setattr(context, "fit", lambda *given, **more: pytest.fail("a model was fitted"))
    found = melior.audit(known_file, target="answer", fast=True)
    assert not found.failed
    assert found["invalid_values"] is not None


# ---- a sample


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_sample_keeps_the_numbers_of_its_rows(known_rows, tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    numbered = known_rows.with_columns(pl.Series("place", np.arange(600.0)))
    numbered.write_csv(path) if suffix == "csv" else numbered.write_parquet(path)
    table = melior.read(path, target="answer", sample=100, seed=3)
    assert table.rows == 100
    assert (np.diff(table.row_ids) > 0).all()
    assert np.array_equal(table.numbers("place"), table.row_ids)
    assert any("100 of 600 rows were read" in note for note in table.notes)
    again = melior.read(path, target="answer", sample=100, seed=3)
    assert np.array_equal(table.row_ids, again.row_ids)
    assert melior.read(path, target="answer", sample=600).rows == 600


def test_a_parquet_file_larger_than_the_memory_at_hand_is_sampled(known_rows, tmp_path, monkeypatch):
    from melior.data import read

    path = tmp_path / "rows.parquet"
    known_rows.write_parquet(path)
    monkeypatch.setattr(read, "memory_at_hand", lambda: known_rows.estimated_size() * 2.0)
    table = read.read(path, target="answer", sample="fitting")
    assert 200 < table.rows < 400  # a quarter of twice the size
    assert any("drawn at random" in note for note in table.notes)
    monkeypatch.setattr(read, "memory_at_hand", lambda: known_rows.estimated_size() * 100.0)
    assert read.read(path, target="answer", sample="fitting").rows == 600


@pytest.mark.slow
def test_the_memory_that_a_sample_of_a_large_file_takes_is_bounded(tmp_path):
    """2,000,000 rows of 20 numbers are 320 MB; a sample of 10,000 is read in far less."""
    path = tmp_path / "large.parquet"
    random = np.random.default_rng(0)
    pl.DataFrame({f"c{n}": random.normal(size=2_000_000) for n in range(20)}).write_parquet(path, row_group_size=50_000)
    code = (
        "import resource, melior; base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; import sys\n"
        f"table = melior.read({str(path)!r}, sample=10_000)\n"
        "assert table.rows == 10_000\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) < 250


def test_an_audit_can_be_asked_counted_and_gone_through():
    """Indexing alone would make Python count 0, 1, 2, ... for ever."""
    from melior.findings import Finding
    from melior.trials.audit import Audit

    noise = Finding("label_noise", 0.5, "Some labels.", check="label_noise")
    muted = Finding("outliers", 0.5, "Some rows.", check="outliers", muted="they are real")
    found = Audit((noise, muted), 10, {}, 0.0)
    assert list(found) == [noise, muted]
    assert len(found) == 2
    assert "label_noise" in found
    assert "outliers" not in found
    assert "drift" not in found
    assert noise in found
    assert bool(Audit((), 10, {}, 0.0))


def test_what_only_the_user_can_settle_is_a_question_in_a_notebook_too():
    from melior.findings import Finding
    from melior.trials.audit import Audit

    found = Audit((Finding("drift", 0.5, "Sure."), Finding("label_noise", 0.5, "Or not.", certain=False)), 10, {}, 0.0)
    for shown in (repr(found), found._repr_html_()):
        assert "label_noise?" in shown
        assert "drift?" not in shown


# ---- pictures


def test_the_report_draws_the_rows_and_the_columns_that_are_wrong(known_file, tmp_path):
    melior.audit(known_file, target="answer", run=tmp_path / "run")
    pictures = json.loads((tmp_path / "run" / "pictures.json").read_text())
    named = [symptom for symptom in pictures["map"]["symptom"] if symptom]
    assert named.count("invalid_values") == 20
    assert len(pictures["map"]["x"]) == 600
    bars = [one for finding in pictures["findings"] for one in finding["histograms"] if one["column"] == "size"]
    assert any(sum(one["named"]) == 20 and sum(one["rows"]) == 600 for one in bars)
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'class="chart rowmap"' in page
    assert 'class="chart histogram"' in page


def test_a_map_of_many_rows_says_that_it_is_a_part(tmp_path):
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"a": random.normal(size=5000), "b": random.normal(size=5000), "y": ["u", "v"] * 2500})
    melior.audit(frame, target="y", run=tmp_path / "run", fast=True)
    pictures = json.loads((tmp_path / "run" / "pictures.json").read_text())
    assert len(pictures["map"]["x"]) == 1500
    assert "1,500 of 5,000 rows are drawn" in (tmp_path / "run" / "report.html").read_text()


def test_the_map_can_be_laid_out_by_neighbours(tmp_path):
    """Eight groups in eight directions: two directions mix them up, and t-SNE keeps neighbours together."""
    from sklearn.neighbors import NearestNeighbors

    from melior.verbs.pictures import flat

    random = np.random.default_rng(0)
    centres = np.eye(8) * 8
    group = np.repeat(np.arange(8), 10)
    space = centres[group] + random.normal(size=(80, 8))

    def alike(places):
        near = NearestNeighbors(n_neighbors=6).fit(places).kneighbors(return_distance=False)
        return (group[near] == group[:, None]).mean()

    assert alike(flat(space, "tsne", 0)) > 0.9 > 0.8 > alike(flat(space, "pca", 0))
    frame = pl.DataFrame({"a": space[:, 0], "b": space[:, 1], "c": space[:, 2], "y": ["u", "v"] * 40})
    melior.audit(frame, target="y", run=tmp_path / "run", fast=True, rows_by="tsne")
    assert json.loads((tmp_path / "run" / "pictures.json").read_text())["map"]["by"] == "tsne"
    assert "t-SNE" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(UserError, match="pca or tsne"):
        melior.audit(frame, target="y", rows_by="umap")


def test_copies_stand_side_by_side_among_the_examples():
    from melior.findings import Finding
    from melior.verbs.examples import examples_of

    table = melior.read({"a": ["x", "y", "z", "x", "y", "x"]}, columns={"a": "category"})
    clusters = [[0, 3, 5], [1, 4]]
    finding = Finding(
        symptom="duplicate_rows", severity=0.5, message="Copies.", rows=np.array([4, 0, 1, 3, 5, 2]),
        measured={"clusters": clusters},
    )  # fmt: skip
    shown = examples_of(table, [finding])["findings"][0]["rows"]
    assert [row["row"] for row in shown] == [4, 1, 0, 3, 5]
    assert [row["group"] for row in shown] == [1, 1, 0, 0, 0]


def test_a_method_is_named_only_where_it_reaches_the_columns():
    """What cleans numbers does not treat a broken image or a text."""
    assert "data_cleaning" in treating("invalid_values", {"number", "text"})
    assert "data_cleaning" in treating("invalid_values")
    assert "data_cleaning" not in treating("invalid_values", {"image"})
    assert "noise_training" in treating("invalid_values", {"number"})
    assert "noise_training" not in treating("invalid_values", {"image"})


def test_a_column_of_one_value_makes_no_warning_of_a_library(known_rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # scipy's of a column without spread
        table = melior.read(known_rows.head(200).with_columns(always=pl.lit(1.0)), target="answer")
        found = run_checks(table, Recipe(), only=["label_noise"])
    assert found["failed_check"] is None
