"""Several sources as one table: aligned, mapped, each with its own notation, and refused in one sentence."""

import io

import polars as pl
import pytest

import melior
from melior.data.fuse import fuse
from melior.data.splits import seal
from melior.errors import UserError
from melior.recipe import Recipe, Split
from melior.trials.fit import fit

NORTH = "age,town,note,paid\n" + "\n".join(
    f"{20 + n},town {n % 3},a note of some words number {n},{'yes' if n % 3 else 'no'}" for n in range(30)
)
SOUTH = "years;income;note;bezahlt\n" + "\n".join(
    f"{40 + n};1.{n:02d}0,5;another text of some words {n};{'J' if n % 2 else 'N'}" for n in range(20)
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "north.csv").write_text(NORTH, encoding="utf-8")
    (tmp_path / "south.csv").write_text(SOUTH, encoding="utf-8")
    return tmp_path


def mapped(folder):
    south = {
        "path": str(folder / "south.csv"),
        "columns": {"years": "age", "bezahlt": "paid"},
        "labels": {"J": "yes", "N": "no"},
    }
    return [str(folder / "north.csv"), south]


def test_rows_of_both_stand_one_after_another(folder):
    table = fuse(mapped(folder), target="paid")
    assert table.rows == 50
    assert table.classes == ("no", "yes")
    assert table.column("age").to_list() == [20.0 + n for n in range(30)] + [40.0 + n for n in range(20)]
    assert table.column("source").to_list() == ["north.csv"] * 30 + ["south.csv"] * 20
    assert table.row_ids.tolist() == list(range(50))
    labels = [table.classes[number] for number in table.labels]
    assert labels == ["yes" if n % 3 else "no" for n in range(30)] + ["yes" if n % 2 else "no" for n in range(20)]
    assert dict(table.schema.kinds)["source"] == "ignore"
    assert "source" not in table.features()


def test_what_a_source_lacks_is_missing_and_said(folder):
    table = fuse(mapped(folder), target="paid")
    assert table.column("town").null_count() == 20
    assert table.column("income").null_count() == 30
    assert any("south.csv; it has no" in note and "town" in note for note in table.notes)


def test_each_source_writes_numbers_in_its_own_way(folder):
    """1.010,5 in one file is one thousand and ten and a half, whatever the other file does."""
    table = fuse(mapped(folder), target="paid")
    assert table.column("income").drop_nulls().to_list()[:2] == [1000.5, 1010.5]


def test_splits_by_group_see_the_source(folder):
    table = fuse(mapped(folder), target="paid")
    development, sealed = seal(table, Split(kind="group", column="source", sealed=0.4), 0)
    sources = table.column("source")
    assert set(sources[development.tolist()]) & set(sources[sealed.tolist()]) == set()


def test_a_source_column_that_models_may_read(folder):
    table = fuse(mapped(folder), target="paid", columns={"origin": "category"}, source_column="origin")
    assert dict(table.schema.kinds)["origin"] == "category"


def test_a_recipe_names_sources_relative_to_itself(folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        "data:\n  target: paid\n  sources:\n  - north.csv\n  - path: south.csv\n    name: the south\n"
        "    columns: {years: age, bezahlt: paid}\n    labels: {J: 'yes', N: 'no'}\nmodel: linear\n",
        encoding="utf-8",
    )
    trained = melior.train(str(recipe))
    assert trained.rows == 40
    assert trained.evaluation is not None
    loaded = Recipe.load(recipe)
    assert Recipe.from_yaml(loaded.to_yaml()) == loaded
    fused = fuse(mapped(folder), target="paid")
    answered = trained.predictor.predict(fused.frame)
    assert answered.height == 50


def test_a_test_file_has_the_columns_of_the_whole(folder):
    (folder / "test.csv").write_text(
        "age,town,note,income,paid\n31,town 1,some words here,1200.5,yes\n55,,other words,900,no\n", encoding="utf-8"
    )
    recipe = Recipe.checked({"data": {"sources": mapped(folder), "target": "paid", "test": str(folder / "test.csv")},
                             "model": "linear"})  # fmt: skip
    trained = melior.train(recipe)
    assert trained.rows == 50
    assert trained.evaluation.rows == 2


def test_tables_in_memory_and_no_target():
    one = pl.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    other = {"rows": {"A": [3.5], "c": ["z"]}, "name": "other", "columns": {"A": "a"}}
    table = fuse([one, other])
    assert table.column("a").to_list() == [1.5, 2.5, 3.5]
    assert table.column("source").to_list() == ["source 1", "source 1", "other"]
    assert table.labels is None


def test_several_labels_a_row():
    one = pl.DataFrame({"a": list(range(6)), "tags": [["x"], ["x", "y"], [], ["y"], ["x"], ["y"]]})
    other = {"rows": pl.DataFrame({"a": [7, 8, 9], "tags": [["ex"], ["why"], ["ex", "why"]]}), "name": "other",
             "labels": {"ex": "x", "why": "y"}}  # fmt: skip
    table = fuse([one, other], target="tags")
    assert table.classes == ("x", "y")
    assert table.label_matrix.tolist()[-3:] == [[1, 0], [0, 1], [1, 1]]


def pictures(count, shade):
    from PIL import Image

    made = []
    for number in range(count):
        out = io.BytesIO()
        Image.new("RGB", (8, 8), (shade, 10 * number, 0)).save(out, format="PNG")
        made.append(out.getvalue())
    return made


def test_pictures_of_folders_files_and_memory(tmp_path):
    """Each source names its pictures in its own way; all are found, and each row has its own."""
    for folder, shade in (("first", 10), ("second", 60)):
        for answer in ("cat", "dog"):
            (tmp_path / folder / answer).mkdir(parents=True)
            for number, data in enumerate(pictures(2, shade + 20 * (answer == "dog"))):
                (tmp_path / folder / answer / f"{number}.png").write_bytes(data)
    (tmp_path / "listed.csv").write_text("image,label\nfirst/cat/0.png,cat\n,cat\n", encoding="utf-8")
    inside = [{"path": None, "bytes": data} for data in pictures(2, 120)]
    memory = {"rows": pl.DataFrame({"image": inside, "label": ["dog", None]}), "name": "memory"}
    without = {"rows": pl.DataFrame({"label": ["cat"], "size": [1.5]}), "name": "without"}
    sources = [tmp_path / "first", tmp_path / "second", tmp_path / "listed.csv", memory, without]
    table = fuse(sources, target="label", missing_target="drop")
    found = table.pictures("image")
    assert found.readable.tolist() == [True] * 9 + [False, True, False]
    shades = found.pixels[:, 0, 0, 0].tolist()
    assert [shades[row] for row in (0, 2, 4, 6, 8, 10)] == [10, 30, 60, 80, 10, 120]
    assert [table.classes[number] for number in table.labels] == ["cat"] * 2 + ["dog"] * 2 + ["cat"] * 2 + [
        "dog", "dog", "cat", "cat", "dog", "cat"]  # fmt: skip
    assert fuse(sources[:2]).target == "label", "folders bring their answers unasked"


def test_one_source_may_hold_one_class():
    one = pl.DataFrame({"a": [0.5 * n for n in range(10)], "y": ["no"] * 10})
    other = one.with_columns(y=pl.Series(["no", "yes"] * 5))
    assert fuse([one, other], target="y").target_counts() == {"no": 15, "yes": 5}
    tags = one.with_columns(y=pl.Series([["x"]] * 10))
    assert fuse([tags, tags.with_columns(y=pl.Series([["x", "z"]] * 10))], target="y").classes == ("x", "z")
    with pytest.raises(UserError, match="one class"):
        fuse([one, one], target="y")


def test_rows_that_can_be_read_once_are_read_once():
    import pyarrow

    rows = pyarrow.table({"a": [0.5 * n for n in range(10)], "y": ["no", "yes"] * 5})
    stream = {"rows": pyarrow.RecordBatchReader.from_batches(rows.schema, rows.to_batches()), "name": "stream"}
    assert fuse([rows, stream], target="y", columns={"a": "number"}).rows == 20


def test_one_model_learns_from_texts_and_columns_of_both(folder):
    table = fuse(mapped(folder), target="paid")
    predictor = fit(Recipe(model="linear", metric="accuracy"), table)
    used = set(predictor.scorer.encoding.encoder.blocks[0].columns) | {"note"}
    assert {"age", "income", "note"} <= used


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": {"yeers": "age"}}, 'Did you mean "years"'),
        ({"columns": {"years": "age", "income": "age"}}, 'two columns are mapped to "age"'),
        ({"columns": {"years": "note"}}, '"note" is a column already'),
        ({"columns": {"note": "source"}}, '"source" is a column already'),
        ({"labels": {"Q": "yes"}}, "'Q', which is no class"),
        ({"path": "nothing.csv"}, "nothing.csv"),
        ({"colums": {}}, "'colums' is not a setting"),
        ({"name": "north.csv"}, "two sources are called 'north.csv'"),
        ({"columns": {"years": "town"}}, "of kind category in north.csv and of kind number in south.csv"),
    ],
)
def test_bad_mappings_are_refused_in_one_sentence(folder, change, said):
    north, south = mapped(folder)
    merged = {**south, **change}
    if "columns" in change:
        merged["columns"] = {"bezahlt": "paid", **change["columns"]}
    with pytest.raises(UserError) as error:
        fuse([north, merged], target="paid")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_other_bad_input(folder):
    north, south = mapped(folder)
    with pytest.raises(UserError, match="one source"):
        fuse([north], target="paid")
    with pytest.raises(UserError, match="is the target"):
        fuse([north, south], target="paid", source_column="paid")
    with pytest.raises(UserError, match='"paid" is no column'):
        fuse([north, {"path": south["path"]}], target="paid")
    with pytest.raises(UserError, match="column of no source"):
        fuse([north, south], target="paid", columns={"agee": "number"})
    with pytest.raises(UserError, match="path and sources"):
        Recipe.checked({"data": {"path": north, "sources": [north, south]}})
    with pytest.raises(UserError, match="classify"):
        Recipe.checked({"task": "generate", "data": {"sources": [north, south["path"]]}})
    with pytest.raises(UserError, match="path and rows"):
        fuse([north, {"path": north, "rows": {"a": [1]}}])


def test_the_kind_that_is_said_goes_for_all(folder):
    """Numbers that are codes in one file and words in the other."""
    one = pl.DataFrame({"code": [float(n) + 0.5 for n in range(60)], "y": ["a", "b"] * 30})
    other = pl.DataFrame({"code": ["x", "y", "x", "y", "x", "y"], "y": ["a", "b"] * 3})
    with pytest.raises(UserError, match=r"data\.columns"):
        fuse([one, other], target="y")
    table = fuse([one, other], target="y", columns={"code": "category"})
    assert table.column("code").to_list()[:2] == ["0.5", "1.5"]


def test_the_fingerprint_is_that_of_the_rows_and_not_of_where_they_lie(folder):
    plain = Recipe.checked({"data": {"target": "paid"}})
    sources = Recipe.checked({"data": {"target": "paid", "sources": mapped(folder)}})
    assert plain.fingerprint() == sources.fingerprint()
