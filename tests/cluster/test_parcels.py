"""A table that travels as bytes is the same table: a trial on it gives the same to the last bit."""

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.data.splits import Fold
from melior.errors import UserError
from melior.recipe import Recipe
from melior.testing import tables
from melior.trials.bench import Bench
from melior.trials.executors.parcel import packed, unpacked
from melior.trials.run import content_hash

TEXT = Recipe(model={"trees": {"rounds": 5, "text_dimensions": 4}}, metric="macro_f1")


def of_one_class():
    return tables.mixed_table(90, seed=3)


def part_of_another():
    return tables.mixed_table(120, seed=3).take(np.arange(0, 120, 2)).without_columns(["size"])


def with_weights_and_row_numbers():
    return tables.mixed_table(60, seed=1).with_weights(np.linspace(0.1, 2, 60)).take(np.arange(59, -1, -1))


def with_changed_values():
    table = tables.mixed_table(60, seed=1)
    return table.with_frame(table.frame.with_columns(pl.lit(1.0).alias("size")))


def with_odd_cells(tmp_path):
    rows = {
        "number": ["1", "2", "?", "", "5e3"] * 12,
        "text": ["a\r\nb", "", "“甲”", "x" * 300, "one two three four five six"] * 12,
        "time": ["2024-01-01", "2024-02-29", "", "2024-03-01", "1999-12-31"] * 12,
        "y": ["yes", "no"] * 30,
    }
    pl.DataFrame(rows).write_csv(tmp_path / "odd.csv")
    return read(tmp_path / "odd.csv", target="y")


def with_several_labels(tmp_path):
    rows = {"x": np.arange(40) * 0.5, "y": [["a", "b"], ["a"], [], ["c"]] * 10}
    pl.DataFrame(rows).write_ndjson(tmp_path / "several.jsonl")
    return read(tmp_path / "several.jsonl", target="y")


MADE = [of_one_class, part_of_another, with_weights_and_row_numbers, with_changed_values, with_odd_cells,
        with_several_labels]  # fmt: skip


def made_by(make, tmp_path):
    return make(tmp_path) if make.__code__.co_argcount else make()


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_every_part_of_a_table_arrives(make, tmp_path):
    table = made_by(make, tmp_path)
    there = unpacked(packed(table))
    assert content_hash(there) == content_hash(table)
    assert there.frame.equals(table.frame)
    assert there.frame.schema == table.frame.schema
    assert there.schema == table.schema
    for name in ("labels", "row_ids", "weights", "origin", "positions", "label_matrix", "without_target"):
        own, other = getattr(table, name), getattr(there, name)
        assert (own is None) == (other is None), name
        if own is not None:
            np.testing.assert_array_equal(own, other)
            assert own.dtype == other.dtype
    for name in ("name", "notes", "drawn_from"):
        assert getattr(there, name) == getattr(table, name)
    assert dict(there.why) == dict(table.why)
    assert {c: dict(cells) for c, cells in there.unparsed.items()} == {
        c: {int(row): text for row, text in cells.items()} for c, cells in table.unparsed.items()
    }
    if table.root is None:
        assert there.root is None
    else:
        assert there.root.frame.equals(table.root.frame)
        assert there.root is not table.root


@pytest.mark.parametrize("make", [of_one_class, part_of_another, with_weights_and_row_numbers])
def test_a_trial_on_it_is_the_same_to_the_last_bit(make, tmp_path):
    table = made_by(make, tmp_path)
    rows = np.arange(table.rows)
    fold = Fold(rows[rows % 3 > 0], rows[rows % 3 == 0], 0, 0)
    here = Bench(table, [fold]).fitted(TEXT, 0)
    there = Bench(unpacked(packed(table)), [fold]).fitted(TEXT, 0)
    assert here.scores.tobytes() == there.scores.tobytes()
    np.testing.assert_array_equal(here.answers, there.answers)


def test_the_rows_travel_once_though_they_stand_in_two_places():
    whole = tables.mixed_table(4000, seed=1)
    part = whole.take(np.arange(0, 4000, 2))
    assert len(packed(part)) < 1.2 * len(packed(whole))


# ---- images


def with_images(folder):
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for kind, shade in (("dark", 60), ("light", 190)):
        (folder / kind).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(random.normal(shade, 20, (40, 48, 3)), 0, 255).astype(np.uint8)
            image.fromarray(pixels).save(folder / kind / f"{number}.png")
    return read(folder, target="label")


def test_small_pictures_travel_and_whole_ones_are_looked_for_at_the_same_path(tmp_path):
    table = with_images(tmp_path / "pictures")
    (column,) = table.of_kind("image")
    content = packed(table)
    there = unpacked(content, advice="put the folder where all find it")
    np.testing.assert_array_equal(there.pictures(column).pixels, table.pictures(column).pixels)
    np.testing.assert_array_equal(there.pictures(column).digests, table.pictures(column).digests)
    assert content_hash(there) == content_hash(table)
    whole = there.images.whole(int(there.pictures(column).numbers[0]))
    assert whole.shape == (40, 48, 3)

    for path in (tmp_path / "pictures").rglob("*.png"):
        path.unlink()
    elsewhere = unpacked(content, advice="put the folder where all find it")
    np.testing.assert_array_equal(elsewhere.pictures(column).pixels, table.pictures(column).pixels)
    with pytest.raises(UserError, match="put the folder where all find it"):
        elsewhere.images.whole(int(elsewhere.pictures(column).numbers[0]))
    fold = Fold(np.arange(0, 24, 2), np.arange(1, 24, 2), 0, 0)
    recipe = Recipe(model="linear", metric="macro_f1")
    here, away = (Bench(one, [fold]).fitted(recipe, 0) for one in (table, elsewhere))
    assert here.scores.tobytes() == away.scores.tobytes()


def test_images_that_came_in_memory_travel_whole(tmp_path):
    with_images(tmp_path / "pictures")
    files = sorted((tmp_path / "pictures").rglob("*.png"))
    rows = {"picture": [{"bytes": path.read_bytes(), "path": path.name} for path in files], "y": ["a", "b"] * 12}
    pl.DataFrame(rows).write_parquet(tmp_path / "pictures.parquet")
    held = read(tmp_path / "pictures.parquet", target="y")
    (column,) = held.of_kind("image")
    there = unpacked(packed(held))
    for number in there.pictures(column).numbers[:3]:
        np.testing.assert_array_equal(there.images.whole(int(number)), held.images.whole(int(number)))
