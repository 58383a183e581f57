"""`model: auto` weighs the classes where rare rows are too few for a proof, and nowhere else."""

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.recipe import Recipe
from melior.trials.family import choose_family


def rows(count, rare, seed=0, gap=1.2):
    """Two classes that overlap, of which one has `rare` rows."""
    random = np.random.default_rng(seed)
    yes = np.zeros(count, dtype=bool)
    yes[:rare] = True
    x = random.normal(size=(count, 3)) + gap * yes[:, None]
    frame = pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(pl.Series("y", np.where(yes, "yes", "no").tolist()))
    return read(frame.sample(fraction=1.0, shuffle=True, seed=1), target="y")


def chosen(table, metric="macro_f1", **more):
    return choose_family(Recipe(metric=metric, model="auto", **more), table, workers=1)


# so close that the usual families hardly ever answer the rare class
def test_few_rare_rows_weigh_the_classes_and_the_reason_says_both_scores():
    found = chosen(rows(990, 60, gap=0.5))
    assert [choice.name for choice in found.recipe.methods] == ["class_weights"]
    name = found.recipe.model.name
    assert found.scores[f"{name} with class_weights"] > found.scores[name]
    assert f"{name} with class_weights" in found.reason
    assert found.begins.startswith("the recipe begins with class_weights, unproved")
    without = choose_family(Recipe(metric="macro_f1", model="auto"), rows(990, 60, gap=0.5), never=["class_weights"])
    assert not without.recipe.methods


@pytest.mark.parametrize(
    ("table", "how"),
    [
        (rows(900, 300), {}),
        (rows(3000, 150), {}),
        (rows(900, 30), {"metric": "accuracy"}),
        (rows(900, 30), {"methods": ("threshold",)}),
    ],
    ids=["even classes", "rows enough for a proof", "a metric of rows", "methods that the user named"],
)
def test_classes_are_not_weighted_elsewhere(table, how):
    found = chosen(table, **how)
    assert not any("with class_weights" in name for name in found.scores)
    assert found.recipe.methods == Recipe(model="auto", **how).methods
