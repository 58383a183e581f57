"""What cleaning did, told row by row: planted faults are named with what stands there now, and right rows are not."""

import numpy as np
import polars as pl
from toys import ToyContext, made_table

from melior.data.schema import Schema
from melior.data.table import Table
from melior.methods._done import Done, frame_of, said
from melior.methods.data_cleaning import DataCleaning
from melior.methods.label_cleaning import LabelCleaning
from melior.recipe import Choice, Recipe
from melior.trials.fit import changes, fit
from melior.trials.shared import Shared

CONTEXT = ToyContext(classes=("a", "b", "c"))


def test_label_cleaning_tells_what_it_does_to_each_row():
    table = made_table(rows=240, wrong=0.15)
    method = LabelCleaning()
    done = {one.row: one for one in method.done(table, CONTEXT)}
    kept = method.rows(table, CONTEXT)
    dropped = set(range(240)) - set(kept.row_ids.tolist())
    changed = dict(zip(kept.row_ids.tolist(), kept.given_labels().tolist(), strict=True))
    assert {one.row - 1 for one in done.values() if one.did == "dropped"} == dropped
    corrected = {row: label for row, label in changed.items() if label != table.labels[row]}
    assert {one.row - 1 for one in done.values() if one.did == "corrected"} == set(corrected)
    assert len(done) > 15
    for row, label in corrected.items():
        one = done[row + 1]
        assert (one.column, one.was, one.became) == ("y", "abc"[table.labels[row]], "abc"[label])
        assert f'"{"abc"[label]}"' in one.why
    assert all(not one.became for one in done.values() if one.did == "dropped")


def test_data_cleaning_tells_every_value_and_why():
    random = np.random.default_rng(8)
    values = random.normal(70, 5, 400)
    values[:20] = -999
    values[20:60] *= 1000
    values[60] = 1e9
    frame = pl.DataFrame({"x": values})
    table = Table.make(frame, Schema({"x": "number"}, "y", ("a", "b")), (np.arange(400) % 2).astype(np.int32))
    for how, did in (("clip", "clipped"), ("missing", "made missing"), ("drop_rows", "dropped")):
        done = {one.row - 1: one for one in DataCleaning(how=how).done(table, CONTEXT)}
        assert set(done) == set(range(61))
        assert {done[row].did for row in range(20)} == {"made missing"}
        assert {done[row].did for row in range(20, 60)} == {"converted"}
        assert float(done[25].became) == float(f"{values[25] / 1000:g}")
        assert "1000 times" in done[25].why
        assert done[60].did == did
        assert done[60].was == "1e+09"
    clipped = DataCleaning().columns().fit(table, 0).transform(table).numbers("x")
    told = {one.row - 1: one for one in DataCleaning().done(table, CONTEXT)}
    assert float(told[60].became) == float(f"{clipped[60]:g}")


def test_a_recipe_tells_what_its_methods_do():
    table = made_table(rows=240, wrong=0.15)
    recipe = Recipe(model="linear", metric="macro_f1", methods=[Choice(name="label_cleaning", settings={"rounds": 1})])
    shared = Shared()
    fit(recipe, table, shared=shared)
    done = changes(recipe, table, shared=shared)
    assert {one.method for one in done} == {"label_cleaning"}
    assert changes(recipe.model_copy(update={"methods": ()}), table) == []
    listed = frame_of(done)
    assert listed.height == len(done)
    assert listed["row"].is_sorted()
    assert listed.columns == ["row", "column", "did", "was", "became", "method", "why"]


def test_what_was_done_is_counted():
    done = [
        Done(3, "y", "dropped", "a", "", "label_cleaning", "why"),
        Done(1, "y", "dropped", "a", "", "label_cleaning", "why"),
        Done(1, "x", "clipped", "9", "5", "data_cleaning", "why"),
    ]
    assert said(done) == "label_cleaning: 2 dropped; data_cleaning: 1 clipped"
    assert frame_of(done)["row"].to_list() == [1, 1, 3]
    assert frame_of([]).height == 0


def test_a_run_keeps_the_list(tmp_path):
    import melior

    table = made_table(rows=240, wrong=0.15)
    frame = table.frame.with_columns(pl.Series("y", [table.classes[label] for label in table.labels]))
    frame.write_csv(tmp_path / "rows.csv")
    cleaning = Choice(name="label_cleaning", settings={"rounds": 1})
    found = melior.train(tmp_path / "rows.csv", target="y", model="linear", methods=[cleaning], run=tmp_path / "run")
    listed = pl.read_csv(tmp_path / "run" / "changes.csv", schema_overrides={"became": pl.String})
    assert listed.height > 10
    assert any("label_cleaning: " in note and "changes.csv" in note for note in found.notes)
    given = frame["y"].to_list()
    assert all(given[one["row"] - 1] == one["was"] for one in listed.iter_rows(named=True))
    again = melior.train(tmp_path / "rows.csv", target="y", model="linear", methods=[cleaning], run=tmp_path / "run")
    assert [note for note in again.notes if "changes.csv" in note]
    plain = melior.train(tmp_path / "rows.csv", target="y", model="linear", run=tmp_path / "plain")
    assert not (tmp_path / "plain" / "changes.csv").exists()
    assert not any("changes.csv" in note for note in plain.notes)
