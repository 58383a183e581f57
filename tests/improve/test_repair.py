"""Faults of the measurement are repaired before anything is tried, and only when they are certain."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.schema import Schema
from melior.data.table import Table
from melior.errors import UserError
from melior.findings import Finding
from melior.improvement.ask import taken_to_be_known
from melior.improvement.repair import repair_recipe, separate
from melior.recipe import Recipe
from melior.trials.together import clusters, same_rows


def table(values: list[float], labels: list[int]) -> Table:
    frame = pl.DataFrame({"a": [float(value) for value in values], "note": ["x"] * len(values)})
    schema = Schema({"a": "number", "note": "ignore"}, "y", ("no", "yes"))
    return Table.make(frame, schema, np.array(labels, dtype=np.int32))


def leak(column: str, certain: bool = True) -> Finding:
    return Finding("target_leakage", 1.0, "too good.", {"score_with": 0.99, "score_without": 0.7}, columns=(column,),
                   certain=certain)  # fmt: skip


def test_a_certain_leak_is_left_out_with_both_scores_and_the_way_back():
    done = repair_recipe(Recipe(), [leak("copy")], separate_test=False)
    assert done.recipe.data.columns == {"copy": "ignore"}
    (repair,) = done.repairs
    assert (repair.before, repair.after) == (0.99, 0.7)
    assert repair.undo == "data.known_at_prediction: [copy]"
    assert not done.reseal


def test_a_suspected_leak_and_a_known_column_stay():
    assert repair_recipe(Recipe(), [leak("copy", certain=False)], separate_test=False).repairs == ()
    known = Recipe(data={"known_at_prediction": ["copy"]})
    assert repair_recipe(known, [leak("copy")], separate_test=False).repairs == ()


def test_a_suspected_leak_that_beats_all_others_is_left_out_unless_only_certain_ones_are():
    strong = Finding("target_leakage", 1.0, "too good.", {"beats_all_others": True}, columns=("copy",), certain=False)
    assert repair_recipe(Recipe(), [strong], separate_test=False).recipe.data.columns == {"copy": "ignore"}
    assert repair_recipe(Recipe(), [strong], separate_test=False, ask=taken_to_be_known).repairs == ()
    certain = repair_recipe(Recipe(), [leak("copy")], separate_test=False, ask=taken_to_be_known)
    assert certain.recipe.data.columns == {"copy": "ignore"}


@pytest.mark.parametrize("kind", ["group", "time"])
def test_leaking_groups_change_the_split_and_draw_the_sealed_part_again(kind):
    measured = {"score_random": 0.9, f"score_{kind}": 0.6, "rows": 1200}
    finding = Finding(f"{kind}_leakage", 0.8, "rows leak.", measured, columns=("g",))
    done = repair_recipe(Recipe(), [finding], separate_test=False)
    # under a split by time both scores are of the last rows alone, and cannot be compared with those of all
    assert done.repairs[0].scored_on == ("the latest 1,200 rows" if kind == "time" else "")
    assert (done.recipe.split.kind, done.recipe.split.column) == (kind, "g")
    assert done.reseal
    assert not repair_recipe(Recipe(), [finding], separate_test=True).reseal
    own = Recipe(split={"kind": "group", "column": "other"})
    assert repair_recipe(own, [finding], separate_test=False).repairs == ()


def test_same_rows_compares_what_models_read_and_nothing_else():
    a, b = table([1, 2, 1, float("nan")], [0, 1, 1, 0]), table([2, 3, float("nan")], [0, 0, 1])
    own, others = same_rows(a, b)
    assert own.tolist() == [0, 1, 0, 3]
    assert others is not None
    assert others.tolist() == [1, 5, 3]
    assert clusters(a) is not None
    assert clusters(table([1, 2, 3], [0, 1, 0])) is None


def test_rows_in_both_parts_leave_the_sealed_part_where_enough_is_left():
    development = table(list(range(100)), [0, 1] * 50)
    sealed = table([*range(5), *range(1000, 1095)], [0, 1] * 50)
    kept, left, repair = separate(development, sealed, separate_test=False)
    assert repair is not None
    assert repair.rows == 5
    assert "rows that look the same to the model" in repair.message
    assert (kept.rows, left.rows) == (100, 95)
    assert not np.isin(left.numbers("a"), development.numbers("a")).any()


def test_rows_leave_training_where_the_sealed_part_would_be_empty():
    development = table(list(range(100)), [0, 1] * 50)
    sealed = table(list(range(40)), [0, 1] * 20)
    kept, left, repair = separate(development, sealed, separate_test=True)
    assert repair is not None
    assert (kept.rows, left.rows) == (60, 40)


def test_parts_without_common_rows_are_left_alone():
    a, b = table([1, 2], [0, 1]), table([3, 4], [0, 1])
    assert separate(a, b, separate_test=False) == (a, b, None)


def test_a_test_file_that_holds_every_row_to_learn_from_is_refused():
    random = np.random.default_rng(0)
    labels = (random.random(60) < 0.5).astype(int).tolist()
    whole = table(random.normal(size=60).tolist(), labels)
    with pytest.raises(UserError, match=r"all 60 rows look the same .* test file, so none is left .* Give other rows"):
        separate(whole, whole, separate_test=True)
    with pytest.raises(UserError, match=r"58 of the 60 rows .* the rest is too little to learn from"):
        separate(whole, whole.take(np.arange(58)), separate_test=True, fewest=5)
    one_class = np.flatnonzero(np.array(labels) == 1)
    with pytest.raises(UserError, match=r"sealed part, so the rest is too little to learn from. Add rows that differ"):
        separate(whole, whole.take(one_class), separate_test=False)
    assert separate(whole, whole.take(np.arange(50)), separate_test=True, fewest=5)[0].rows == 10


def test_an_improvement_that_is_tested_on_its_own_rows_says_so():
    random = np.random.default_rng(0)
    truth = (random.random(120) < 0.5).astype(int)
    rows = pl.DataFrame({"a": random.normal(size=120) + truth, "y": np.where(truth == 1, "yes", "no")})
    with pytest.raises(UserError, match="all 120 rows look the same to the model as rows of the test file"):
        melior.improve(rows, target="y", test=rows, model="linear", budget=20)
