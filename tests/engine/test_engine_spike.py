"""A step whose loss is a spike lowers the rate, once, and only where that is asked for."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from melior.engine.lessons import Lesson, Moment
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.engine.state import Place
from melior.features._base import Matrix
from melior.networks.sources import MatrixRows

STEPS, AT = 60, 30


class Wrong(Lesson):
    """All labels of one step, and of the one after it, are wrong."""

    told = "wrong"

    def batch(self, batch: Batch, moment: Moment) -> Batch:
        if moment.step in (AT, AT + 1):
            batch.labels[:] = 1 - batch.labels
        return batch


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 2)

    def forward(self, values):
        return self.line(values)


def rows() -> MatrixRows:
    values = np.random.default_rng(0).normal(size=(200, 3))
    return MatrixRows(Matrix(values, list("abc"), list("abc")), (values[:, 0] > 0).astype(int))


def trained(lessons, folder=None, **changes):
    torch.manual_seed(0)
    usual = {"batch_rows": 20, "steps": STEPS, "learning_rate": 0.1, "schedule": "constant", "log_every": 1}
    settings = Training(**{**usual, "device": "cpu", **changes})
    return train(Net(), rows(), class_loss, settings, lessons=lessons, folder=folder)


def rates(found):
    return [line["rate"] for line in found.history if line["kind"] == "step"]


def spikes(found):
    return [line for line in found.history if line["kind"] == "event" and line["name"] == "spike"]


def test_the_rate_is_halved_from_the_spike_on():
    found = trained([Wrong()], spike=2.0)
    assert np.allclose(rates(found)[:AT], 0.1)
    assert np.allclose(rates(found)[AT:], 0.05), "and not again at the step after it"
    (event,) = spikes(found)
    assert event["rate"] == 0.5
    assert f"step {AT}" in event["what"]


def test_nothing_is_cut_without_a_spike_or_without_being_asked():
    assert not spikes(trained([], spike=2.0))
    quiet = trained([Wrong()])
    assert not spikes(quiet)
    assert np.allclose(rates(quiet), 0.1)


def test_the_first_steps_are_no_measure():
    place = Place()
    for step, loss in enumerate([1.0] * 9):
        place.step = step
        assert not place.spiked(100.0, 2.0)
        place.lost(loss)
    place.step = 10
    assert place.spiked(2.1, 2.0)
    assert not place.spiked(1.9, 2.0)
    assert not place.spiked(2.1, 0.0)
    place.cut_at = 10
    place.step = 19
    assert not place.spiked(100.0, 2.0)
    place.step = 20
    assert place.spiked(100.0, 2.0)


def test_a_threshold_below_the_usual_is_refused():
    with pytest.raises(ValidationError, match="above 1"):
        Training(spike=0.5)
