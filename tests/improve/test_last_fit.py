"""The model that is kept was taught the sealed rows too, and the scores are of the one that was not."""

import numpy as np
import pytest

from melior.improvement.improve import improve_table
from melior.improvement.last_fit import affordable, fit_both
from melior.methods._base import methods
from melior.progress import silent
from melior.recipe import Choice, Limits, Recipe
from melior.testing import tables
from melior.trials.fit import fit
from melior.trials.shared import Shared

RECIPE = Recipe(model="linear", metric="accuracy", split={"folds": 3})
HOW = {"budget": 3600.0, "never": list(methods()), "workers": 1, "settled": True}


def scores(predictor, rows):
    return predictor.scores(rows)


def test_it_is_the_recipe_taught_all_rows_and_the_scores_are_of_the_other():
    table = tables.number_table(240)
    found, parts, _ = improve_table(table, RECIPE, **HOW)
    both = parts.development.joined(parts.sealed)
    assert both.rows == 240
    assert np.array_equal(scores(found.predictor, table), scores(fit(found.recipe, both), table))
    alone = fit(found.recipe, parts.development)
    assert np.array_equal(scores(found.confirmed, table), scores(alone, table))
    assert not np.array_equal(scores(found.predictor, table), scores(alone, table))
    right = alone.answers(parts.sealed) == parts.sealed.given_labels()
    assert found.final.value == pytest.approx(right.mean())
    assert [note for note in found.notes if note.startswith("the model that is kept was taught all 240 rows")]


@pytest.mark.parametrize("kept", ["asked", "test", "limits"])
def test_the_model_that_was_scored_stays(kept):
    table = tables.number_table(240)
    recipe = RECIPE.model_copy(update={"limits": Limits(size=25.0)}) if kept == "limits" else RECIPE
    test = table.take(np.arange(180, 240)) if kept == "test" else None
    own = table if test is None else table.take(np.arange(180))
    found, parts, _ = improve_table(own, recipe, test=test, refit=kept != "asked", **HOW)
    assert found.confirmed is None
    assert np.array_equal(scores(found.predictor, table), scores(fit(found.recipe, parts.development), table))
    assert not any("taught all" in note for note in found.notes)


def test_what_would_not_end_in_time_or_is_a_network_is_not_taught_again():
    assert affordable(RECIPE, took=8.0, rows=800, more=200, left=14.0)
    assert not affordable(RECIPE, took=8.0, rows=800, more=200, left=12.0)
    assert not affordable(Recipe(model="tabular_network"), took=0.1, rows=800, more=200, left=3600.0)


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_two_fits_side_by_side_give_what_each_gives_alone(family):
    table = tables.mixed_table(300)
    plain = Recipe(metric="macro_f1").with_model(family)
    better = plain.with_methods(Choice(name="class_weights"), Choice(name="threshold"))
    how = {"beside": None, "training": None, "shared": Shared(), "progress": silent}
    one, two, took = fit_both(plain, better, table, **how)
    for found, recipe in ((one, plain), (two, better)):
        alone = fit(recipe, table)
        np.testing.assert_array_equal(found.scores(table), alone.scores(table))
        np.testing.assert_array_equal(found.decided(found.scores(table)), alone.decided(alone.scores(table)))
    assert took > 0
    same, again, _ = fit_both(plain, plain, table, **how)
    assert same is again
