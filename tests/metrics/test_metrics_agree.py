"""Every metric against scikit-learn's, and every resampled metric against the same rows repeated."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

import melior.metrics as ours
from melior.errors import UserError
from melior.metrics import Predictions, metric, names, one_hot

LETTERS = ["a", "b", "c", "d"]


@st.composite
def problems(draw, classes=None):
    """(codes, scores with ties, row weights, classes): every class occurs."""
    classes = classes or draw(st.integers(2, 4))
    rows = draw(st.integers(2 * classes, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    scores = rng.integers(1, draw(st.sampled_from([3, 8, 10_000])), (rows, classes)).astype(float)
    scores /= scores.sum(axis=1, keepdims=True)
    weights = rng.choice([0.5, 1.0, 2.5], rows) if draw(st.booleans()) else np.ones(rows)
    return codes, scores, weights, classes


def measured(name, codes, scores, weights, classes):
    data = Predictions.of(codes, scores, weights=weights)
    return metric(name, LETTERS[:classes]).measure(data.truth, data.scores, data.answers)


def same(one, other):
    assert one == pytest.approx(other, abs=1e-12, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_answers_agree(problem):
    codes, scores, weights, classes = problem
    answers = scores.argmax(axis=1)
    options = {"sample_weight": weights}
    same(measured("accuracy", *problem), oracle.accuracy_score(codes, answers, **options))
    same(measured("balanced_accuracy", *problem), oracle.balanced_accuracy_score(codes, answers, **options))
    options |= {"labels": np.arange(classes), "zero_division": 0}
    for word, judge in (
        ("f1", oracle.f1_score),
        ("precision", oracle.precision_score),
        ("recall", oracle.recall_score),
    ):
        for average in ("macro", "micro", "weighted"):
            same(measured(f"{average}_{word}", *problem), judge(codes, answers, average=average, **options))
        single = judge(codes, answers, average=None, **options)
        for code in range(classes):
            same(measured(f"{word}[{LETTERS[code]}]", *problem), single[code])


@settings(max_examples=60, deadline=None)
@given(problems())
def test_scores_agree(problem):
    codes, scores, weights, classes = problem
    truth = one_hot(codes, classes)
    for code in range(classes):
        areas = [judge(truth[:, code], scores[:, code], sample_weight=weights) for judge in AREAS]
        same(measured(f"roc_auc[{LETTERS[code]}]", *problem), areas[0])
        same(measured(f"average_precision[{LETTERS[code]}]", *problem), areas[1])
    loss = oracle.log_loss(codes, scores, labels=np.arange(classes), sample_weight=weights)
    same(measured("log_loss", *problem), loss)
    for name, judge in zip(("roc_auc", "average_precision"), AREAS, strict=True):
        if classes == 2:
            expected = judge(codes, scores[:, 1], sample_weight=weights)
        else:
            expected = np.mean([judge(truth[:, k], scores[:, k], sample_weight=weights) for k in range(classes)])
        same(measured(name, *problem), expected)


AREAS = (oracle.roc_auc_score, oracle.average_precision_score)


@settings(max_examples=30, deadline=None)
@given(problems(classes=2))
def test_brier_of_two_classes_is_the_usual_one(problem):
    codes, scores, weights, _ = problem
    same(measured("brier", *problem), oracle.brier_score_loss(codes, scores[:, 1], sample_weight=weights))


def test_many_classes_area_is_one_against_the_rest():
    rng = np.random.default_rng(0)
    codes, scores = np.arange(60) % 3, rng.dirichlet(np.ones(3), 60)
    expected = oracle.roc_auc_score(codes, scores, multi_class="ovr", average="macro")
    same(measured("roc_auc", codes, scores, np.ones(60), 3), expected)


def test_calibration_error_by_hand():
    scores = np.repeat([[0.8, 0.2], [0.4, 0.6]], 10, axis=0)
    codes = np.array([0] * 7 + [1] * 3 + [1] * 9 + [0])
    # Two values, so two bins: |0.7 - 0.8| and |0.9 - 0.6|, each half of the rows.
    assert measured("expected_calibration_error", codes, scores, np.ones(20), 2) == pytest.approx(0.2)


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(0, 1000), st.booleans())
def test_resampled_is_measured_on_repeated_rows(problem, seed, noisy):
    codes, scores, weights, classes = problem
    rng = np.random.default_rng(seed)
    data = Predictions.of(codes, scores, weights=weights)
    truth = data.truth
    if noisy:
        truth = ours.label_weights(codes, 0.7 * np.eye(classes) + 0.3 / classes, weights=weights)
    counts = rng.integers(0, 4, (5, len(codes)))
    for name in names(LETTERS[:classes]):
        if name == "expected_calibration_error":  # its bins are those of the rows given
            continue
        judge = metric(name, LETTERS[:classes])
        found = judge.measure_resampled(truth, scores, data.answers, counts.astype(np.float32))
        for value, row in zip(found, counts, strict=True):
            repeated = [np.repeat(part, row, axis=0) for part in (truth, scores, data.answers)]
            assert value == pytest.approx(judge.measure(*repeated), abs=1e-9, nan_ok=True), name


def test_signed_weights_that_cancel_are_no_class():
    """Nine other rows take away what one row of a class adds: what rounding leaves of it must not decide."""
    codes = [0, 1, 2, 1, 2, 2]
    scores = np.random.default_rng(3).dirichlet(np.ones(3), 6)
    truth = ours.label_weights(codes, 0.7 * np.eye(3) + 0.1, weights=[1, 2.5, 0.5, 2.5, 1, 2.5])
    assert abs(truth[:, 0].sum()) < 1e-12
    for name in ("average_precision[a]", "roc_auc[a]"):
        for order in (np.arange(6), np.arange(6)[::-1], np.array([3, 0, 5, 1, 4, 2])):
            judge = metric(name, "abc")
            assert np.isnan(judge.measure(truth[order], scores[order], scores[order].argmax(axis=1))), (name, order)


def test_undefined_is_nan():
    scores = np.array([[0.3, 0.7], [0.6, 0.4]])
    one_class = [1, 1], scores, np.ones(2), 2
    assert np.isnan(measured("roc_auc", *one_class))
    assert np.isnan(measured("average_precision[a]", *one_class))
    nothing = np.empty((0, 2))
    for name in names(["a", "b"]):
        value = metric(name, ["a", "b"]).measure(nothing, nothing, np.empty(0, dtype=int))
        assert np.isnan(value) or name[:2] in ("f1", "pr", "re"), name


@pytest.mark.parametrize("name", names(LETTERS[:3]))
def test_every_metric_is_in_range_says_what_it_is_and_ignores_order(name):
    rng = np.random.default_rng(3)
    data = Predictions.of(rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50))
    judge = metric(name, LETTERS[:3])
    assert judge.name == name
    assert judge.title
    assert judge.needs in ("answers", "scores")
    value = judge.measure(data.truth, data.scores, data.answers)
    assert judge.low <= value <= judge.high
    order = rng.permutation(50)
    again = judge.measure(data.truth[order], data.scores[order], data.answers[order])
    assert value == pytest.approx(again, abs=1e-12)
    perfect = judge.measure(data.truth, data.truth, data.truth.argmax(axis=1))
    assert perfect == pytest.approx(judge.high if judge.greater_is_better else judge.low, abs=1e-12)


@pytest.mark.parametrize("name", ["makro_f1", "f1", "f1[z]", "accuracy[a]", "recall[a", "roc-auc", "§"])
def test_unknown_metric_names_the_nearest(name):
    with pytest.raises(UserError, match="There is no metric") as refusal:
        metric(name, ["a", "b"])
    assert any(known in str(refusal.value) for known in names(["a", "b"]))


def test_scores_are_asked_for():
    with pytest.raises(UserError, match="needs probabilities"):
        metric("roc_auc", ["a", "b"]).measure(one_hot([0, 1], 2), None, [0, 1])


@pytest.mark.parametrize(
    ("truth", "scores", "answers", "said"),
    [
        ([0, 1], None, [0, 1], "table of label weights"),
        (np.eye(2), np.ones((3, 2)), None, "both must be"),
        (np.eye(2), None, None, "neither answers nor scores"),
        (np.eye(2), None, [0], "1 answers for 2 rows"),
        (np.eye(2), None, [0, 2], "from 0 to 1"),
    ],
)
def test_predictions_refuse_what_does_not_fit(truth, scores, answers, said):
    with pytest.raises(UserError, match=said):
        Predictions(truth, scores, answers)


def modules():
    found = pkgutil.iter_modules(ours.__path__)
    return [importlib.import_module(f"melior.metrics.{entry.name}") for entry in found]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_examples_run(module):
    assert doctest.testmod(module).failed == 0


def test_everything_public_is_documented():
    for name in ours.__all__:
        assert inspect.getdoc(getattr(ours, name)), name


def test_the_room_imports_no_learning_library():
    import subprocess
    import sys

    code = "import sys, melior.metrics; melior.metrics.names(); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_effective_classes():
    assert ours.effective_classes([10, 10, 10]) == pytest.approx(3)
    assert ours.effective_classes({"a": 5, "b": 0}) == pytest.approx(1)
    assert ours.effective_classes([]) == 0
