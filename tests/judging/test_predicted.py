"""Files of predictions: every way in which rows are found again, and one sentence with the row for what is wrong."""

import json

import numpy as np
import polars as pl
import pytest

from melior.data.label_sets import LabelSets
from melior.data.predicted import id_cells, read_predictions
from melior.errors import UserError

KNOWN = '"y" of new.csv'


def codes(frame, classes=("no", "yes"), **how):
    return read_predictions(frame, "y", "a.csv").answers(classes, how.get("sets"), KNOWN)


def frame(**columns):
    return pl.DataFrame(columns)


# ---- what is read


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_file(kind, tmp_path):
    made = frame(row=[0, 1, 2], prediction=["no", "yes", "no"], score_no=[0.75, 0.25, 0.5], score_yes=[0.25, 0.75, 0.5])
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        made.write_parquet(path)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, made.to_dicts())))
    else:
        made.write_csv(path, separator="," if kind == "csv" else "\t")
    found = read_predictions(path, "y")
    assert found.name == f"a.{kind}"
    assert found.answers(("no", "yes"), None, KNOWN).tolist() == [0, 1, 0]
    scores, note = found.scores(("no", "yes"), several=False)
    assert scores[:, 1].tolist() == [0.25, 0.75, 0.5]
    assert note == ""
    assert found.places(None, 3, "new.csv")[0].tolist() == [0, 1, 2]


def test_the_target_names_the_predictions_where_nothing_else_does():
    assert codes(frame(y=["yes", "no"])).tolist() == [1, 0]
    assert codes(frame(y=["yes", "no"], prediction=["no", "no"])).tolist() == [0, 0]


def test_classes_are_written_as_the_truth_writes_them():
    assert codes(frame(prediction=["1.0", "0"]), ("0", "1")).tolist() == [1, 0]
    assert codes(frame(prediction=[True, False]), ("false", "true")).tolist() == [1, 0]
    scores, _ = read_predictions(frame(**{"score_1.0": [0.2], "score_0": [0.8]}), "y").scores(("0", "1"), several=False)
    assert scores.tolist() == [[0.8, 0.2]]


def test_several_labels_a_row():
    sets = LabelSets(";")
    listed, joined = frame(prediction=[["a", "b"], [], ["b"]]), frame(prediction=["a;b", None, "b"])
    for made in (listed, joined):
        assert codes(made, ("a", "b"), sets=sets).tolist() == [[1, 1], [0, 0], [0, 1]]


def test_scores_alone_and_of_one_of_two_classes():
    found = read_predictions(frame(score_yes=[0.1, 0.8]), "y")
    assert found.answers(("no", "yes"), None, KNOWN) is None
    scores, _ = found.scores(("no", "yes"), several=False)
    assert scores == pytest.approx(np.array([[0.9, 0.1], [0.2, 0.8]]))


def test_a_class_without_scores_counts_as_never_likely():
    found = read_predictions(frame(score_a=[0.4, 0.9], score_b=[0.6, 0.1]), "y", "a.csv")
    scores, note = found.scores(("a", "b", "c"), several=False)
    assert scores[:, 2].tolist() == [0, 0]
    assert '"c"' in note


def test_scores_may_be_rounded():
    found = read_predictions(frame(score_a=[0.33], score_b=[0.33], score_c=[0.33]), "y")
    scores, _ = found.scores(("a", "b", "c"), several=False)
    assert scores.sum() == pytest.approx(1)


def test_a_column_of_scores_that_is_of_no_class():
    zeros = frame(score_no=[0.4], score_yes=[0.6], score_maybe=[0.0])
    assert read_predictions(zeros, "y").scores(("no", "yes"), several=False)[0].tolist() == [[0.4, 0.6]]
    with pytest.raises(UserError, match=r'"score_" is of no class; they are "no", "yes"'):
        read_predictions(frame(score_no=[0.4], score_=[0.6]), "y", "a.csv").scores(("no", "yes"), several=False)


def read_whole(made):
    found = read_predictions(made, "y", "a.csv")
    return found.answers(("no", "yes"), None, KNOWN), found.scores(("no", "yes"), several=False)


# ---- which row is which


def test_rows_in_the_order_of_their_numbers():
    found = read_predictions(frame(row=[2, 0, 1], prediction=["c", "a", "b"]), "y")
    place, _ = found.places(None, 3, "new.csv")
    assert found.answers(("a", "b", "c"), None, KNOWN)[place].tolist() == [0, 1, 2]


def test_rows_by_id():
    found = read_predictions(frame(key=["k3", "k1", "k2", "k9"], prediction=list("cabz")), "y", "a.csv")
    ids = id_cells(frame(key=["k1", "k2", "k3"]), "key", "new.csv")
    place, note = found.places(ids, 3, "new.csv")
    assert place.tolist() == [1, 2, 0]
    assert note.startswith("1 predictions of a.csv")
    numbers = read_predictions(frame(key=[2, 1], prediction=["b", "a"]), "y")
    assert numbers.places(id_cells(frame(key=["1", "2"]), "key", "new.csv"), 2, "new.csv")[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (frame(answer=["a", "b"]), ['"prediction"', '"y"', '"answer"']),
        (frame(prediction=["no", None]), ["row 2", '"prediction" is empty']),
        (frame(prediction=["no", "jes"]), ["row 2", '"jes"', '"no", "yes"', "score_CLASS"]),
        (frame(prediction=["no", "no"], score_no=[0.5, 1.5]), ["row 2", '"score_no"', "1.5"]),
        (frame(prediction=["no", "no"], score_no=["0.5", "x"]), ["row 2", '"score_no"', '"x"']),
        (frame(prediction=["no", "no"], score_no=[0.5, None]), ["row 2", '"score_no" is empty']),
        (frame(prediction=["no", "no"], score_no=[0.5, float("nan")]), ["row 2", '"score_no"']),
        (frame(score_no=[0.5, 0.9], score_yes=[0.5, 0.9]), ["row 2", "sum to 1.8"]),
    ],
)
def test_bad_predictions_are_one_sentence_with_the_row(made, parts):
    with pytest.raises(UserError) as error:
        read_whole(made)
    said = str(error.value)
    assert said.startswith("a.csv")
    for part in parts:
        assert part in said


def test_one_score_of_three_classes_is_too_few():
    with pytest.raises(UserError, match='one of 3 classes, and none for "b", "c"'):
        read_predictions(frame(score_a=[0.4]), "y").scores(("a", "b", "c"), several=False)


@pytest.mark.parametrize(
    ("made", "parts"),
    [
        (frame(prediction=["a"] * 4), ["4 predictions", "3 rows", "--id"]),
        (frame(row=[0, 1, 1], prediction=["a"] * 3), ["row 3", '"row" is 1 a second time']),
        (frame(row=[1, 2, 3], prediction=["a"] * 3), ["row 3", '"row" is "3"', "0 to 2"]),
        (frame(row=["0", "x", "2"], prediction=["a"] * 3), ["row 2", '"row" is "x"']),
    ],
)
def test_rows_that_are_not_those_of_the_data(made, parts):
    with pytest.raises(UserError) as error:
        read_predictions(made, "y", "a.csv").places(None, 3, "new.csv")
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("own", "data", "parts"),
    [
        (["k1", "k1"], ["k1", "k2"], ["a.csv, row 2", '"k1" a second time']),
        (["k1", "k2"], ["k1", "k1"], ["new.csv, row 2", '"k1" a second time']),
        (["k1", None], ["k1", "k2"], ["a.csv, row 2", "is empty"]),
        (["k1", "k3"], ["k1", "k2"], ["a.csv", '"k2" (row 2)']),
    ],
)
def test_ids_that_do_not_fit(own, data, parts):
    found = read_predictions(frame(key=own, prediction=["a"] * len(own)), "y", "a.csv")
    with pytest.raises(UserError) as error:
        found.places(id_cells(frame(key=data), "key", "new.csv"), len(data), "new.csv")
    for part in parts:
        assert part in str(error.value)


def test_an_id_that_is_no_column():
    with pytest.raises(UserError, match=r'"keys" is no column\. Did you mean "key"'):
        id_cells(frame(key=["a"]), "keys", "new.csv")


# ---- another order


def test_rows_in_another_order_are_not_compared_in_their_order():
    data = frame(key=["a", "b", "c"], colour=["x", "x", "y"], y=["no", "yes", "no"])
    moved = frame(key=["c", "b", "a"], colour=["x", "x", "y"], prediction=["no", "yes", "no"])
    with pytest.raises(UserError, match=r'a.csv has the rows of new.csv in another order: "key".* with --id key, or'):
        read_predictions(moved, "y", "a.csv").places(None, 3, "new.csv", data)
    spaced = moved.rename({"key": "the key"})
    with pytest.raises(UserError, match='--id "the key"'):
        read_predictions(spaced, "y", "a.csv").places(None, 3, "new.csv", data.rename({"key": "the key"}))


@pytest.mark.parametrize(
    "columns",
    [
        {"key": ["a", "b", "c"]},  # the same order
        {"key": ["a", "b", "c"], "rank": [3, 2, 1]},  # one column that agrees is enough
        {"key": ["c", "b", "d"]},  # other values
        {"key": ["a", None, "c"]},  # not in every row
        {"colour": ["y", "x", "x"]},  # not different in every row
        {"key": ["c", "b", "a"], "row": [2, 1, 0]},  # the row numbers say where each belongs
        {"score_no": [0.1, 0.2, 0.3]},
    ],
)
def test_what_does_not_say_that_the_order_is_another_is_compared_in_it(columns):
    data = frame(key=["a", "b", "c"], rank=[1, 2, 3], colour=["x", "x", "y"], score_no=[0.3, 0.2, 0.1])
    made = frame(**columns, prediction=["no", "yes", "no"])
    place, note = read_predictions(made, "y", "a.csv").places(None, 3, "new.csv", data)
    assert place.tolist() == ([2, 1, 0] if "row" in columns else [0, 1, 2])
    assert note == ""
