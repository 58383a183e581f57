"""The learning curve: a known curve is continued, its interval covers, and the check says what more rows would add."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from melior.checks._curve import gain_of_twice, jackknifed
from melior.checks.learning_curve import LearningCurve
from melior.recipe import Choice, Recipe
from melior.trials.context import TableContext

PARTS = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0])


@pytest.mark.parametrize("exponent", [0.3, 0.6, 1.0])
def test_a_power_law_is_continued(exponent):
    scores = 0.9 - 0.05 * PARTS**-exponent
    gain = gain_of_twice(PARTS, scores, 1e-8 * np.eye(5), 1.0)
    assert gain.expected == pytest.approx(0.05 * (1 - 2**-exponent), rel=0.05)
    assert gain.low - 1e-6 <= gain.expected <= gain.high + 1e-6


def test_flat_and_falling_curves_gain_nothing():
    for scores in (np.full(5, 0.8), 0.8 + 0.02 * np.arange(5)[::-1]):
        gain = gain_of_twice(PARTS, scores, 1e-6 * np.eye(5), 1.0)
        assert 0 <= gain.low <= gain.high < 0.005


def test_no_gain_beyond_the_best_score():
    gain = gain_of_twice(PARTS, 0.999 - 0.02 * (PARTS**-0.4 - 1), 1e-10 * np.eye(5), 1.0)
    assert gain.high < 0.0015
    with pytest.raises(ValueError, match="three points"):
        gain_of_twice(PARTS[:2], PARTS[:2], np.eye(2), 1.0)
    with pytest.raises(ValueError, match="the last from all rows"):
        gain_of_twice(PARTS[:4], PARTS[:4], np.eye(4), 1.0)


def test_interval_covers():
    """Curves with a common error and errors of their own: nine intervals in ten should hold the true gain."""
    held = 0
    for seed in range(200):
        g = np.random.default_rng(seed)
        c, gain = g.uniform(0.2, 1.2), g.uniform(0, 0.04)
        covariance = 1e-4 * (0.9 + 0.1 * np.eye(5))
        true = 0.8 + gain * (1 - PARTS**-c) / (1 - 2**-c)
        drawn = gain_of_twice(PARTS, g.multivariate_normal(true, covariance), covariance, 1.0)
        held += drawn.low <= gain <= drawn.high
    assert 0.84 * 200 <= held <= 0.97 * 200


def test_jackknife_of_means():
    g = np.random.default_rng(0)
    values = g.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 3000)
    scores, covariance = jackknifed(lambda rows: values[rows].mean(axis=0), np.arange(3000), g)
    assert scores == pytest.approx(values.mean(axis=0))
    assert covariance * 3000 == pytest.approx(np.cov(values.T), abs=0.65)  # 25 groups: a spread of 0.28 each
    assert covariance[0, 1] > 0


def test_many_columns_and_few_rows_want_more(make_context):
    g = np.random.default_rng(1)
    weights = g.normal(size=60) / 2

    def drawn(rows):
        x = g.normal(size=(rows, 60))
        return x, (g.random(rows) < 1 / (1 + np.exp(-x @ weights))).astype(int)

    def score(rows):
        model = LogisticRegression(max_iter=300).fit(*drawn(rows))
        return f1_score(new[1], model.predict(new[0]), average="macro")

    new = drawn(5000)
    (finding,) = LearningCurve().measure(make_context(*drawn(500)))
    assert finding.measured["more_rows_help"]
    low, high = finding.measured["gain_interval"]
    assert 0.01 < low < finding.measured["gain_of_twice"] < high
    gain = np.mean([score(800) - score(400) for _ in range(10)])  # models that really learn from twice the rows
    assert low - 0.005 < gain < high + 0.005
    assert "More rows would help" in finding.message
    assert finding.measured["training_rows"][-1] == 400


def test_few_rows_that_are_enough(make_context):
    g = np.random.default_rng(0)
    y = np.repeat([0, 1], [150, 90])
    x = g.normal(size=(240, 3)) + 12 * y[:, None]
    (finding,) = LearningCurve().measure(make_context(x, y))
    assert not finding.measured["more_rows_help"]
    assert "would not help" in finding.message
    assert finding.severity == pytest.approx(0.05)


def test_quiet_where_rows_suffice(make_context):
    for seed in range(3):
        g = np.random.default_rng(seed)
        x = g.normal(size=(1200, 3))
        y = (g.random(1200) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(int)
        assert LearningCurve().measure(make_context(x, y)) == []


def test_little_and_odd(make_context):
    x, y = load_iris(return_X_y=True)
    assert LearningCurve().measure(make_context(x[:60], y[:60])) == []
    assert LearningCurve().measure(make_context(x)) == []
    assert LearningCurve().measure(make_context(np.full((200, 2), np.nan), np.arange(200) % 2)) == []
    lonely = np.zeros(200, dtype=int)
    lonely[0] = 1
    LearningCurve().measure(make_context(np.random.default_rng(0).normal(size=(200, 2)), np.arange(200) % 2 * lonely))


def test_parts_are_nested_and_hold_every_class(make_table, monkeypatch):
    g = np.random.default_rng(0)
    y = g.choice(3, 300, p=[0.8, 0.17, 0.03])
    context = TableContext(make_table(g.normal(size=(300, 2)), y), Recipe(model=Choice(name="linear")))
    learned = {}

    def noting(recipe, train, **settings):
        learned[part].append(train.row_ids)
        assert set(train.labels.tolist()) == {0, 1, 2}
        return fit(recipe, train, **settings)

    from melior.trials import context as module

    fit = module.fit
    monkeypatch.setattr(module, "fit", noting)
    monkeypatch.setattr(module, "cores", lambda: 1)
    for part in (0.1, 0.5, 1.0):
        learned[part] = []
        assert context.out_of_fold_from(part).shape == (300, 3)
    for small, middle, all_rows in zip(learned[0.1], learned[0.5], learned[1.0], strict=True):
        assert set(small.tolist()) < set(middle.tolist()) < set(all_rows.tolist())
        assert len(middle) == pytest.approx(0.5 * len(all_rows), abs=2)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        context.out_of_fold_from(0.0)
