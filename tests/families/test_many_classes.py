"""Tables of dozens of classes: trees learn them, and what takes long is fitted quickly where time is short."""

import time

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.models.trees import BRIEF, Trees
from melior.recipe import Recipe
from melior.trials import audit, family
from melior.trials.context import TableContext
from melior.trials.family import choose_family, sized, suited_families, takes
from melior.trials.fit import fit


def places(classes=60, each=30, seed=0):
    """Places on a map, and the country that each lies in: squares of a grid, some of them large."""
    random = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(classes)))
    label = np.repeat(np.arange(classes), random.integers(2, 2 * each, classes))
    x = label % side + random.uniform(size=len(label))
    y = label // side + random.uniform(size=len(label))
    noise = {f"noise{number}": random.normal(size=len(label)) for number in range(5)}
    return read(pl.DataFrame({"x": x, "y": y, **noise, "country": [f"c{one}" for one in label]}), target="country")


@pytest.mark.parametrize("settings", [BRIEF, {"rounds": 40}])
def test_trees_learn_many_classes_with_long_steps_too(settings):
    train, test = places(seed=0), places(seed=1)
    recipe = Recipe(metric="accuracy").with_model({"trees": settings})
    predictor = fit(recipe, train)
    names = np.array(train.classes)[predictor.decided(predictor.scores(test))]
    assert (names == np.array(test.classes)[test.labels]).mean() > 0.6


def test_where_time_is_short_a_family_is_tried_as_it_is_fitted_quickly(monkeypatch):
    table = places(each=10)
    monkeypatch.setattr(family, "have_gpu", lambda: False)
    monkeypatch.setattr(family, "_needs", lambda *given: 0.0)  # by the clock, which is not what is tested
    whole, quick = takes(Trees(), table), takes(Trees(**BRIEF), table)
    assert quick < whole / 2
    between = (quick + whole) / 2
    assert sized("trees", table, between).settings == BRIEF
    assert sized("trees", table, 2 * whole).settings == sized("trees", table, None).settings == {}
    chosen = choose_family(Recipe(metric="accuracy"), table, allowed=between, workers=1)
    assert chosen.recipe.model.name == "trees"
    assert chosen.recipe.model.settings == BRIEF
    assert "trees with settings that are fitted quickly" in chosen.reason
    assert "linear" in chosen.others
    assert "trees" not in chosen.others


def test_where_all_would_take_too_long_the_quickest_alone_is_taken(monkeypatch):
    table = places(classes=12, each=10)
    monkeypatch.setattr(family, "have_gpu", lambda: False)
    monkeypatch.setattr(Trees, "seconds", lambda self, table: 50.0)
    for name, seconds in (("linear", 40.0), ("tabular_network", 45.0)):
        monkeypatch.setattr(family.families()[name], "seconds", lambda self, table, seconds=seconds: seconds)
    suited, left_out = suited_families(table, table, 1.0)
    assert suited == ["linear"]
    assert f"some {takes(Trees(), table):.0f} seconds, of which the budget allows 1" in left_out["trees"]
    chosen = choose_family(Recipe(metric="accuracy"), table, allowed=1.0, workers=1)
    assert chosen.reason.startswith("linear: the only family that there is time for; ")


def test_checks_whose_fits_would_not_end_in_time_do_not_begin(monkeypatch):
    table = places(classes=12, each=10)
    context = TableContext(table, Recipe(metric="macro_f1"))
    assert context.ahead() > 0
    in_an_hour = time.monotonic() + 3600
    assert audit.run_checks(table, Recipe(metric="macro_f1"), deadline=in_an_hour).left_out == ()
    context.out_of_fold()
    assert context.ahead() == 0
    monkeypatch.setattr(Trees, "seconds", lambda self, table: 1e6)
    late = audit.run_checks(table, Recipe(metric="macro_f1"), deadline=in_an_hour)
    assert "label_noise" in late.left_out
    assert "duplicate_rows" not in late.left_out
