"""Comparisons: the same rows for all, the promised level, and the formula of Nadeau and Bengio."""

import math

import numpy as np
import pytest
from scipy import stats

from melior.errors import UserError
from melior.metrics import Predictions, bootstrap_together, metric, nadeau_bengio, one_hot, paired_difference

CLASSES = ["a", "b", "c"]


def pair_of(rng, rows, gain=0.0):
    """Two predictors whose scores share most of their noise; the second separates better by `gain`."""
    codes = rng.integers(0, 3, rows)
    truth = one_hot(codes, 3)
    shared = rng.normal(size=(rows, 3))
    entries = []
    for more in (0.0, gain):
        scores = np.exp(shared + 0.5 * rng.normal(size=(rows, 3)) + (1.0 + more) * truth)
        entries.append(Predictions(truth, scores / scores.sum(axis=1, keepdims=True), None))
    return entries


@pytest.mark.parametrize("name", ["macro_f1", "accuracy", "roc_auc", "log_loss"])
def test_resamples_are_shared_by_all_entries(name):
    baseline, candidate = pair_of(np.random.default_rng(0), 200, 0.3)
    judge = metric(name, CLASSES)
    values, resampled = bootstrap_together(judge, [baseline, candidate, baseline], resamples=300)
    assert resampled.shape == (3, 300)
    assert (resampled[0] == resampled[2]).all()
    assert values[1] == pytest.approx(judge.measure(candidate.truth, candidate.scores, candidate.answers))
    paired = (resampled[1] - resampled[0]).std()
    assert paired < 0.8 * math.hypot(resampled[0].std(), resampled[1].std())


@pytest.mark.parametrize("name", ["macro_f1", "log_loss"])
def test_cells_and_rows_and_groups_agree(name):
    entries = pair_of(np.random.default_rng(1), 120, 0.5)
    judge = metric(name, CLASSES)
    free = paired_difference(judge, *entries, resamples=4000)
    rows = paired_difference(judge, *entries, resamples=4000, groups=np.arange(120))
    assert free.value == rows.value
    assert free.low == pytest.approx(rows.low, abs=0.01)
    assert free.high == pytest.approx(rows.high, abs=0.01)


@pytest.mark.parametrize("name", ["macro_f1", "log_loss"])
def test_positive_is_better(name):
    entries = pair_of(np.random.default_rng(2), 400, 1.0)
    found = paired_difference(metric(name, CLASSES), *entries, resamples=500)
    assert found.low > 0
    assert found.p < 0.01
    back = paired_difference(metric(name, CLASSES), *entries[::-1], resamples=500)
    assert back.value == pytest.approx(-found.value)
    assert back.p > 0.95
    both = paired_difference(metric(name, CLASSES), *entries[::-1], resamples=500, alternative="two-sided")
    assert both.p < 0.01


def test_level_holds_and_interval_covers_when_nothing_differs():
    rng = np.random.default_rng(3)
    judges = [metric("macro_f1", CLASSES), metric("log_loss", CLASSES)]
    for judge in judges:
        accepted = covered = 0
        for seed in range(300):
            found = paired_difference(judge, *pair_of(rng, 150), resamples=300, seed=seed)
            accepted += found.p <= 0.05
            covered += 0 in found
        assert accepted / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
        assert covered / 300 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300)


def test_the_same_predictor_gains_nothing():
    baseline, _ = pair_of(np.random.default_rng(4), 50)
    found = paired_difference(metric("macro_f1", CLASSES), baseline, baseline)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert found.to_dict() == {"value": 0, "low": 0, "high": 0, "level": 0.95, "p": 1}


def test_groups_widen_a_difference():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(30), 10)
    codes = rng.integers(0, 2, 300)
    better = rng.normal(0, 1.5, 30)[groups]
    entries = []
    for gain in (0.0, better):
        p = 1 / (1 + np.exp(-(2 * codes - 1) * (1 + gain)))
        entries.append(Predictions.of(codes, np.stack([1 - p, p], axis=1)))
    judge = metric("brier", ["no", "yes"])
    alone = paired_difference(judge, *entries)
    assert paired_difference(judge, *entries, groups=groups).width > 1.5 * alone.width


def test_other_rows_are_refused():
    rng = np.random.default_rng(6)
    with pytest.raises(UserError, match="same rows"):
        paired_difference(metric("accuracy", CLASSES), pair_of(rng, 20)[0], pair_of(rng, 20)[0])
    with pytest.raises(UserError, match="nothing to compare"):
        bootstrap_together(metric("accuracy", CLASSES), [])


def test_nadeau_bengio_by_hand():
    differences = [0.01, 0.03, -0.01, 0.02, 0.015, 0.005, 0.02, 0.01, 0.0, 0.02]
    found = nadeau_bengio(differences, test_share=0.1)
    mean, error = 0.012, math.sqrt((1 / 10 + 1 / 9) * np.var(differences, ddof=1))
    assert found.effect == pytest.approx(mean)
    assert found.p == pytest.approx(stats.t.sf(mean / error, 9))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 9, mean, error))
    two_sided = nadeau_bengio(differences, test_share=0.1, alternative="two-sided")
    assert two_sided.p == pytest.approx(2 * found.p)


def test_nadeau_bengio_at_its_edges():
    assert math.isnan(nadeau_bengio([0.1], 0.2).p)
    assert math.isnan(nadeau_bengio([], 0.2).effect)
    assert nadeau_bengio([0.0, 0.0, 0.0], 0.2) == (0, 0, 0, 1)
    assert nadeau_bengio([0.1, 0.1, 0.1], 0.2).p == 0
    with pytest.raises(UserError, match="between 0 and 1"):
        nadeau_bengio([0.1, 0.2], 5)
