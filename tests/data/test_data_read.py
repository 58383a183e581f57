"""Reading with a target, reading new rows alike, and pairs of files."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import melior
from melior.data.read import read, read_like, read_pair
from melior.data.schema import Schema
from melior.data.table import said_row
from melior.errors import UserError


def test_rows_are_counted_from_one():
    assert said_row(1203) == "row 1,204"


def labelled(labels, **how):
    return read({"x": list(range(len(labels))), "y": labels}, target="y", name="reviews.csv", **how)


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (["10", "9", "10"], ("9", "10"), [1, 0, 1]),
        (["1.0", "0", "1", " 1 "], ("0", "1"), [1, 0, 1, 1]),
        ([1.0, 0.0, 1.0], ("0", "1"), [1, 0, 1]),
        ([1, 0, 1], ("0", "1"), [1, 0, 1]),
        ([0.5, 1.5, 0.5], ("0.5", "1.5"), [0, 1, 0]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
        (["True", "False", "TRUE"], ("false", "true"), [1, 0, 1]),
        (["007", "7", "007"], ("007", "7"), [0, 1, 0]),
        (["NA", "EU", "NA"], ("EU", "NA"), [1, 0, 1]),
        (["好评", "差评", "好评"], ("好评", "差评"), [0, 1, 0]),
        ([-1, 1, -1], ("-1", "1"), [0, 1, 0]),
        (pl.Series(["u", "v", "u"], dtype=pl.Categorical), ("u", "v"), [0, 1, 0]),
    ],
)
def test_labels_become_classes(labels, classes, numbers):
    table = labelled(labels)
    assert table.classes == classes
    assert table.given_labels().tolist() == numbers
    assert table.given_labels().dtype == np.int32
    assert read_like({"x": [1] * len(labels), "y": labels}, table.schema).given_labels().tolist() == numbers


def test_a_missing_target_stops_with_its_row():
    labels = ["a", "b"] * 601 + ["a", None, "b"]
    with pytest.raises(UserError) as caught:
        read({"x": [1] * 1205, "recommended": labels}, target="recommended", name="reviews.csv")
    assert str(caught.value) == (
        'reviews.csv, row 1,204: "recommended" is empty. Fill it, or leave such rows out with data.missing_target: '
        "drop in a recipe; `melior init` writes one that does."
    )
    with pytest.raises(UserError, match=r'row 2: "y" is empty \(2 rows are\)\.'):
        labelled(["a", "", "b", "  "])


def test_dropped_rows_leave_the_others_their_numbers():
    table = read(
        {"x": ["1", "2", "oops", "4"] * 30, "y": ["a", None, "b", "a"] * 30},
        target="y",
        missing_target="drop",
        columns={"x": "number"},
    )
    assert table.row_ids[:4].tolist() == [0, 2, 3, 4]
    assert list(table.unparsed["x"])[:2] == [2, 6]
    assert table.positions.tolist() == list(range(90))
    assert "30 rows" in table.notes[0]


def test_na_among_numbers_is_a_missing_label():
    with pytest.raises(UserError, match="row 3"):
        labelled(["1", "0", "NA"])
    assert labelled(["1", "0", "nan"], missing_target="drop").classes == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a", "a"], 'is "a" in every row; with one class'),
        ([None, None], "empty"),
        ([i + 0.5 for i in range(60)] * 10, r"60 different numbers.*regression"),
        (list(range(100)), "100 different numbers.*regression"),
        ([f"n{i}" for i in range(100)], "too many to be classes"),
    ],
)
def test_targets_that_cannot_be_learned(labels, says):
    with pytest.raises(UserError, match=says):
        labelled(labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes", "Yes", "no"] * 3, '"Yes", "yes" of "y" differ only in case or spaces, and each is a class of its own'),
        (["a  b", "a b", "C", "c"] * 3, '"C", "c" (and 1 more such groups) of "y" differ only in case or spaces'),
        (["EU", "NA", "US"] * 3, '3 rows have the "y" "NA", which is taken as a class of its own: empty those cells'),
        ([n % 30 for n in range(300)], '"y" has 30 different numbers, from 0 to 29, and each is taken as a class: if'),
    ],
)
def test_classes_that_look_odd_are_told(labels, said):
    (note,) = labelled(labels).notes
    assert note.startswith(said)


@pytest.mark.parametrize("labels", [["yes", "no"], ["True", "TRUE", "false"], [1, 2, 3, 4, 5], ["NA", "1", "2"]])
def test_ordinary_classes_are_no_news(labels):
    table = labelled(labels * 30, missing_target="drop")
    assert not any("class" in note for note in table.notes)


@pytest.mark.parametrize("endless", [float("inf"), "-inf", "1e400"])
def test_endless_numbers_are_no_class(endless):
    labels = [1.0, 2.0, endless] if isinstance(endless, float) else ["1.0", "2.0", endless]
    with pytest.raises(UserError, match=r'row 3: "y" is "-?(inf|1e400)", which is no class among numbers'):
        labelled(labels)
    assert labelled(labels, missing_target="drop").classes == ("1", "2")


def test_columns_are_named_by_numbers_and_with_spaces():
    frame = pd.DataFrame({0: [1.5, 2.5, 3.5], 1: ["a", "b", "a"]})
    for target in (1, "1"):
        table = read(frame, target=target, columns={0: "number"})
        assert table.target == "1"
        assert table.classes == ("a", "b")
    with pytest.raises(UserError, match='the target "7" is no column'):
        read(frame, target=7)
    assert melior.audit(frame, target=1, fast=True).rows == 3
    spaced = pd.DataFrame({"x": [1.5, 2.5, 3.5], "y ": ["a", "b", "a"]})
    assert read(spaced, target="y ").target == "y"
    assert read(pl.DataFrame(spaced), target="y ").target == "y "


def test_a_target_that_is_no_column():
    with pytest.raises(UserError, match=r'target "Y" is no column\. Did you mean "y"\?'):
        read({"x": [1], "y": [1]}, target="Y")


def test_three_rows_are_enough_and_none_are_not(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,a\n2,b\n3,a\n")
    table = read(path, target="y")
    assert (len(table), table.classes, table.schema.kinds) == (3, ("a", "b"), {"x": "number"})
    path.write_text("x,y\n")
    with pytest.raises(UserError, match=r"a\.csv: there are no rows"):
        read(path, target="y")


def test_progress_is_told():
    said = []
    read({"a": [1]}, progress=said.append)
    assert len(said) >= 2


# ---- new rows

MAIN = {
    "n": ["1,5", "2,25", "3,125"] * 4,
    "t": ["1/2/2024", "13/2/2024", "3/4/2024"] * 4,
    "c": ["red", "blue", "red"] * 4,
    "unused": [None] * 12,
    "y": ["1", "0", "1"] * 4,
}


def test_new_rows_are_read_as_the_first_ones_were():
    schema = Schema.from_dict(read(MAIN, target="y").schema.to_dict())
    rows = [{"extra": 1, "c": "unseen", "t": "2/3/2024", "n": "1,234"}]
    table = read_like(rows, schema)
    assert table.schema.kinds == schema.kinds
    assert table.labels is None
    assert table.frame.rows() == [(1.234, pl.Series(["2024-03-02"]).str.to_datetime()[0], "unseen", None)]
    assert read_like([{**rows[0], "n": 7.5}], schema).column("n").to_list() == [7.5]


def test_what_new_rows_lack_is_named():
    schema = read(MAIN, target="y").schema
    with pytest.raises(UserError, match=r'new\.csv: columns "n", "t" are missing'):
        read_like({"c": ["red"]}, schema, name="new.csv")
    with pytest.raises(UserError, match=r'column "c" is missing\. Did you mean "C"\?'):
        read_like({"C": ["red"], "n": ["1"], "t": [None]}, schema)
    full = {"n": ["1", "x"], "t": [None, None], "c": [None, None]}
    table = read_like({**full, "y": ["1", None]}, schema)
    assert table.given_labels().tolist() == [1, -1]
    assert table.unparsed == {"n": {1: "x"}}
    with pytest.raises(UserError, match='column "y" is missing'):
        read_like(full, schema, need_target=True)
    with pytest.raises(UserError, match='row 2: "y" is empty'):
        read_like({**full, "y": ["1", ""]}, schema, need_target=True)
    with pytest.raises(
        UserError, match=r'row 2: "y" is "maybe", a class that the model does not have; it has "0", "1"'
    ):
        read_like({**full, "y": [1.0, "maybe"]}, schema)


def test_a_pair_shares_kinds_and_classes():
    test = {**{name: cells[:3] for name, cells in MAIN.items()}, "c": ["7", "8", "9"]}
    first, second = read_pair(MAIN, test, target="y")
    assert second.schema == first.schema
    assert second.origin.tolist() == [1, 1, 1]
    assert first.origin.tolist() == [0] * 12
    assert second.row_ids.tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="a class that table does not have"):
        read_pair(MAIN, {**test, "y": ["1", "0", "2"]}, target="y")
    dropped = read_pair(MAIN, {**test, "y": ["1", None, "0"]}, target="y", missing_target="drop")[1]
    assert dropped.row_ids.tolist() == [0, 2]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=10), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_text_columns_come_back_as_they_were(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("t") / "a.csv"
    pl.DataFrame({"words": cells, "n": list(range(len(cells)))}).write_csv(path)
    table = read(path, columns={"words": "text"})
    assert [cell or "" for cell in table.column("words")] == cells


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_number_columns_come_back_as_they_were(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("n") / "a.csv"
    pl.DataFrame({"value": values, "w": ["a"] * len(values)}).write_csv(path)
    assert read(path, columns={"value": "number"}).column("value").to_list() == values


def test_wide_tables_are_read_in_seconds(tmp_path):
    path = tmp_path / "wide.csv"
    width = 3000
    lines = [",".join(f"x{i}" for i in range(width)), *(",".join(["1.5", "red"] * (width // 2)) for _ in range(20))]
    path.write_text("\n".join(lines))
    table = read(path)
    assert len(table.of_kind("number")) == len(table.of_kind("category")) == width // 2


@pytest.mark.parametrize("cells", [["", "\x000"], ["\x000" * 5], ["a\x00", "b", "c\x00"]])
def test_a_zero_byte_in_a_cell_makes_no_other_encoding(tmp_path, cells):
    path = tmp_path / "a.csv"
    pl.DataFrame({"words": cells, "n": list(range(len(cells)))}).write_csv(path)
    table = read(path, columns={"words": "text"})
    assert [cell or "" for cell in table.column("words")] == cells
