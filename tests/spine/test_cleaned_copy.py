"""A cleaned copy: what is changed, what stays as it is written, what is left to people, and the log of it."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.errors import UserError
from melior.recipe import Recipe


def test_a_cleaned_copy_says_what_was_done_and_the_source_stays(known_file, known_rows, tmp_path):
    before = known_file.read_bytes()
    out = tmp_path / "clean.parquet"
    found = melior.audit(known_file, target="answer", fix=out)
    assert known_file.read_bytes() == before
    clean, log = pl.read_parquet(out), pl.read_csv(tmp_path / "clean.log.csv")
    assert found.fixed.columns_dropped == ("code",)
    assert "code" not in clean.columns
    assert clean.get_column("size").null_count() == 20
    placed = log.filter(pl.col("action") == "made missing")
    bad = np.flatnonzero(known_rows.get_column("size").to_numpy() == -999) + 1
    assert sorted(placed.get_column("row").to_list()) == bad.tolist()
    assert set(placed.get_column("before").to_list()) == {-999}
    assert clean.get_column("answer").to_list() == known_rows.get_column("answer").to_list()
    assert log.filter(pl.col("action") == "column left out").get_column("column").to_list() == ["code"]


def test_nothing_is_overwritten(known_file, tmp_path):
    out = tmp_path / "clean.csv"
    out.write_text("mine")
    with pytest.raises(UserError, match="nothing is overwritten"):
        melior.audit(known_file, target="answer", fix=out)
    assert out.read_text() == "mine"
    (tmp_path / "other.log.csv").write_text("mine")
    with pytest.raises(UserError, match=r"other\.log\.csv"):
        melior.audit(known_file, target="answer", fix=tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize("name", ["clean.xlsx", "clean", "nowhere/clean.csv"])
def test_a_copy_that_cannot_be_written_is_refused_before_any_work(known_file, tmp_path, name, monkeypatch):
    from melior.verbs import audit

    monkeypatch.setattr(audit, "run_checks", lambda *given, **more: pytest.fail("work was done"))
    with pytest.raises(UserError):
        audit.audit(known_file, target="answer", fix=tmp_path / name)


def test_a_sample_is_no_ground_for_a_copy(known_file, tmp_path):
    with pytest.raises(UserError, match="only a sample"):
        melior.audit(known_file, target="answer", sample=100, fix=tmp_path / "clean.csv")


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


def test_rows_without_a_target_stand_in_the_log_of_the_copy(tmp_path):
    rows = pl.DataFrame({"size": np.arange(60.0) ** 1.5, "answer": [*["no", "yes"] * 29, None, None]})
    rows.write_parquet(tmp_path / "rows.parquet")
    data = {"path": str(tmp_path / "rows.parquet"), "target": "answer", "missing_target": "drop"}
    found = melior.audit(Recipe.checked({"data": data}), fix=tmp_path / "clean.csv")
    log = pl.read_csv(tmp_path / "clean.log.csv").filter(pl.col("why").str.contains("target is empty"))
    assert log["row"].to_list() == [59, 60]
    assert (found.fixed.rows_before, found.fixed.rows_dropped) == (60, 2)
    assert pl.read_csv(tmp_path / "clean.csv").height == 58


def test_a_copy_of_a_file_with_semicolons_has_them_too(tmp_path):
    source = tmp_path / "rows.csv"
    lines = [f"{n};0,{n:03d};{'yes' if n % 2 else 'no'}" for n in range(60)]
    source.write_text("\n".join(["id;price;y", *lines]) + "\n")
    melior.audit(source, target="y", fast=True, fix=tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_text() == source.read_text()
    again = melior.read(tmp_path / "clean.csv", target="y")
    np.testing.assert_array_equal(again.numbers("price"), melior.read(source, target="y").numbers("price"))
