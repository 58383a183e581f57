"""Calibration, thresholds and stacking against formulas and oracles."""

import numpy as np
import pytest

from melior.methods.calibration import (
    Calibration,
    choose,
    fit_isotonic,
    fit_platt,
    fit_step,
    fit_temperature,
    log_odds,
)
from melior.methods.stacking import fit_stack
from melior.methods.threshold import BEYOND, SHRINKS, best_offsets, cells_of, log_scores, steady_offsets, value_of
from melior.metrics import metric, one_hot


def two_classes(rows=400, seed=0, share=0.3):
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < share).astype(np.int32)
    second = 1 / (1 + np.exp(-random.normal(2.0 * labels - 1.5, 1.2)))
    return np.column_stack([1 - second, second]), labels


def many_classes(rows=500, seed=0, share=(0.8, 0.15, 0.05)):
    random = np.random.default_rng(seed)
    labels = random.choice(3, rows, p=share).astype(np.int32)
    raised = np.exp(random.normal(size=(rows, 3)) + 1.3 * np.eye(3)[labels] + np.log(share))
    return raised / raised.sum(axis=1, keepdims=True), labels


def test_platt_matches_the_oracle():
    from sklearn.calibration import _SigmoidCalibration

    scores, labels = two_classes()
    margins = log_odds(scores[:, 1])
    slope, shift = fit_platt(margins, labels == 1, np.ones(len(labels)))
    oracle = _SigmoidCalibration().fit(margins, labels)
    assert slope == pytest.approx(-oracle.a_, rel=1e-3)
    assert shift == pytest.approx(-oracle.b_, rel=1e-3)


def test_isotonic_matches_the_oracle():
    from sklearn.isotonic import IsotonicRegression

    random = np.random.default_rng(1)
    margins, weights = np.round(random.normal(size=300), 1), random.uniform(0.5, 2, 300)
    positive = (random.random(300) < 1 / (1 + np.exp(-margins))).astype(float)
    knots, values = fit_isotonic(margins, positive, weights)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(margins, positive, weights)
    new = np.linspace(-4, 4, 200)
    np.testing.assert_allclose(np.interp(new, knots, values), oracle.predict(new), atol=1e-9)


def test_temperature_finds_what_was_done():
    scores, labels = many_classes(6000)
    calibrated = fit_step("temperature", scores, labels, np.ones(6000)).apply(scores)
    spoiled = calibrated**2.5 * [1, 3, 0.5]
    spoiled /= spoiled.sum(axis=1, keepdims=True)
    sharpness, shifts = fit_temperature(spoiled, labels, np.ones(6000), shifts=True)
    assert sharpness == pytest.approx(1 / 2.5, rel=0.02)
    np.testing.assert_allclose(shifts, [0, -np.log(3) / 2.5, np.log(2) / 2.5], atol=0.05)


@pytest.mark.parametrize("kind", ["platt", "isotonic", "temperature"])
@pytest.mark.parametrize("make", [two_classes, many_classes])
def test_calibration_undoes_sharpening(kind, make):
    scores, labels = make(3000)
    sharp = scores**3 / (scores**3).sum(axis=1, keepdims=True)
    log_loss = metric("log_loss", [str(k) for k in range(scores.shape[1])])
    truth = one_hot(labels, scores.shape[1])
    half = np.arange(3000) < 1500
    step = fit_step(kind, sharp[half], labels[half], np.ones(1500))
    after = step.apply(sharp[~half])
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert after.min() > 0
    answers = labels[~half]
    assert log_loss.measure(truth[~half], after, answers) < log_loss.measure(truth[~half], sharp[~half], answers) - 0.05


def test_auto_leaves_good_scores_alone_or_nearly():
    scores, labels = two_classes(2000)
    good = fit_step("platt", scores, labels, np.ones(2000)).apply(scores)
    kind = choose(good, labels, np.ones(2000))
    if kind is not None:
        changed = fit_step(kind, good, labels, np.ones(2000)).apply(good)
        assert np.abs(changed - good).mean() < 0.03
    assert choose(good**4 / (good**4).sum(axis=1, keepdims=True), labels, np.ones(2000)) is not None
    assert Calibration(kind="platt").kind == "platt"


@pytest.mark.parametrize("name", ["macro_f1", "accuracy", "balanced_accuracy", "f1[b]", "recall[b]"])
def test_threshold_is_the_exact_optimum(name):
    scores, labels = two_classes(120, seed=3)
    classes = ("a", "b")
    value = value_of(name, classes)
    offsets = best_offsets(log_scores(scores), labels, np.ones(120), value)
    reached = float(value(cells_of(log_scores(scores), labels, np.ones(120), offsets)))
    every = [-1e-9, *(np.sort(scores[:, 1]) + 1e-12)]
    measured = [
        metric(name, classes).measure(one_hot(labels, 2), scores, (scores[:, 1] > cut).astype(int)) for cut in every
    ]
    assert reached == pytest.approx(max(measured), abs=1e-12)


def test_threshold_heeds_weights():
    scores, labels = two_classes(100, seed=5)
    weights = np.random.default_rng(0).integers(1, 4, 100).astype(float)
    value = value_of("macro_f1", ("a", "b"))
    repeated = np.repeat(np.arange(100), weights.astype(int))
    ours = best_offsets(log_scores(scores), labels, weights, value)
    theirs = best_offsets(log_scores(scores[repeated]), labels[repeated], np.ones(len(repeated)), value)
    np.testing.assert_allclose(ours, theirs)


def test_thresholds_of_many_classes_help():
    scores, labels = many_classes(1500)
    value = value_of("macro_f1", ("a", "b", "c"))
    logs = log_scores(scores)
    half = np.arange(1500) < 750
    offsets = steady_offsets(logs[half], labels[half], np.ones(750), value, 20, 0)
    before = float(value(cells_of(logs[~half], labels[~half], np.ones(750), np.zeros(3))))
    after = float(value(cells_of(logs[~half], labels[~half], np.ones(750), offsets)))
    assert after > before + 0.03
    alone = best_offsets(logs[half], labels[half], np.ones(750), value)
    assert float(value(cells_of(logs[half], labels[half], np.ones(750), alone))) >= float(
        value(cells_of(logs[half], labels[half], np.ones(750), np.zeros(3)))
    )


def test_threshold_keeps_still_where_nothing_is_to_gain():
    random = np.random.default_rng(6)
    labels = random.integers(0, 2, 600).astype(np.int32)
    second = 1 / (1 + np.exp(-random.normal(2.0 * (2 * labels - 1), 1.4)))
    offsets = steady_offsets(
        log_scores(np.column_stack([1 - second, second])), labels, np.ones(600), value_of("accuracy", ("a", "b")), 50, 0
    )
    assert abs(offsets[1]) < 0.6


def test_stack_trusts_the_better_member():
    good, labels = many_classes(1500)
    poor = np.random.default_rng(7).dirichlet([1, 1, 1], 1500)
    logs = np.log(np.stack([good, poor]))
    weights, shifts = fit_stack(logs, labels, np.ones(1500), 1.0)
    assert weights[0] > 0.6
    assert weights[1] < 0.1
    equal, none = fit_stack(logs, labels, np.ones(1500), 1e9)
    np.testing.assert_allclose(equal, 0.5, atol=1e-3)
    np.testing.assert_allclose(none, 0, atol=1e-3)
    assert shifts.shape == (3,)


def test_stack_is_the_likeliest():
    """The gradient at the solution is zero, measured by differences in float64."""
    good, labels = many_classes(300)
    logs = np.log(np.stack([good, np.roll(good, 1, axis=1)]))

    def loss(weights, shifts):
        z = np.tensordot(weights, logs, axes=1) + shifts
        said = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        pull = 0.5 * (((weights - 0.5) ** 2).sum() + (shifts**2).sum())
        return -said[np.arange(300), labels].sum() + pull

    weights, shifts = fit_stack(logs, labels, np.ones(300), 1.0)
    best = loss(weights, shifts)
    for direction in np.vstack([np.eye(5), -np.eye(5)]) * 0.01:
        moved = weights + direction[:2]
        if (moved >= 0).all():
            assert loss(moved, shifts + direction[2:]) >= best - 1e-6


def test_a_condition_holds_on_other_rows():
    """A border that just meets a recall on the rows at hand misses it on other ones every other time."""
    value = value_of("precision[b], recall[b]>=0.85", ("a", "b"))

    def drawn(rows, seed):
        random = np.random.default_rng(seed)
        margins = 1.6 * random.normal(size=rows) - 1
        chance = 1 / (1 + np.exp(-margins))
        return log_scores(np.column_stack([1 - chance, chance])), (random.random(rows) < chance).astype(np.int64)

    new_logs, new_labels = drawn(50_000, 99)
    missed = {SHRINKS: 0, (*SHRINKS, *BEYOND): 0}
    for seed in range(20):
        logs, labels = drawn(500, seed)
        for shrinks in missed:
            offsets = steady_offsets(logs, labels, np.ones(500), value, 20, 0, shrinks)
            cells = cells_of(new_logs, new_labels, np.ones(len(new_labels)), offsets)
            missed[shrinks] += cells[1, 1] / cells[1].sum() < 0.84
    assert missed[SHRINKS] >= 4
    assert missed[*SHRINKS, *BEYOND] <= 1
