"""Differences of bits per byte against plain numpy, and how often the judge believes one that is not there."""

import numpy as np
import pytest

from melior.metrics.bits_per_byte import drawn_gains, errors, paired_bits
from melior.trials.judge import judged


def texts(rows=200, candidates=3, seed=0):
    random = np.random.default_rng(seed)
    sizes = random.integers(5, 80, rows)
    hard = random.gamma(2.0, 1.0, rows) * sizes
    noise = random.normal(size=(candidates + 1, rows)) * np.sqrt(sizes)
    return sizes, hard + noise


def test_gains_are_those_of_the_formula():
    sizes, nats = texts()
    gains, resampled = drawn_gains(nats[0], nats[1:], sizes, np.arange(200), resamples=300)
    expected = (nats[0].sum() - nats[1:].sum(axis=1)) / np.log(2) / sizes.sum()
    np.testing.assert_allclose(gains, expected, rtol=1e-12)
    assert resampled.shape == (3, 300)
    found = paired_bits(nats[0], nats[1], sizes, np.arange(200))
    assert found.value == pytest.approx(expected[0])
    assert found.low < expected[0] < found.high


def test_the_interval_is_that_of_the_delta_method():
    """Of a ratio of sums: variance n var(d_t - r s_t) / (sum s)^2 for differences d and sizes s."""
    sizes, nats = texts(rows=2000, seed=3)
    difference = (nats[0] - nats[1]) / np.log(2)
    ratio = difference.sum() / sizes.sum()
    error = np.sqrt(2000) * (difference - ratio * sizes).std(ddof=1) / sizes.sum()
    found = paired_bits(nats[0], nats[1], sizes, np.arange(2000))
    assert found.width == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_texts_that_say_the_same_are_drawn_together():
    """Each text ten times over: no more is known than of one copy, and the interval is as wide."""
    sizes, nats = texts(rows=60)
    once = paired_bits(nats[0], nats[1], sizes, np.arange(60))
    many = paired_bits(np.tile(nats[0], 10), np.tile(nats[1], 10), np.tile(sizes, 10), np.tile(np.arange(60), 10))
    assert many.value == pytest.approx(once.value)
    assert many.width == pytest.approx(once.width, rel=0.05)
    apart = paired_bits(np.tile(nats[0], 10), np.tile(nats[1], 10), np.tile(sizes, 10), np.arange(600))
    assert apart.width < 0.5 * once.width


def test_the_same_model_gains_nothing():
    sizes, nats = texts()
    found = paired_bits(nats[0], nats[0], sizes, np.arange(200))
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def accepted(gain, simulations, rows=100):
    """The share of simulations of some texts and 6 candidates in which anything is accepted."""
    found = 0
    for seed in range(simulations):
        sizes, nats = texts(rows=rows, candidates=6, seed=seed)
        nats[1] -= gain * sizes * np.log(2)
        groups = np.arange(rows)
        gains, resampled = drawn_gains(nats[0], nats[1:], sizes, groups, seed=seed, resamples=400)
        verdicts = judged(gains, resampled, error=errors(resampled, groups))
        found += any(one.verdict == "accepted" for one in verdicts)
    return found / simulations


@pytest.mark.parametrize("rows", [10, 100])
def test_nothing_is_accepted_where_nothing_helps(rows):
    """At most 5 % of the times; 300 simulations put three standard errors at 3.8 %."""
    assert accepted(0.0, 300, rows) <= 0.05 + 0.038


def test_what_helps_is_accepted():
    assert accepted(0.2, 20) == 1
