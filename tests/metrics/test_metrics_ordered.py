"""Blocks of rows in an order: who is in which, and how long they are beside what theory says."""

import numpy as np
import pytest
from scipy.signal import lfilter

from melior.metrics.ordered import FEWEST_BLOCKS, MOST_BLOCKS, blocks_in_order, dependence, independent_units


def lasting(random, rows, last):
    """A series of variance 1 whose neighbours have this correlation."""
    noise = random.normal(size=rows + 300) * np.sqrt(1 - last**2)
    return lfilter([1.0], [1.0, -last], noise)[300:]


@pytest.mark.parametrize("rows", [1, 7, 29, 30, 31, 400, 1001])
def test_blocks_are_of_nearly_equal_size_and_follow_one_another(rows):
    ranks = np.random.default_rng(rows).permutation(rows)
    blocks = blocks_in_order(ranks)
    sizes = np.bincount(blocks)
    assert len(sizes) == min(rows, MOST_BLOCKS)
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(blocks[np.argsort(ranks)]) >= 0).all()


def test_no_rows_no_blocks():
    assert blocks_in_order([]).tolist() == []


def test_rows_of_one_time_stay_together():
    random = np.random.default_rng(0)
    days = random.integers(0, 50, 900)
    blocks = blocks_in_order(days)
    assert all(len(np.unique(blocks[days == day])) == 1 for day in np.unique(days))
    assert len(np.unique(blocks_in_order(np.arange(900) // 300))) == 3


def test_the_order_of_the_rows_in_the_file_does_not_matter():
    random = np.random.default_rng(1)
    values = lasting(random, 600, 0.95)
    order = random.permutation(600)
    plain, mixed = blocks_in_order(np.arange(600), [values]), blocks_in_order(order, [values[order]])
    assert (plain[order] == mixed).all()


def test_rows_that_hang_together_have_longer_blocks_but_never_too_few():
    random = np.random.default_rng(2)

    def many(last):
        return len(np.unique(blocks_in_order(np.arange(500), [lasting(random, 500, last)])))

    assert many(0.0) == MOST_BLOCKS
    assert many(0.9) < MOST_BLOCKS
    assert many(0.999) == FEWEST_BLOCKS
    constant = np.zeros(500)
    assert len(np.unique(blocks_in_order(np.arange(500), [constant]))) == MOST_BLOCKS


@pytest.mark.parametrize("last", [0.5, 0.8])
def test_the_length_is_that_of_theory(last):
    """For neighbours of correlation r it is (sqrt(6) r / (1 - r^2))^(2/3) n^(1/3), from Politis and White 2004."""
    rows = 4000
    theory = (np.sqrt(6) * last / (1 - last**2)) ** (2 / 3) * rows ** (1 / 3)
    found = np.mean([dependence(lasting(np.random.default_rng(seed), rows, last)) for seed in range(40)])
    assert found == pytest.approx(theory, rel=0.25)


def test_rows_that_take_turns_and_few_rows_need_no_blocks():
    assert np.mean([dependence(lasting(np.random.default_rng(seed), 500, -0.5)) for seed in range(20)]) < 2
    assert dependence([1.0, 2.0]) == 1.0
    assert dependence(np.random.default_rng(3).normal(size=2000)) < 4


def test_uneven_groups_are_worth_fewer():
    assert independent_units(np.arange(50)) == 50
    assert independent_units(np.repeat(np.arange(10), 7)) == pytest.approx(10)
    one_large = np.concatenate([np.zeros(900, dtype=int), 1 + np.arange(100)])
    assert independent_units(one_large) == pytest.approx(1000**2 / (900**2 + 100))
