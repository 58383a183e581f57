"""Findings become candidates: methods that treat them, and what cannot work here is refused with its reason."""

import numpy as np
import polars as pl

from melior.data.schema import Schema
from melior.data.splits import Fold, fewest_rows
from melior.data.table import Table
from melior.findings import Finding
from melior.improvement.plan import FIRST, candidates, combinable, shared_out
from melior.methods._base import methods
from melior.recipe import Choice, Recipe

rows = 200
TABLE = Table.make(
    pl.DataFrame({"a": np.random.default_rng(0).normal(size=rows)}),
    Schema({"a": "number"}, "y", ("no", "yes")),
    (np.arange(rows) % 10 == 0).astype(np.int32),
)
RECIPE = Recipe(metric="macro_f1", model="linear")
IMBALANCE = Finding("class_imbalance", 0.6, "yes is rare.")


def named(found):
    return {candidate.method.name for candidate in found}


def test_only_what_treats_a_finding_is_tried_beside_what_is_always_tried():
    always = {name for name, method in methods().items() if method.always}
    nothing, _ = candidates(RECIPE, [], TABLE)
    assert named(nothing) <= always
    found, _ = candidates(RECIPE, [IMBALANCE], TABLE)
    assert "class_weights" in named(found)
    for candidate in found:
        method = methods()[candidate.method.name]
        assert "class_imbalance" in method.treats or method.always
        assert candidate.method in candidate.recipe.methods


def test_measurement_faults_suggest_no_candidates():
    leak = Finding("target_leakage", 1.0, "too good.", columns=("a",))
    assert named(candidates(RECIPE, [leak], TABLE)[0]) == named(candidates(RECIPE, [], TABLE)[0])


def test_never_and_attempt():
    found, _ = candidates(RECIPE, [IMBALANCE], TABLE, never=["class_weights"], attempt=["l2_penalty"])
    assert "class_weights" not in named(found)
    assert "l2_penalty" in named(found)


def test_what_some_fold_has_too_few_rows_for_is_refused():
    few = np.flatnonzero(np.arange(rows) % 10 == 0)[:9]
    fold = TABLE.take(np.concatenate([few, np.flatnonzero(np.arange(rows) % 10)]))
    noise = Finding("label_noise", 0.6, "some labels are wrong.")
    assert "label_cleaning" in named(candidates(RECIPE, [noise], TABLE)[0])
    found, refused = candidates(RECIPE, [noise], TABLE, fewest=fold)
    assert "label_cleaning" not in named(found)
    assert "9 rows" in {one.name: one.reason for one in refused}["label_cleaning"]


def test_the_fold_with_fewest_rows_of_a_class_is_found():
    own = np.flatnonzero(np.arange(rows) % 10 == 0)
    others = np.flatnonzero(np.arange(rows) % 10)
    dealt = [Fold(np.concatenate([own[:kept], others]), own[kept:], 0, kept) for kept in (15, 11, 18)]
    assert fewest_rows(TABLE, dealt).target_counts() == {"no": 180, "yes": 11}


def test_what_stands_in_the_recipe_is_not_tried_again():
    found, _ = candidates(RECIPE.with_methods("class_weights"), [IMBALANCE], TABLE)
    assert "class_weights" not in named(found)


def test_what_a_family_cannot_do_is_refused_with_a_reason():
    _, refused = candidates(RECIPE, [], TABLE, attempt=["early_stopping"])
    assert [one.name for one in refused] == ["early_stopping"]
    assert refused[0].reason


def test_what_is_tried_is_not_called_refused():
    """A further setting that cannot work here is left out in silence; one that can is tried in place of the first."""
    noise = Finding("label_noise", 0.6, "some labels are wrong.")
    found, refused = candidates(RECIPE, [noise, IMBALANCE], TABLE, attempt=["dynamic_weights", "table_augmentation"])
    assert {"noise_correction", "dynamic_weights"} <= named(found)
    assert not named(found) & {one.name for one in refused}
    words = Table.make(
        pl.DataFrame({"c": ["red", "blue"] * 100}), Schema({"c": "category"}, "y", ("no", "yes")), TABLE.labels
    )
    found, refused = candidates(RECIPE, [], words, attempt=["table_augmentation"])
    assert {"kind": "swap"} in [one.method.settings for one in found if one.method.name == "table_augmentation"]
    assert "table_augmentation" not in {one.name for one in refused}


def test_every_method_is_heard_before_further_settings():
    found, _ = candidates(RECIPE, [IMBALANCE], TABLE)
    seen = [one.method.name for one in found]
    assert len(set(seen[: len(set(seen))])) == len(set(seen))
    assert len(seen) > len(set(seen))


def test_rivals_are_not_combined():
    weights, over = Choice(name="class_weights"), Choice(name="oversampling")
    assert not combinable([weights], over)
    assert not combinable([over], weights)
    assert combinable([weights], Choice(name="l2_penalty"))
    assert not combinable([weights], weights)


def test_half_of_the_level_is_for_what_helps_most_often():
    noise = Finding("label_noise", 0.6, "some labels are wrong.")
    found = shared_out(candidates(RECIPE, [noise, IMBALANCE], TABLE)[0])
    first = [one for one in found if one.weight > 1]
    assert named(first) == {"label_cleaning", "noise_correction", "threshold"}
    others = [one for one in found if one.weight == 1]
    assert sum(one.weight for one in first) == max(len(others), FIRST * len(first))
    nothing = shared_out(candidates(RECIPE, [], TABLE)[0])
    assert {one.weight for one in nothing} == {1.0}
