"""Gaps that depend on the answer are asked about; gaps that depend on nothing, or on another column, are not."""

import numpy as np
import pytest

from melior.checks.leaking_gaps import LeakingGaps
from melior.checks.target_leakage import TargetLeakage
from melior.improvement.ask import known_before
from melior.recipe import Recipe


def holed(g, rates, n=500, classes=2):
    """Two columns that lose the same values at the rate of the class of a row, and one that is whole."""
    y = g.integers(0, classes, n)
    x = g.normal(size=(n, 3)) + 0.8 * y[:, None]
    gone = g.random(n) < np.asarray(rates)[y]
    x[gone, 0] = x[gone, 1] = np.nan
    return {f"x{j}": x[:, j] for j in range(3)}, y


@pytest.mark.parametrize(("rates", "classes"), [((0.7, 0.07), 2), ((0.05, 0.5), 2), ((0.1, 0.1, 0.7), 3)])
def test_gaps_that_depend_on_the_answer(make_context, rates, classes):
    for seed in range(3):
        columns, y = holed(np.random.default_rng(seed), rates, 600, classes)
        context = make_context(columns, y)
        (finding,) = LeakingGaps().measure(context)
        assert finding.columns == ("x0", "x1")
        assert not finding.certain
        assert finding.measured["score_with"] > finding.measured["score_without"]
        assert finding.measured["gaps_of_class"] == pytest.approx(max(rates) if classes > 2 else rates[0], abs=0.12)
        assert TargetLeakage().measure(context) == []


def test_gaps_that_are_the_answer(make_context):
    """Two columns with the same gaps hide each other from target_leakage; of one it names the gap itself."""
    columns, y = holed(np.random.default_rng(0), (0.99, 0.01))
    context = make_context(columns, y)
    assert TargetLeakage().measure(context) == []
    (finding,) = LeakingGaps().measure(context)
    assert not known_before(finding).default
    alone = make_context({name: columns[name] for name in ("x0", "x2")}, y)
    assert LeakingGaps().measure(alone) == []
    assert TargetLeakage().measure(alone)


def test_gaps_that_depend_on_nothing(make_context):
    for seed in range(40):
        columns, y = holed(np.random.default_rng(seed), (0.4, 0.4), 300)
        assert LeakingGaps().measure(make_context(columns, y)) == []


def test_a_moderate_difference_is_common_in_honest_rows(make_context):
    columns, y = holed(np.random.default_rng(0), (0.3, 0.15), 2000)
    assert LeakingGaps().measure(make_context(columns, y)) == []


def test_known_columns_are_left_alone(make_context):
    columns, y = holed(np.random.default_rng(0), (0.7, 0.07))
    recipe = Recipe(data={"known_at_prediction": ["x0", "x1"]})
    assert LeakingGaps().measure(make_context(columns, y, recipe=recipe)) == []


def test_without_an_answer_it_is_kept_and_both_scores_are_said(make_context):
    columns, y = holed(np.random.default_rng(0), (0.7, 0.07))
    question = known_before(LeakingGaps().measure(make_context(columns, y))[0])
    assert question.default
    assert "for the same reason?" in question.asked
    assert "without it" in question.assumed()


def test_odd(make_context):
    g = np.random.default_rng(0)
    for columns, y in (
        (g.normal(size=(3, 2)), np.array([0, 1, 1])),
        ({"x": np.full(60, np.nan), "z": g.normal(size=60)}, g.integers(0, 2, 60)),
        ({"x": g.normal(size=60)}, np.zeros(60, dtype=int)),
    ):
        assert LeakingGaps().measure(make_context(columns, y)) == []
