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


@pytest.fixture(scope="module")
def rows():
    """600 rows whose fault is known: a column of -999 in twenty of them, and a column that is the answer."""
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 600)
    size = random.normal(50, 5, 600) + 4 * answer
    size[random.choice(600, 20, replace=False)] = -999
    return pl.DataFrame(
        {
            "size": size,
            "other": random.normal(size=600),
            "code": np.where(answer == 1, "t", "f"),
            "answer": np.where(answer == 1, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def file(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "rows.csv"
    rows.write_csv(path)
    return path


def test_a_muted_finding_is_shown_and_nothing_acts_on_it(file):
    given = {"data": {"path": str(file), "target": "answer"}}
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


def test_a_mute_of_other_columns_mutes_nothing(file):
    mute = [{"symptom": "target_leakage", "columns": ["size"], "reason": "known before the answer"}]
    found = melior.audit(Recipe.checked({"data": {"path": str(file), "target": "answer"}, "mute": mute}))
    assert found["target_leakage"] is not None


def test_muting_does_not_change_what_a_trial_depends_on():
    plain = Recipe()
    muted = Recipe.checked({"mute": [{"symptom": "outliers", "reason": "they are real"}]})
    assert plain.fingerprint() == muted.fingerprint()


@pytest.mark.parametrize("mute", [{"symptom": "outliers"}, {"symptom": "outliers", "reason": ""}, {"reason": "known"}])
def test_a_mute_needs_a_symptom_and_a_reason(mute):
    with pytest.raises(UserError, match=r"mute\.0"):
        Recipe.checked({"mute": [mute]})


def test_a_mute_of_no_symptom_is_refused(file):
    recipe = Recipe.checked({"data": {"path": str(file)}, "mute": [{"symptom": "outlier", "reason": "they are real"}]})
    with pytest.raises(UserError, match="no symptom 'outlier'"):
        melior.audit(recipe)


def test_fast_fits_no_model(file, monkeypatch):
    from melior.trials import context

    monkeypatch.setattr(context, "fit", lambda *given, **more: pytest.fail("a model was fitted"))
    found = melior.audit(file, target="answer", fast=True)
    assert not found.failed
    assert found["invalid_values"] is not None


# ---- a sample


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_sample_keeps_the_numbers_of_its_rows(rows, tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    numbered = rows.with_columns(pl.Series("place", np.arange(600.0)))
    numbered.write_csv(path) if suffix == "csv" else numbered.write_parquet(path)
    table = melior.read(path, target="answer", sample=100, seed=3)
    assert table.rows == 100
    assert (np.diff(table.row_ids) > 0).all()
    assert np.array_equal(table.numbers("place"), table.row_ids)
    assert any("100 of 600 rows were read" in note for note in table.notes)
    again = melior.read(path, target="answer", sample=100, seed=3)
    assert np.array_equal(table.row_ids, again.row_ids)
    assert melior.read(path, target="answer", sample=600).rows == 600


def test_a_parquet_file_larger_than_the_memory_at_hand_is_sampled(rows, tmp_path, monkeypatch):
    from melior.data import read

    path = tmp_path / "rows.parquet"
    rows.write_parquet(path)
    monkeypatch.setattr(read, "memory_at_hand", lambda: rows.estimated_size() * 2.0)
    table = read.read(path, target="answer", sample="fitting")
    assert 200 < table.rows < 400  # a quarter of twice the size
    assert any("drawn at random" in note for note in table.notes)
    monkeypatch.setattr(read, "memory_at_hand", lambda: rows.estimated_size() * 100.0)
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


# ---- a cleaned copy


def test_a_cleaned_copy_says_what_was_done_and_the_source_stays(file, rows, tmp_path):
    before = file.read_bytes()
    out = tmp_path / "clean.parquet"
    found = melior.audit(file, target="answer", fix=out)
    assert file.read_bytes() == before
    clean, log = pl.read_parquet(out), pl.read_csv(tmp_path / "clean.log.csv")
    assert found.fixed.columns_dropped == ("code",)
    assert "code" not in clean.columns
    assert clean.get_column("size").null_count() == 20
    placed = log.filter(pl.col("action") == "made missing")
    bad = np.flatnonzero(rows.get_column("size").to_numpy() == -999) + 1
    assert sorted(placed.get_column("row").to_list()) == bad.tolist()
    assert set(placed.get_column("before").to_list()) == {-999}
    assert clean.get_column("answer").to_list() == rows.get_column("answer").to_list()
    assert log.filter(pl.col("action") == "column left out").get_column("column").to_list() == ["code"]


def test_nothing_is_overwritten(file, tmp_path):
    out = tmp_path / "clean.csv"
    out.write_text("mine")
    with pytest.raises(UserError, match="nothing is overwritten"):
        melior.audit(file, target="answer", fix=out)
    assert out.read_text() == "mine"
    (tmp_path / "other.log.csv").write_text("mine")
    with pytest.raises(UserError, match=r"other\.log\.csv"):
        melior.audit(file, target="answer", fix=tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize("name", ["clean.xlsx", "clean", "nowhere/clean.csv"])
def test_a_copy_that_cannot_be_written_is_refused_before_any_work(file, tmp_path, name, monkeypatch):
    from melior.verbs import audit

    monkeypatch.setattr(audit, "run_checks", lambda *given, **more: pytest.fail("work was done"))
    with pytest.raises(UserError):
        audit.audit(file, target="answer", fix=tmp_path / name)


def test_a_sample_is_no_ground_for_a_copy(file, tmp_path):
    with pytest.raises(UserError, match="only a sample"):
        melior.audit(file, target="answer", sample=100, fix=tmp_path / "clean.csv")


def test_what_could_not_be_read_is_missing_in_the_copy_and_in_the_log(tmp_path):
    source = tmp_path / "rows.csv"
    lines = [f"{n}.5,{'yes' if n % 2 else 'no'}" for n in range(60)]
    lines[7] = "about five,yes"
    source.write_text("size,answer\n" + "\n".join(lines) + "\n")
    melior.audit(source, target="answer", fix=tmp_path / "clean.csv", fast=True)
    log = pl.read_csv(tmp_path / "clean.log.csv").filter(pl.col("column") == "size", pl.col("action") == "made missing")
    assert log.select("row", "before").rows() == [(8, "about five")]
    assert pl.read_csv(tmp_path / "clean.csv").get_column("size").null_count() == 1


def test_labels_that_look_wrong_are_left_to_people(tmp_path):
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 1500)
    given = np.where(random.random(1500) < 0.1, 1 - answer, answer)
    frame = pl.DataFrame({f"n{k}": random.normal(size=1500) + 2 * answer for k in range(5)})
    frame = frame.with_columns(pl.Series("answer", np.where(given == 1, "yes", "no")))
    found = melior.audit(frame, target="answer", checks=["label_noise"], fix=tmp_path / "clean.parquet")
    assert len(found["label_noise"].rows) > 50
    clean, log = pl.read_parquet(tmp_path / "clean.parquet"), pl.read_csv(tmp_path / "clean.log.csv")
    assert clean.get_column("answer").to_list() == frame.get_column("answer").to_list()
    assert set(log.get_column("action")) == {"to be looked at"}
    assert log.get_column("row").to_list() == (found["label_noise"].rows + 1).tolist()


def test_only_what_a_finding_is_sure_of_is_changed(tmp_path):
    """A column with -999 and with values in another unit: the first are sure, the second are a question."""
    random = np.random.default_rng(0)
    height = random.normal(1.75, 0.08, 800)
    height[random.choice(800, 60, replace=False)] *= 100
    height[random.choice(800, 20, replace=False)] = -999
    frame = pl.DataFrame({"height": height, "other": random.normal(size=800)})
    melior.audit(frame, fix=tmp_path / "clean.parquet", fast=True)
    clean = pl.read_parquet(tmp_path / "clean.parquet").get_column("height")
    assert clean.null_count() == (height == -999).sum()
    kept = clean.is_not_null().to_numpy()
    assert np.array_equal(clean.to_numpy()[kept], height[height != -999])


def test_copies_go_and_the_first_stays(tmp_path):
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"a": random.normal(size=200), "b": random.normal(size=200)})
    melior.audit(pl.concat([frame, frame[:30]]), fix=tmp_path / "clean.parquet", fast=True)
    clean, log = pl.read_parquet(tmp_path / "clean.parquet"), pl.read_csv(tmp_path / "clean.log.csv")
    assert clean.equals(frame)
    assert sorted(log.filter(pl.col("action") == "row left out").get_column("row").to_list()) == list(range(201, 231))


def test_of_copies_with_different_answers_none_goes(tmp_path):
    """Which answer is right only people can say; copies with one answer go all the same."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"a": random.normal(size=60), "b": random.normal(size=60), "answer": ["no", "yes"] * 30})
    other = frame[:3].with_columns(answer=pl.Series(["yes", "no", "yes"]))
    found = melior.audit(
        pl.concat([frame, frame[:3], other[:1], frame[10:20]]),
        target="answer", fix=tmp_path / "clean.parquet", checks=["duplicate_rows"],
    )  # fmt: skip
    clean, log = pl.read_parquet(tmp_path / "clean.parquet"), pl.read_csv(tmp_path / "clean.log.csv")
    assert clean.equals(pl.concat([frame, frame[:1], other[:1]]))
    looked = log.filter(pl.col("action") == "to be looked at")
    assert looked["row"].to_list() == [1, 61, 64]
    assert set(looked["why"]) == {'copies with different answers: "no" (row 1), "yes" (row 64)'}
    gone = log.filter(pl.col("action") == "row left out")
    assert sorted(gone["row"].to_list()) == [62, 63, *range(65, 75)]
    assert found.fixed.left == ("duplicate_rows",)


ROWS = 40


@pytest.fixture
def written(tmp_path):
    """A file in which whole numbers, thousands, dates and zeros at the end are written as people write them."""
    lines = [
        f'{20 + n},"1,{200 + n}.50",2023-01-{1 + n % 28:02d},{n * 7 % 13}.10, {"yes" if n % 2 else "no"}'
        for n in range(ROWS)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("age,income,day,rate,answer\n" + "\n".join([*lines, lines[5]]) + "\n")
    return path


def test_cells_that_are_not_changed_stay_as_they_are_written(written, tmp_path):
    found = melior.audit(written, target="answer", fix=tmp_path / "clean.csv", fast=True)
    assert (found.fixed.rows_dropped, found.fixed.cells_changed) == (1, 0)
    text = pl.read_csv(written, infer_schema=False)
    assert pl.read_csv(tmp_path / "clean.csv", infer_schema=False).equals(text[:ROWS])
    assert "written anew" not in pl.read_csv(tmp_path / "clean.log.csv")["action"].to_list()


def test_text_becomes_numbers_and_dates_in_parquet_and_the_log_says_so(written, tmp_path):
    melior.audit(written, target="answer", fix=tmp_path / "clean.parquet", fast=True)
    clean = pl.read_parquet(tmp_path / "clean.parquet")
    assert [str(dtype) for dtype in clean.dtypes] == ["Int64", "Float64", "Date", "Float64", "String"]
    log = pl.read_csv(tmp_path / "clean.log.csv", infer_schema=False).filter(pl.col("action") == "written anew")
    assert log.select("row", "column", "before", "after").rows() == [
        ("1", "income", "1,200.50", "1200.5"),
        ("1", "rate", "0.10", "0.1"),
    ]


def test_a_copy_keeps_the_types_of_its_source(tmp_path):
    from datetime import date, datetime

    rows = pl.DataFrame({
        "age": pl.Series(range(20, 60), dtype=pl.Int16),
        "day": [date(2023, 1, 1 + n % 28) for n in range(40)],
        "at": [datetime(2023, 1, 1 + n % 28) for n in range(40)],
        "list": [[n, n + 1] for n in range(40)],
        "flag": [True, False, None, True] * 10,
        "answer": [0, 1] * 20,
    })  # fmt: skip
    rows.write_parquet(tmp_path / "rows.parquet")
    melior.audit(tmp_path / "rows.parquet", target="answer", fix=tmp_path / "clean.parquet", fast=True)
    assert pl.read_parquet(tmp_path / "clean.parquet").equals(rows)
    melior.audit(tmp_path / "rows.parquet", target="answer", fix=tmp_path / "plain.csv", fast=True)
    first = (tmp_path / "plain.csv").read_text().splitlines()[1]
    assert first == "20,2023-01-01,2023-01-01,,true,0"
    melior.audit(rows.to_arrow().to_reader(), target="answer", fix=tmp_path / "again.parquet", fast=True)
    assert pl.read_parquet(tmp_path / "again.parquet").equals(rows)  # a source that can be read once
    table = melior.read(rows, target="answer")
    melior.audit(table, fix=tmp_path / "table.csv", fast=True)
    assert (tmp_path / "table.csv").read_text().splitlines()[1] == first


def test_the_log_of_images_names_their_paths(tmp_path):
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (12, 10, 3)).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "pets" / label / f"{number:02d}.png")
    for twin in ("a/zz.png", "b/aa.png"):
        (tmp_path / "pets" / twin).write_bytes((tmp_path / "pets" / twin[0] / "05.png").read_bytes())
    (tmp_path / "pets" / "b" / "bb.png").write_bytes((tmp_path / "pets" / "a" / "00.png").read_bytes())
    melior.audit(tmp_path / "pets", fix=tmp_path / "clean.csv", fast=True)
    log = pl.read_csv(tmp_path / "clean.log.csv")
    gone = log.filter(pl.col("action") == "row left out").sort("row")
    assert gone.select("row", "before", "why").rows() == [
        (13, "a/zz.png", "a copy of row 6 (a/05.png)"),
        (26, "b/aa.png", "a copy of row 19 (b/05.png)"),
    ]
    looked = log.filter(pl.col("action") == "to be looked at").sort("row")
    assert looked.select("row", "before").rows() == [(1, "a/00.png"), (27, "b/bb.png")]
    assert pl.read_csv(tmp_path / "clean.csv").height == 25


def test_what_is_left_to_people_is_said_last(tmp_path, melior_in):
    mails = [f"write to ann{n}@mail.com" for n in range(60)]
    random = np.random.default_rng(0)
    pl.DataFrame({"note": mails, "x": random.normal(size=60), "answer": ["no", "yes"] * 30}).write_csv(
        tmp_path / "rows.csv"
    )
    _, out, _ = melior_in(
        tmp_path, "audit", "rows.csv", "--target", "answer", "--checks", "personal_data", "--fix", "clean.csv"
    )
    assert out.strip().splitlines()[-1] == (
        "1 finding was left as found, in part or whole, for you to look at: personal_data."
    )
    assert pl.read_csv(tmp_path / "clean.csv")["note"].to_list() == mails


# ---- pictures


def test_the_report_draws_the_rows_and_the_columns_that_are_wrong(file, tmp_path):
    melior.audit(file, target="answer", run=tmp_path / "run")
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


def test_rows_without_a_target_stand_in_the_log_of_the_copy(tmp_path):
    rows = pl.DataFrame({"size": np.arange(60.0) ** 1.5, "answer": [*["no", "yes"] * 29, None, None]})
    rows.write_parquet(tmp_path / "rows.parquet")
    data = {"path": str(tmp_path / "rows.parquet"), "target": "answer", "missing_target": "drop"}
    found = melior.audit(Recipe.checked({"data": data}), fix=tmp_path / "clean.csv")
    log = pl.read_csv(tmp_path / "clean.log.csv").filter(pl.col("why").str.contains("target is empty"))
    assert log["row"].to_list() == [59, 60]
    assert (found.fixed.rows_before, found.fixed.rows_dropped) == (60, 2)
    assert pl.read_csv(tmp_path / "clean.csv").height == 58


def test_a_method_is_named_only_where_it_reaches_the_columns():
    """What cleans numbers does not treat a broken image or a text."""
    assert "data_cleaning" in treating("invalid_values", {"number", "text"})
    assert "data_cleaning" in treating("invalid_values")
    assert "data_cleaning" not in treating("invalid_values", {"image"})
    assert "noise_training" in treating("invalid_values", {"number"})
    assert "noise_training" not in treating("invalid_values", {"image"})


def test_a_column_of_one_value_makes_no_warning_of_a_library(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # scipy's of a column without spread
        table = melior.read(rows.head(200).with_columns(always=pl.lit(1.0)), target="answer")
        found = run_checks(table, Recipe(), only=["label_noise"])
    assert found["failed_check"] is None
