"""Another family is a candidate, alone and with what treats a finding; what is kept is of the best one's."""

import time

import numpy as np
import polars as pl
import pytest

from melior.data.schema import Schema
from melior.data.splits import folds
from melior.data.table import Table
from melior.findings import Finding
from melior.improvement.combine import combine
from melior.improvement.other_family import DEAREST, of_other_family
from melior.improvement.plan import FIRST, candidates, changed, shared_out
from melior.improvement.race import Race
from melior.metrics.registry import metric
from melior.progress import silent
from melior.recipe import Recipe, Split
from melior.trials.family import choose_family
from melior.trials.run import Trials

WIDE = Finding("high_dimension", 0.6, "more columns than rows.")
RECIPE = Recipe(model="trees", metric="macro_f1", split={"folds": 4})


@pytest.fixture(scope="module")
def wide():
    """160 rows whose answer is a sum of three columns, among 150 that say nothing."""
    random = np.random.default_rng(5)
    rows = random.normal(size=(160, 153))
    labels = (rows[:, :3].sum(axis=1) > 0).astype(np.int32)
    names = [f"c{number}" for number in range(rows.shape[1])]
    schema = Schema(dict.fromkeys(names, "number"), "y", ("no", "yes"))
    return Table.make(pl.DataFrame(rows, schema=names), schema, labels)


def test_the_next_best_family_is_tried_alone_and_with_what_treats_the_finding(wide):
    found = of_other_family(RECIPE, {"linear": 0.5}, [WIDE], wide)
    assert [one.names for one in found] == [("model: linear",), ("model: linear", "l1_selection")]
    assert [one.name for one in found] == ["model: linear", "model: linear + l1_selection"]
    assert {one.recipe.model.name for one in found} == {"linear"}
    assert changed(RECIPE, found[1].recipe) == found[1].names
    own, _ = candidates(RECIPE, [WIDE], wide)
    selection = next(one for one in own if one.names == ("l1_selection",))
    assert found[1].cost < selection.cost * 2
    assert of_other_family(RECIPE, {"linear": 0.5}, [], wide)[1:] == []


def test_what_takes_too_long_or_cannot_be_is_not_tried(wide):
    assert of_other_family(RECIPE, {"linear": DEAREST * 1.01}, [WIDE], wide) == []
    assert of_other_family(RECIPE, {}, [WIDE], wide) == []
    rounds = RECIPE.with_methods("early_stopping")  # a linear model has none
    assert of_other_family(rounds, {"linear": 0.5}, [WIDE], wide) == []
    slow_clock = of_other_family(RECIPE, {"linear": 1e9}, [WIDE], wide, settled=True)
    assert [one.names for one in slow_clock] == [
        one.names for one in of_other_family(RECIPE, {"linear": 1}, [WIDE], wide)
    ]
    assert {one.recipe.model.name for one in of_other_family(RECIPE, {"linear": 9.0, "trees": 1.0}, [], wide)} == {
        "trees"
    }
    found = of_other_family(RECIPE, {"linear": 0.5}, [WIDE], wide, never=["l1_selection"])
    assert [one.names for one in found] == [("model: linear",)]


def test_it_takes_no_share_of_what_helps_most_often(wide):
    own, _ = candidates(RECIPE, [WIDE], wide)
    shared = shared_out([*own, *of_other_family(RECIPE, {"linear": 0.5}, [WIDE], wide)])
    assert {one.weight for one in shared if one.family} == {1.0}
    (selection,) = (one for one in shared if one.names == ("l1_selection",) and not one.further)
    assert selection.weight == max(FIRST, len(shared) - 1)


def test_a_named_family_stays(wide):
    assert choose_family(RECIPE, wide, workers=1).others == {}
    chosen = choose_family(RECIPE.with_model("auto"), wide, workers=1)
    assert {chosen.recipe.model.name, *chosen.others} == {"linear", "trees"}
    assert all(cost > 0 for cost in chosen.others.values())


def test_a_family_with_its_method_is_proved_and_kept(wide):
    trials = Trials(wide, folds(wide, Split(folds=4, repeats=2), 0), workers=1)
    planned = of_other_family(RECIPE, {"linear": 0.5}, [WIDE], wide)
    own, _ = candidates(
        RECIPE, [WIDE], wide, never=["bagging", "boosting", "stacking", "voting", "dimension_reduction"]
    )
    planned += [one for one in own if one.names[0] in ("l1_penalty", "l1_selection")]
    race = Race(trials, metric("macro_f1", wide.classes), wide.truth(), RECIPE, planned, time.monotonic() + 1e9, silent,
                settled=True)  # fmt: skip
    race.run()
    judged = race.judged()
    assert ("model: linear", "l1_selection") in [
        runner.candidate.names for runner, verdict in judged if verdict.verdict == "accepted"
    ]
    combined = combine(race, judged)
    assert combined.recipe.model.name == "linear"
    assert "l1_selection" in {choice.name for choice in combined.recipe.methods}
    assert all(one.methods[0] == "model: linear" for one in combined.evidence)
    added = [(one.methods[-1], str(one.settings)) for one in combined.evidence]
    assert len(added) == len(set(added))
