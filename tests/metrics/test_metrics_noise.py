"""Corrected noisy labels give, on average, the score that true labels give."""

import numpy as np
import pytest

from melior.errors import UserError
from melior.metrics import Predictions, corrected_joint, label_weights, metric, one_hot

NOISE = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.2, 0.1, 0.7]])
CLASSES = ["a", "b", "c"]
NAMES = ["accuracy", "macro_f1", "balanced_accuracy", "roc_auc", "average_precision", "log_loss", "brier", "recall[c]"]


def clean_rows(rng, rows):
    codes = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    logits = rng.normal(size=(rows, 3)) + 1.5 * one_hot(codes, 3)
    scores = np.exp(logits)
    return codes, scores / scores.sum(axis=1, keepdims=True)


def noisy_labels(rng, codes):
    return (rng.random(len(codes))[:, None] > NOISE[codes].cumsum(axis=1)).sum(axis=1)


def test_expectation_given_the_true_class_is_one_hot():
    assert NOISE @ label_weights(np.arange(3), NOISE) == pytest.approx(np.eye(3), abs=1e-12)


def test_without_noise_weights_are_one_hot():
    codes = np.array([0, 2, 1])
    assert (label_weights(codes, np.eye(3)) == one_hot(codes, 3)).all()
    assert label_weights(codes, NOISE, weights=[1, 2, 3]).sum(axis=1) == pytest.approx([1, 2, 3])


@pytest.mark.parametrize("name", NAMES)
def test_corrected_scores_are_unbiased(name):
    rng = np.random.default_rng(7)
    codes, scores = clean_rows(rng, 400)
    judge, answers = metric(name, CLASSES), scores.argmax(axis=1)
    clean = judge.measure(one_hot(codes, 3), scores, answers)
    corrected, naive = [], []
    for _ in range(400):
        given = noisy_labels(rng, codes)
        corrected.append(judge.measure(label_weights(given, NOISE), scores, answers))
        naive.append(judge.measure(one_hot(given, 3), scores, answers))
    error = np.std(corrected) / np.sqrt(len(corrected))
    assert abs(np.mean(corrected) - clean) < 4 * error + 0.002  # ratios: a bias of order 1 / rows is allowed
    assert abs(np.mean(naive) - clean) > 10 * abs(np.mean(corrected) - clean)


def test_interval_of_corrected_accuracy_covers_the_clean_one():
    rng = np.random.default_rng(11)
    truth_rate = metric("accuracy", CLASSES)
    codes, scores = clean_rows(rng, 200_000)
    expected = (codes == scores.argmax(axis=1)).mean()
    from melior.metrics import bootstrap

    hits = 0
    for seed in range(200):
        codes, scores = clean_rows(rng, 200)
        data = Predictions(label_weights(noisy_labels(rng, codes), NOISE), scores, None)
        hits += expected in bootstrap([truth_rate], data, resamples=400, seed=seed)["accuracy"]
    assert 0.90 <= hits / 200 <= 0.99


def test_joint_is_recovered():
    true = np.array([[40.0, 5, 5], [3, 25, 2], [1, 2, 17]])
    given = NOISE.T @ true
    assert corrected_joint(given, NOISE) == pytest.approx(true)
    few = np.array([[10.0, 0], [0, 1]])
    noise = [[0.9, 0.1], [0.3, 0.7]]
    assert corrected_joint(few, noise, clip=False).min() < 0
    clipped = corrected_joint(few, noise)
    assert clipped.min() >= 0
    assert clipped.sum() == pytest.approx(11)


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        ([[0.5, 0.5], [0.5, 0.5]], "'no' and class 'yes' carry nearly the same labels"),
        ([[0.52, 0.48], [0.49, 0.51]], "too noisy"),
        ([[0.9, 0.2], [0.1, 0.9]], "the sum is 1"),
        ([[1.1, -0.1], [0.0, 1.0]], "no negative"),
        ([[1.0, 0.0]], "one row and one column"),
    ],
)
def test_bad_noise_is_refused(noise, said):
    with pytest.raises(UserError, match=said):
        label_weights([0, 1], noise, classes=["no", "yes"])
