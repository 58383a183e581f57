"""What is best on a sample need not be best on all rows: of large tables a second trial, on more of them, decides."""

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.errors import UserError
from melior.recipe import Recipe
from melior.trials import family
from melior.trials.family import choose_family

AUTO = Recipe(metric="macro_f1", model="auto")
SMALL = 300  # rows of the first trial here


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(family, "ROWS", SMALL)
    monkeypatch.setattr(family.some_rows, "__defaults__", (SMALL,))


def table(count, crossed=1.2, rare=None):
    """A sum of columns, which few rows teach a linear model, and a product of signs, which many teach trees."""
    random = np.random.default_rng(7)
    x = random.normal(size=(count, 10))
    lean = x[:, :5].sum(axis=1) * 0.7 + crossed * np.sign(x[:, 5] * x[:, 6])
    yes = random.random(count) < 1 / (1 + np.exp(-2 * lean))
    if rare is not None:
        yes[:] = False
        yes[:rare] = True
        x[:rare, 0] += 0.6
    frame = pl.DataFrame(x, schema=[f"c{n}" for n in range(10)])
    return read(frame.with_columns(pl.Series("y", np.where(yes, "yes", "no").tolist())), target="y")


def test_many_rows_decide_otherwise_than_few_of_them():
    few, many = choose_family(AUTO, table(SMALL), workers=1), choose_family(AUTO, table(20_000), workers=1)
    assert few.scores["linear"] > few.scores["trees"]
    assert many.scores["linear"] > many.scores["trees"]  # of the first trial, as few rows say
    assert few.recipe.model.name == "linear"
    assert many.recipe.model.name == "trees"
    assert "on 300 rows in 3 folds" in many.reason
    assert "and on 4,000 rows in one fold" in many.reason
    assert "in one fold" not in few.reason
    assert set(many.others) == {"linear"}


def test_where_more_rows_change_nothing_the_cheaper_one_stays():
    found = choose_family(AUTO, table(20_000, crossed=0.0), workers=1)
    assert found.recipe.model.name == "linear"
    assert "and on 4,000 rows in one fold" in found.reason


def test_a_table_not_much_larger_has_no_second_trial():
    assert "in one fold" not in choose_family(AUTO, table(5 * 2 * SMALL - 10), workers=1).reason


def test_what_would_take_longer_than_is_allowed_has_none(monkeypatch):
    monkeypatch.setattr(family, "_needs", lambda *given: 0.0)
    trial = family.run_trial

    def slow(*given, **more):
        found = trial(*given, **more)
        found.seconds.update(dict.fromkeys(found.seconds, 2.0))
        return found

    monkeypatch.setattr(family, "run_trial", slow)
    # 4,000 rows take 13 times the 2 seconds of 300
    assert "in one fold" not in choose_family(AUTO, table(20_000), allowed=25.0, workers=1).reason
    assert "in one fold" in choose_family(AUTO, table(20_000), allowed=28.0, workers=1).reason


def test_rare_rows_are_counted_in_the_table_and_not_in_a_sample_of_it():
    """120 rows of a class are enough for a proof, though the sample has twenty of them."""
    enough = choose_family(AUTO, table(20_000, rare=120), workers=1)
    assert not any("class_weights" in name for name in enough.scores)
    few = choose_family(AUTO, table(20_000, rare=60), workers=1)
    assert any("class_weights" in name for name in few.scores)


def test_a_recipe_that_cannot_be_had_is_an_error_as_before(monkeypatch):
    monkeypatch.setattr(family, "suited_families", lambda *given: ([], {}))
    with pytest.raises(UserError, match="no family of models reads its columns"):
        choose_family(AUTO, table(100), workers=1)
