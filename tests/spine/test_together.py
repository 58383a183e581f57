"""Rows that belong together stand on one side of every cut inside a fit too, and are drawn together for intervals."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.schema import Schema
from melior.data.table import Table
from melior.metrics import Predictions, all_scores
from melior.recipe import Recipe, Split
from melior.trials.family import choose_family
from melior.trials.together import drawn_together, inner_folds


def table(rows=240, **columns):
    random = np.random.default_rng(0)
    values = {"a": random.normal(size=rows), "b": random.normal(size=rows), **columns}
    kinds = {name: "ignore" if name in ("who", "day") else "number" for name in values}
    labels = (values["a"] + random.normal(size=rows) > 0).astype(np.int32)
    return Table.make(pl.DataFrame(values), Schema(kinds, "y", ("no", "yes")), labels)


def held_out_once(parts, rows):
    return np.array_equal(np.sort(np.concatenate([outside for _, outside in parts])), np.arange(rows))


def test_equal_rows_stand_on_one_side():
    random = np.random.default_rng(1)
    values = random.normal(size=80)[np.repeat(np.arange(80), 3)]
    made = table(a=values, b=values + 1)
    parts = inner_folds(made, 0)
    assert held_out_once(parts, 240)
    for inside, outside in parts:
        assert not set(values[inside]) & set(values[outside])
        assert len(np.unique(made.labels[inside])) == 2


def test_rows_of_a_group_stand_on_one_side_where_the_split_is_by_group():
    who = np.repeat(np.arange(30), 8)
    parts = inner_folds(table(who=who), 0, Split(kind="group", column="who"))
    assert held_out_once(parts, 240)
    assert all(not set(who[inside]) & set(who[outside]) for inside, outside in parts)
    mixed = inner_folds(table(who=who), 0)
    assert all(set(who[inside]) & set(who[outside]) for inside, outside in mixed)


def test_blocks_of_time_are_held_out_whole():
    day = np.random.default_rng(2).permutation(240) // 4
    parts = inner_folds(table(day=day), 0, Split(kind="time", column="day"))
    assert held_out_once(parts, 240)
    reach = sorted((day[outside].min(), day[outside].max()) for _, outside in parts)
    assert all(before[1] < after[0] for before, after in pairwise(reach))


def test_groups_that_leave_nothing_to_learn_from_are_cut_apart():
    made = table(who=np.zeros(240, dtype=int))
    parts = inner_folds(made, 0, Split(kind="group", column="who"))
    assert held_out_once(parts, 240)
    assert len(parts) == 5


def test_the_family_is_not_chosen_for_knowing_copies_by_heart():
    """Rows that stand there three times: trees know the copies, a line learns what holds on new rows."""
    random = np.random.default_rng(3)
    inputs = random.normal(size=(250, 6))
    answers = inputs[:, :3].sum(axis=1) + 1.5 * random.normal(size=250) > 0
    frame = pl.DataFrame({f"x{n}": inputs[:, n] for n in range(6)}).with_columns(
        y=pl.Series(np.where(answers, "yes", "no"))
    )
    read = melior.read(pl.concat([frame] * 3), target="y")
    chosen = choose_family(Recipe(metric="macro_f1"), read, workers=1)
    assert chosen.recipe.model.name == "linear"
    assert max(chosen.scores.values()) < 0.85


def grouped_file(folder, groups=60, each=20):
    """Half of the answer is the group's own, so rows of one group are right or wrong together."""
    random = np.random.default_rng(5)
    who = np.repeat(np.arange(groups), each)
    inputs = random.normal(size=len(who))
    y = inputs + 2 * random.normal(size=groups)[who] > 0
    frame = pl.DataFrame({"x": inputs, "who": who, "y": np.where(y, "yes", "no")})
    frame.write_csv(folder / "rows.csv")
    return frame


def test_intervals_of_train_and_evaluate_are_of_whole_groups(tmp_path):
    grouped_file(tmp_path)
    recipe = Recipe(
        data={"path": str(tmp_path / "rows.csv"), "target": "y", "columns": {"who": "ignore"}},
        split={"kind": "group", "column": "who"},
        model="linear",
    )
    trained = melior.train(recipe, run=tmp_path / "run")
    found = trained.evaluation.scores["accuracy"]
    alone = 2 * 1.96 * np.sqrt(found.value * (1 - found.value) / trained.evaluation.rows)
    assert found.width > 1.3 * alone
    again = melior.evaluate(tmp_path / "run", tmp_path / "rows.csv").scores["accuracy"]
    assert again.width > 1.3 * 2 * 1.96 * np.sqrt(again.value * (1 - again.value) / 1200)


def test_where_a_later_file_has_no_such_column_only_copies_belong_together():
    recipe = Recipe(split={"kind": "group", "column": "who"})
    assert drawn_together(table(), recipe) is None
    assert len(np.unique(drawn_together(table(who=np.arange(240) // 8), recipe))) == 30
    unread = Recipe(split={"kind": "time", "column": "day"})
    assert drawn_together(table(day=["2020-01-01", None] * 120), unread) is None


@pytest.mark.slow
def test_intervals_hold_the_truth_where_groups_are_of_unequal_size():
    """Effects of groups, sizes that fall by a fifth from one to the next: 7 groups of equal size are worth as much."""
    sizes = np.maximum((90 * 0.8 ** np.arange(20)).astype(int), 1)
    who, held = np.repeat(np.arange(20), sizes), 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        chance = random.beta(2, 2, 20)[who]
        right = random.random(len(who)) < chance
        truth = random.integers(0, 2, len(who))
        said = np.where(right, truth, 1 - truth)
        data = Predictions(np.eye(2)[truth], None, said)
        found = all_scores(data, ["a", "b"], resamples=400, seed=seed, groups=who)["accuracy"]
        held += found.low <= 0.5 <= found.high
    assert held / 300 > 0.92


def test_a_class_without_rows_is_told_with_the_scores(tmp_path):
    random = np.random.default_rng(8)
    inputs = random.normal(size=200)
    frame = pl.DataFrame({"x": inputs, "y": np.where(inputs > 1, "high", np.where(inputs < -1, "low", "middle"))})
    trained = melior.train(frame, target="y", model="linear")
    new = frame.filter(pl.col("y") != "high")
    found = melior.evaluate(trained, new)
    assert any(note.startswith("no row scored is of high:") for note in found.notes)
    recalls = [found[f"recall[{name}]"].value for name in ("low", "middle")]
    assert found["macro_recall"].value == pytest.approx(sum(recalls) / 3)
    assert found["balanced_accuracy"].value == pytest.approx(sum(recalls) / 2)
    assert melior.evaluate(trained, frame).notes == ()
    assert (
        "areas under curves need two classes" in melior.evaluate(trained, frame.filter(pl.col("y") == "low")).notes[0]
    )
