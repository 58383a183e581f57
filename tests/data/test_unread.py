"""What of new rows cannot be read as the training rows were is told, column by column, and quietly else."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.read import read, read_like
from melior.data.schema import Schema
from melior.data.seen import seen_in
from melior.data.unread import unread_of

ROWS = 60
TRAINING = {
    "x": [n / 7 for n in range(ROWS)],
    "when": [f"2024-{1 + n % 12:02d}-{1 + n % 28:02d}" for n in range(ROWS)],
    "c": ["red", "blue", "green"] * (ROWS // 3),
    "paid": ["true", "false"] * (ROWS // 2),
    "y": ["a", "b"] * (ROWS // 2),
}


@pytest.fixture(scope="module")
def schema():
    return read(TRAINING, target="y").schema


def notes_of(schema, **columns):
    return read_like({**TRAINING, **columns}, schema).notes


def test_rows_like_those_of_training_are_no_news(schema):
    assert notes_of(schema) == ()
    assert notes_of(schema, x=[None] * ROWS, c=["", "NA"] + ["red"] * (ROWS - 2)) == ()


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("x", ["abc"] * ROWS, 'no cell of "x" can be read as a number (row 1: "abc"): the whole column counts as'),
        ("x", ["1"] * (ROWS - 2) + ["?", "abc"], '2 of 60 cells of "x" cannot be read as numbers (row 59: "?") and'),
        ("when", ["13.01.2024"] * ROWS, 'no cell of "when" can be read as a time (row 1: "13.01.2024"): the whole'),
        ("c", [""] + ["Red"] * (ROWS - 1), 'no cell of "c" has a value that was seen in training (row 2: "Red"; the '),
        ("paid", ["1", "0"] * (ROWS // 2), 'no cell of "paid" has a value that was seen in training (row 1: "1"; '),
        ("c", ["red"] * 40 + ["x"] * 20, '20 of 60 cells of "c" have values never seen in training (row 41: "x"; '),
    ],
)
def test_what_cannot_be_read_is_told(schema, column, cells, said):
    (note,) = notes_of(schema, **{column: cells})
    assert note.startswith(said)


def test_a_few_new_values_are_usual(schema):
    assert notes_of(schema, c=["red"] * (ROWS - 5) + ["x"] * 5) == ()
    rare = [f"v{n}" for n in range(ROWS // 2)] + ["often"] * (ROWS // 2)  # half the cells have values of their own
    learned = read({"c": rare, "y": TRAINING["y"]}, target="y", columns={"c": "category"}).schema
    assert learned.seen["c"].once == 0.5
    assert read_like({"c": ["often"] * 30 + ["new"] * 30}, learned).notes == ()
    assert len(read_like({"c": ["often"] * 20 + ["new"] * 40}, learned).notes) == 1


def test_many_such_columns_are_told_in_few_sentences():
    wide = {f"x{n}": np.arange(ROWS) + 0.5 for n in range(30)}
    learned = read({**wide, "y": TRAINING["y"]}, target="y").schema
    notes = read_like(dict.fromkeys(wide, ["abc"] * ROWS), learned).notes
    assert len(notes) == 9
    assert "and 17 more" in notes[-1]


def test_what_was_seen_is_kept_with_the_schema(schema):
    assert schema.seen["c"].values == ("blue", "green", "red")
    assert set(schema.seen) == {"c", "paid"}
    assert Schema.from_dict(schema.to_dict()) == schema
    many = pl.DataFrame({"c": [str(n) for n in range(10_001)]})
    assert seen_in(many, ["c"]) == {}


def test_training_tells_what_it_cannot_read_too():
    """Infinite numbers too: they are none that a model could learn from."""
    table = read({**TRAINING, "x": [float("inf"), *TRAINING["x"][1:]]}, target="y")
    said = '1 of 60 cells of "x" cannot be read as numbers (row 1: "inf") and count as missing.'
    assert unread_of(table) == (said,)
    assert said in melior.train(table, model="linear").notes
    assert unread_of(read(TRAINING, target="y")) == ()
    texts = read({**TRAINING, "x": ["Infinity", *map(str, TRAINING["x"][1:])]}, target="y")
    assert unread_of(texts) == (said.replace('"inf"', '"Infinity"'),)
