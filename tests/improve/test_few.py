"""Few rows: nothing is claimed, and what is fitted does not depend on how the same rows are written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.errors import UserError
from melior.improvement.few import fit_plain, merged, too_few
from melior.recipe import Recipe
from melior.testing import tables

RECIPE = Recipe(metric="macro_f1", model={"linear": {"longest": 1, "characters": False}})


def numbers(rows, classes=2):
    return tables.number_table(rows, classes=classes)


def with_counts(*counts):
    table = numbers(sum(counts), classes=max(2, len(counts)))
    return table.with_labels(np.repeat(np.arange(len(counts)), counts))


def test_enough_rows_are_not_few():
    assert too_few(numbers(200), RECIPE) == ""


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (with_counts(200), "one class"),
        (numbers(140), "takes 150"),
        (numbers(100).take(np.arange(400) % 100), "100 different rows"),
        (with_counts(300, 9), "but for one class, no class has the 10 rows"),
        (with_counts(60, 20, *[1] * 80), "82 classes are too many"),
    ],
)
def test_what_is_too_few_is_said(table, said):
    assert said in too_few(table, RECIPE)


def test_a_larger_sealed_share_takes_fewer_rows():
    assert too_few(numbers(140), RECIPE.with_split(sealed=0.25)) == ""


def test_groups_that_cannot_be_put_apart_are_said():
    table = tables.mixed_table(200)
    column = table.of_kind("category")[0]
    assert "groups" in too_few(table, RECIPE.with_split(kind="group", column=column))


@settings(max_examples=10, deadline=None)
@given(times=st.lists(st.integers(1, 4), min_size=18, max_size=18), seed=st.integers(0, 99))
def test_a_weight_is_as_good_as_copies_in_any_order(times, seed):
    table = tables.mixed_table(18, seed=4)
    random = np.random.default_rng(seed)
    copies = table.take(random.permutation(np.repeat(np.arange(18), times)))
    order = random.permutation(18)
    weighted = table.with_weights(np.array(times, dtype=float)).take(order)
    one, other = (fit_plain(RECIPE, rows)[1].scores(table) for rows in (copies, weighted))
    assert np.allclose(one, other, rtol=1e-9)


def test_merging_loses_no_weight_and_no_class():
    table = tables.mixed_table(30, seed=1)
    doubled = table.take(np.r_[np.arange(30), np.arange(10)])
    whole = merged(doubled)
    assert whole.rows == 30
    assert whole.row_weights().sum() == 40
    flipped = table.with_labels((table.given_labels() + 1) % len(table.classes))
    assert merged(table.joined(flipped)).rows == 60  # the same row under two classes stays two rows
    assert merged(table).weights is None


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_auto_takes_the_plainest_family_that_reads_the_rows(rows):
    recipe, predictor = fit_plain(Recipe(metric="macro_f1"), numbers(30).take(np.arange(rows)))
    assert recipe.model.name == "linear"
    assert np.isfinite(predictor.scores(numbers(30))).all()


def test_a_table_that_nobody_reads_is_refused():
    table = numbers(30)
    with pytest.raises(UserError, match="no column to learn from"):
        fit_plain(Recipe(metric="macro_f1"), table.without_columns(table.features()))


def test_that_no_class_has_enough_rows_is_said_without_an_exception():
    assert too_few(with_counts(*[1] * 200), RECIPE).startswith("no class has the 10 rows")
