"""Where rows are too few for a proof, a recipe may begin with what usually helps against what was found."""

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer

from melior.data.read import read
from melior.errors import UserError
from melior.findings import Finding
from melior.improvement.improve import improve_table
from melior.improvement.looking import _truth
from melior.methods._base import methods
from melior.recipe import Data, Recipe
from melior.trials.audit import Audit
from melior.trials.beginnings import FEWEST, beginnings, seen_in
from melior.trials.family import choose_family

NOISE = Finding("label_noise", 0.4, "some labels look wrong", measured={"noise_rate": 0.2})
WIDE = Finding("high_dimension", 0.9, "many columns", measured={"ratio": 0.3})
AUTO = Recipe(metric="macro_f1", model="auto")


def table(rows, classes=2, seed=0):
    random = np.random.default_rng(seed)
    frame = pl.DataFrame(random.normal(size=(rows, 3)), schema=["a", "b", "c"])
    return read(frame.with_columns(pl.Series("y", [f"c{n % classes}" for n in range(rows)])), target="y")


def cancer(wrong, seed=0):
    """The breast cancer rows with this share of the labels turned round, and which."""
    random = np.random.default_rng(seed)
    values, labels = load_breast_cancer(return_X_y=True)
    hit = random.random(len(labels)) < wrong
    given = np.where(hit, 1 - labels, labels)
    frame = pl.DataFrame(values, schema=[f"x{n}" for n in range(values.shape[1])])
    return read(frame.with_columns(pl.Series("y", [f"class {one}" for one in given])), target="y")


def names(choices):
    return [one.name for one in choices]


def test_what_usually_helps_against_what_was_found_and_nothing_else():
    few = table(300)
    assert names(beginnings(AUTO, [NOISE], few)) == ["noise_correction"]
    assert names(beginnings(AUTO, [WIDE], few)) == ["l1_selection"]
    assert names(beginnings(AUTO, [NOISE, WIDE], few)) == ["l1_selection", "noise_correction"]
    assert beginnings(AUTO, [], few) == ()
    assert beginnings(AUTO.with_model("linear"), [NOISE], few) == ()
    assert beginnings(AUTO.with_methods("threshold"), [NOISE], few) == ()


def test_where_rows_allow_a_proof_a_method_has_to_be_proved():
    assert beginnings(AUTO, [WIDE], table(FEWEST)) == ()
    assert names(beginnings(AUTO, [WIDE], table(FEWEST - 1))) == ["l1_selection"]


@pytest.mark.parametrize(("rate", "classes", "left"), [(0.2, 2, 0.36), (0.5, 2, 0.0), (0.3, 4, 0.36), (0.0, 3, 1.0)])
def test_wrong_labels_leave_as_much_to_see_as_fewer_rows(rate, classes, left):
    """Of uniform noise, E[given right - given any other] is (1 - e K / (K - 1)) of what it is without."""
    finding = Finding("label_noise", 0.4, "", measured={"noise_rate": rate})
    assert seen_in(finding, table(1000, classes)) == pytest.approx(1000 * left)


def test_every_method_that_a_recipe_may_begin_with_treats_what_it_begins_for():
    for method in methods().values():
        assert method.begins_for <= method.treats


def test_the_choice_says_both_scores_and_that_nothing_is_proved():
    noisy = cancer(0.2)
    chosen = choose_family(AUTO, noisy, beginnings=beginnings(AUTO, [NOISE], noisy), workers=1)
    name = chosen.recipe.model.name
    assert names(chosen.recipe.methods) == ["noise_correction"]
    assert chosen.scores[f"{name} with noise_correction"] > chosen.scores[name]
    assert chosen.begins.startswith("the recipe begins with noise_correction, unproved")
    for one in (name, f"{name} with noise_correction"):
        assert f"{chosen.scores[one]:.3f}" in chosen.begins
    assert choose_family(AUTO, noisy, workers=1).begins == ""


@pytest.mark.parametrize("rare", [9, 10, 14, 15, 20])
def test_a_beginning_is_possible_on_the_rows_of_every_fold(rare):
    """10 rows of a class are needed: two thirds of 14 are not enough, two thirds of 15 are."""
    random = np.random.default_rng(0)
    labels = np.array(["a"] * 200 + ["b"] * rare)
    values = random.normal(size=(len(labels), 3)) + 2 * (labels == "b")[:, None]
    frame = pl.DataFrame(values, schema=["a", "b", "c"]).with_columns(pl.Series("y", labels.tolist()))
    rows = read(frame.sample(fraction=1.0, shuffle=True, seed=1), target="y")
    chosen = choose_family(AUTO, rows, beginnings=beginnings(AUTO, [NOISE], rows), workers=1)
    assert any("noise_correction" in name for name in chosen.scores) == (rare >= 15)


def test_a_beginning_is_possible_on_the_rows_to_come():
    noisy = cancer(0.2)
    few = noisy.take(np.flatnonzero(noisy.given_labels() == 1)[:30])
    some = noisy.take(np.concatenate([few.row_ids, np.flatnonzero(noisy.given_labels() == 0)[:5]]))
    chosen = choose_family(AUTO, noisy, beginnings=beginnings(AUTO, [NOISE], noisy), fewest=some, workers=1)
    assert not any("noise_correction" in name for name in chosen.scores)


def test_a_beginning_that_turns_out_to_be_impossible_is_left_out(monkeypatch):
    from melior.methods.noise_correction import NoiseCorrection

    def cannot(self, train, context):
        raise UserError("these rows cannot be corrected")

    monkeypatch.setattr(NoiseCorrection, "rows", cannot)
    noisy = cancer(0.2)
    chosen = choose_family(AUTO, noisy, beginnings=beginnings(AUTO, [NOISE], noisy), workers=1)
    assert chosen.recipe.methods == ()
    assert "linear with noise_correction was not tried: these rows cannot be corrected" in chosen.reason


def test_what_is_never_wanted_is_not_begun_with():
    noisy = cancer(0.2)
    found = beginnings(AUTO, [NOISE], noisy)
    chosen = choose_family(AUTO, noisy, beginnings=found, never=["noise_correction"], workers=1)
    assert not chosen.recipe.methods
    assert chosen.begins == ""


def test_families_are_scored_against_the_same_labels_as_what_follows():
    """Where only the rows of one class count, a family that always answers the other is worth nothing."""
    plain = cancer(0.0)
    truth = plain.truth()
    usual = choose_family(AUTO, plain, workers=1)
    turned = choose_family(AUTO, plain, truth=truth[:, ::-1].copy(), workers=1)
    for name in usual.scores:
        assert usual.scores[name] > 0.9
        assert turned.scores[name] < 0.1


def test_trusted_rows_are_too_few_to_choose_a_family_by():
    audit = Audit((), 455, {}, 0.0)
    noisy = cancer(0.2)
    assert _truth(noisy, audit, AUTO.model_copy(update={"data": Data(trusted="checked")})) is None
    assert np.array_equal(_truth(noisy, audit, AUTO), noisy.truth())


def test_what_takes_too_long_is_not_begun_with():
    noisy = cancer(0.2)
    chosen = choose_family(AUTO, noisy, beginnings=beginnings(AUTO, [NOISE], noisy), allowed=0.001, workers=1)
    assert not any("noise_correction" in name for name in chosen.scores)


@pytest.mark.slow
def test_improve_begins_with_it_and_says_so():
    noisy = cancer(0.2)
    improvement, _, _ = improve_table(noisy, AUTO, budget=20, workers=1)
    assert names(improvement.recipe.methods)[:1] == ["noise_correction"]
    assert "noise_correction" not in improvement.accepted
    assert "noise_correction" in improvement.begins
    assert "On the sealed rows it brings " in improvement.begins
    assert improvement.said().startswith("Nothing more provably helps; the recipe as it begins scores")
    assert improvement.begins in repr(improvement)
    assert improvement.to_dict()["begins"] == improvement.begins
    # the same command told never to use it begins without
    without, _, _ = improve_table(noisy, AUTO, budget=20, workers=1, never=["noise_correction"])
    assert "noise_correction" not in names(without.recipe.methods)
