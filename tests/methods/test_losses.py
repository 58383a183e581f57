"""Losses for unequal classes and wrong labels, against their formulas in numpy and float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from melior.engine.problem import Batch  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.methods.noise_correction import among, seen_logits, steadied, unbiased_loss  # noqa: E402
from melior.methods.robust_loss import (  # noqa: E402
    RobustLoss,
    bootstrapped_cross_entropy,
    generalized_cross_entropy,
    huberised_cross_entropy,
    smoothed_cross_entropy,
    symmetric_cross_entropy,
)
from melior.methods.weighted_loss import (  # noqa: E402
    WeightedLoss,
    adjusted_logits,
    class_balanced_weights,
    focal_loss,
)
from melior.networks.teaching import Known, loss_of, row_loss  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.testing import tables  # noqa: E402
from melior.trials.fit import fit  # noqa: E402

ROWS, CLASSES = 40, 4
RANDOM = np.random.default_rng(0)
LOGITS = 2 * RANDOM.normal(size=(ROWS, CLASSES))
LABELS = RANDOM.integers(0, CLASSES, ROWS)
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
OWN = P[np.arange(ROWS), LABELS]
ONE_HOT = np.eye(CLASSES)[LABELS]
MATRIX = 0.7 * np.eye(CLASSES) + 0.3 * RANDOM.dirichlet(np.ones(CLASSES), CLASSES)


def of(function, *settings, labels=LABELS):
    return function(torch.tensor(LOGITS), torch.tensor(labels), *settings).numpy()


@pytest.mark.parametrize(
    ("function", "settings", "expected"),
    [
        (focal_loss, (2.0,), -((1 - OWN) ** 2) * np.log(OWN)),
        (focal_loss, (0.0,), -np.log(OWN)),
        (generalized_cross_entropy, (0.7,), (1 - OWN**0.7) / 0.7),
        (generalized_cross_entropy, (1.0,), 1 - OWN),
        (generalized_cross_entropy, (1e-7,), -np.log(OWN)),
        (symmetric_cross_entropy, (0.1, 1.0), -0.1 * np.log(OWN) + 4 * (1 - OWN)),
        (smoothed_cross_entropy, (0.3,), -((0.7 * ONE_HOT + 0.3 / CLASSES) * np.log(P)).sum(axis=1)),
        (bootstrapped_cross_entropy, (0.8,), -0.8 * np.log(OWN) - 0.2 * np.log(P.max(axis=1))),
        (huberised_cross_entropy, (3.0,), np.where(OWN > 1 / 3, -np.log(OWN), -3 * OWN + np.log(3) + 1)),
    ],
)
def test_a_loss_is_its_formula(function, settings, expected):
    np.testing.assert_allclose(of(function, *settings), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        (focal_loss, (2.0,)),
        (generalized_cross_entropy, (0.7,)),
        (smoothed_cross_entropy, (0.2,)),
        (bootstrapped_cross_entropy, (0.8,)),
        (huberised_cross_entropy, (3.0,)),
    ],
)
def test_shares_of_labels_give_the_mean_of_the_losses(function, settings):
    other = (LABELS + 1) % CLASSES
    shares = 0.3 * np.eye(CLASSES)[other] + 0.7 * ONE_HOT
    mean = 0.7 * of(function, *settings) + 0.3 * of(function, *settings, labels=other)
    np.testing.assert_allclose(of(function, *settings, labels=shares), mean, rtol=1e-6)


def test_no_row_can_pull_far_on_a_robust_loss():
    """The gradient of a row that is hard to believe: cross-entropy's is 1, theirs is nearly none or bounded."""
    logits = torch.tensor([[12.0, 0.0]], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([1])

    def pull(loss):
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        return float(gradient.abs().max())

    assert pull(row_loss(logits, label)) > 0.99
    assert pull(generalized_cross_entropy(logits, label, 0.7)) < 0.01
    assert pull(huberised_cross_entropy(logits, label, 10.0)) < 0.01
    assert pull(symmetric_cross_entropy(logits, label, 0.1, 1.0)) < 0.11


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 10.0])
def test_a_row_that_is_surely_right_or_wrong_has_a_slope(gamma):
    """By the chain rule in p: d/dp of -(1 - p)^gamma log p, which is 0 for p = 1 and -1 / p towards 0."""
    margins = np.array([-40.0, -5.0, 0.0, 5.0, 12.0, 40.0])
    logits = torch.tensor(np.column_stack([margins, np.zeros(6)]).astype(np.float32), requires_grad=True)
    (slope,) = torch.autograd.grad(focal_loss(logits, torch.zeros(6, dtype=torch.long), gamma).sum(), logits)
    q = 1 / (1 + np.exp(margins))  # 1 - p, in float64 without cancellation
    p = 1 / (1 + np.exp(-margins))
    expected = gamma * q**gamma * p * np.log(p) - q ** (gamma + 1)  # dp / d margin = p (1 - p)
    np.testing.assert_allclose(slope[:, 0].numpy(), expected, rtol=2e-3, atol=1e-6)


def test_balanced_weights_follow_the_effective_number():
    counts = np.array([1000.0, 100.0, 10.0, 0.0])
    for beta in (0.0, 0.9, 0.999):
        raw = (1 - beta) / (1 - beta ** counts[:3])
        expected = np.append(raw * counts.sum() / (raw @ counts[:3]), 0.0)
        found = class_balanced_weights(torch.tensor(counts), beta).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert found @ counts == pytest.approx(counts.sum())
    np.testing.assert_allclose(class_balanced_weights(torch.tensor(counts[:3]), 0.0).numpy(), 1.0)


def test_adjusted_logits_have_the_right_minimum():
    """The logits that are best with the adjustment are those of balanced classes: found by Bayes' rule in numpy."""
    shares = np.array([0.7, 0.2, 0.1])
    likelihood = np.array([0.1, 0.3, 0.9])  # P(x | class) of one x
    given = shares * likelihood / (shares @ likelihood)
    balanced = likelihood / likelihood.sum()
    adjusted = adjusted_logits(torch.log(torch.tensor(balanced))[None], torch.tensor(1000 * shares), 1.0)
    np.testing.assert_allclose(torch.softmax(adjusted, 1).numpy()[0], given, rtol=1e-6)


def test_the_hooks_use_the_formulas():
    known = Known(torch.tensor([30.0, 6.0, 3.0, 1.0]), 40, False, 0)
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    balanced = WeightedLoss(kind="class_balanced", beta=0.9).loss(row_loss, known)(logits, labels)
    weights = class_balanced_weights(known.counts, 0.9).numpy()
    np.testing.assert_allclose(balanced.numpy(), -weights[LABELS] * np.log(OWN), rtol=1e-5)
    same = WeightedLoss(kind="class_balanced", beta=0.9).loss(row_loss, known)(logits, torch.tensor(ONE_HOT))
    np.testing.assert_allclose(same.numpy(), balanced.numpy(), rtol=1e-5)
    usual = row_loss(logits, labels).numpy()
    np.testing.assert_allclose(WeightedLoss(gamma=0).loss(row_loss, known)(logits, labels).numpy(), usual)
    np.testing.assert_allclose(RobustLoss(kind="bootstrapped", trust=1).loss(row_loss, known)(logits, labels), usual)
    adjusted = WeightedLoss(kind="logit_adjusted", tau=0).loss(row_loss, known)(logits, labels)
    np.testing.assert_allclose(adjusted.numpy(), usual)


def test_forward_correction_is_the_loss_of_what_is_seen():
    seen = seen_logits(torch.tensor(LOGITS), torch.tensor(MATRIX))
    np.testing.assert_allclose(torch.softmax(seen, 1).numpy(), P @ MATRIX, rtol=1e-6)


def test_backward_correction_is_right_on_average():
    """Over the noise its mean is the loss of the true class, whatever the network says (theorem 1)."""
    inverse = torch.tensor(np.linalg.inv(MATRIX))
    each = np.column_stack(
        [of(unbiased_loss, inverse, labels=np.full(ROWS, given)) for given in range(CLASSES)]
    )  # (rows, given)
    np.testing.assert_allclose(each @ MATRIX.T, -np.log(P), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(of(unbiased_loss, inverse, labels=MATRIX[LABELS]), -np.log(OWN), rtol=1e-6)


def test_a_matrix_is_steadied_only_as_far_as_it_must():
    np.testing.assert_allclose(steadied(MATRIX, 1e6), MATRIX)
    nearly = np.array([[0.5, 0.5], [0.49, 0.51]])
    found = steadied(nearly, 10.0)
    assert np.linalg.cond(nearly) > 90
    assert 8 < np.linalg.cond(found) <= 10
    np.testing.assert_allclose(found.sum(axis=1), 1)
    part = among(MATRIX, np.array([0, 2]))
    np.testing.assert_allclose(part.sum(axis=1), 1)
    assert part[0, 1] / part[0, 0] == pytest.approx(MATRIX[0, 2] / MATRIX[0, 0])


@pytest.mark.parametrize(
    "others", [["weighted_loss"], [{"noise_correction": {"kind": "backward"}}], ["weighted_loss", "robust_loss"]]
)
def test_two_losses_are_refused(others):
    methods = [*others, *([] if "robust_loss" in others else ["robust_loss"])]
    recipe = Recipe.checked({"model": "tabular_network", "methods": methods, "metric": "macro_f1"})
    with pytest.raises(UserError, match="each set the loss"):
        fit(recipe, tables.number_table(200))


def test_what_weighs_a_loss_weighs_the_one_that_is_set():
    """Whatever their order, a loss of its own is what the others change."""
    logits, labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])
    known = Known(torch.tensor([50.0, 5.0, 1.0]), 56, False, 0)
    methods = [WeightedLoss(kind="class_balanced"), RobustLoss()]
    batch = Batch({"logits": logits}, labels, None, 6, 6)
    wanted = class_balanced_weights(known.counts, 0.999)[labels] * generalized_cross_entropy(logits, labels, 0.7)
    for acting in (methods, methods[::-1]):
        total, count = loss_of(acting, known)(logits, batch)
        assert total.item() == pytest.approx(float(wanted.sum()), rel=1e-5)
        assert count.item() == 6
