"""Checks of a training on real tiny trainings: healthy ones give no finding, planted faults do."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import trainings  # noqa: E402
from torch import nn  # noqa: E402
from trainings import HEALTHY, MORE_HEALTHY, Numbers, Residual, Texts, Transformer, healthy, mlp, record_of  # noqa: E402

from melior.checks._training import training_checks  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def found_in(record):
    """symptom -> message; what only tells how busy the machine is is left out: waiting, and timed batches."""
    found = [one for check in training_checks().values() for one in check().measure(record)]
    return {one.symptom: one.message for one in found if one.measured.get("cause") not in ("waiting", "small batches")}


@pytest.mark.parametrize("kind", HEALTHY)
def test_healthy(kind):
    assert found_in(healthy(kind, 0)) == {}


LONG = ("transformer", "norms before", "convolutions", "residual 10", "relu 20", "muon")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*HEALTHY, *MORE_HEALTHY])
def test_healthy_over_more_seeds(kind):
    """96 trainings, none of which may have a finding: 95 % would show a rate of 3 % of false ones. The networks that
    take most of the time have fewer of them."""
    seeds = range(1, 4 if kind in LONG else 7)
    assert [found for seed in seeds if (found := found_in(healthy(kind, seed)))] == []


PLANTED = {
    "deep sigmoid": ("vanishing_gradients", lambda: record_of(mlp(0, 6, 32, nn.Sigmoid, "none"), Numbers(), epochs=2)),
    "deep relu": ("vanishing_gradients", lambda: record_of(mlp(0, 20, init="none"), Numbers(), epochs=2)),
    "large weights": ("exploding_gradients", lambda: record_of(mlp(0, 6, gain=4.0), Numbers(), epochs=2)),
    "rate x 100": ("untuned", lambda: record_of(mlp(0), Numbers(), learning_rate=0.3, epochs=3)),
    "rate x 100, residual": ("untuned", lambda: record_of(Residual(0), Numbers(), learning_rate=0.2, epochs=3)),
    "rate / 1000": ("untuned", lambda: record_of(mlp(0), Numbers(), learning_rate=3e-6, epochs=3)),
    "rate / 1000, sgd": (
        "untuned", lambda: record_of(mlp(0), Numbers(), optimizer="sgd", learning_rate=5e-5, epochs=3)
    ),
    "mixed lengths": (
        "slow_training",
        lambda: record_of(
            Transformer(0, 1), Texts(256, shortest=2, longest=60), by_length=False, epochs=3, learning_rate=2e-3
        ),
    ),
    "thirty rows": (
        "overfitting",
        lambda: record_of(mlp(0), Numbers(30), Numbers(256, 1000), epochs=100, batch_rows=10, validate_every=10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_planted(fault):
    symptom, training = PLANTED[fault]
    assert symptom in found_in(training())


def test_too_low_and_too_high_are_told_apart():
    assert "too high" in found_in(PLANTED["rate x 100"][1]())["untuned"]
    assert "too low" in found_in(PLANTED["rate / 1000"][1]())["untuned"]


def test_a_sgd_that_breaks_is_found(tmp_path):
    record = record_of(
        mlp(0, 6, gain=4.0), Numbers(), folder=tmp_path, optimizer="sgd", learning_rate=0.05, clip_norm=None, epochs=2
    )
    assert "exploding_gradients" in found_in(record)


def test_a_source_that_sleeps_is_found():
    record = record_of(mlp(0, 2), Numbers(512, sleeps=0.05), epochs=4)
    found = [one for one in training_checks()["slow_training"]().measure(record) if one.measured["cause"] == "waiting"]
    assert found


def test_rows_of_like_length_together_are_not_slow():
    texts = Texts(256, shortest=2, longest=60)
    record = record_of(Transformer(0, 1), texts, epochs=1)
    assert "slow_training" not in found_in(record)
    assert record.start["padded"] == pytest.approx(record.start["padded_by_length"])


def test_units_that_died_are_found():
    module = mlp(0, 3)
    with torch.no_grad():
        module[2].bias -= 100
    assert "100%" in found_in(record_of(module, Numbers(), epochs=1))["vanishing_gradients"]


def test_planted_rows_are_what_they_should_be():
    """The toys: classes that are there, and texts of the lengths asked for."""
    assert set(Numbers().y) == set(range(trainings.CLASSES))
    texts = Texts(shortest=2, longest=60)
    assert (texts.lengths.min(), texts.lengths.max()) == (2, 60)
    assert np.isfinite(Numbers().x).all()
