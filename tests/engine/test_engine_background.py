"""Checkpoints that are written while training goes on hold what those hold that training waits for."""

import errno

import pytest
import torch
from engine_toys import Numbers, lines, net

from melior.engine import checkpoint
from melior.engine.average import Average
from melior.engine.checkpoint import Checkpoints, Held
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.optimizers import Optimizers
from melior.engine.parallel.local_steps import LocalSteps
from melior.engine.parallel.mesh import Mesh
from melior.engine.settings import Training
from melior.engine.state import Place, State

SETTINGS = Training(epochs=2, batch_rows=8, average=0.9, checkpoint_every=3)


@pytest.fixture
def state():
    module = net()
    optimizers, mesh = Optimizers(module, SETTINGS), Mesh()
    average = Average(module, 0.9)
    return State(module, optimizers, average, LocalSteps(module, average, mesh))


def test_what_is_written_is_the_state_when_it_was_begun(state, tmp_path):
    kept = Checkpoints(tmp_path, "x")
    before = {name: one.clone() for name, one in state.tensors().items()}
    kept.later(state, Place(step=7))
    with torch.no_grad():
        for one in state.weights().values():
            one += 1  # training goes on
    kept.wait()
    found, place = kept.latest(state)
    assert place.step == 7
    assert set(found) == set(before)
    assert all(torch.equal(found[name], before[name]) for name in before)


def test_what_is_held_meanwhile_lies_on_the_cpu(state, monkeypatch):
    class Elsewhere:
        def to(self, device, copy):
            return device if copy else None

    monkeypatch.setattr(State, "_named", lambda self: iter([("module.weight", Elsewhere())]))
    held = Held(state)
    assert held.tensors() == {"module.weight": "cpu"}
    assert held.wanted("module.weight") == "cpu"  # and what was written is read back there


def test_a_fault_is_told_at_the_next_checkpoint(state, tmp_path, monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = Checkpoints(tmp_path, "x")
    kept.write(state, Place(step=1))
    monkeypatch.setattr(checkpoint, "_save", full)
    kept.later(state, Place(step=2))
    with pytest.raises(OSError, match="No space left"):
        kept.wait()
    kept.wait()  # told once
    assert kept.latest(state)[1].step == 1


def test_one_is_finished_before_the_next_begins(state, tmp_path):
    kept = Checkpoints(tmp_path, "x")
    for step in range(5):
        kept.later(state, Place(step=step))
    kept.wait()
    assert [path.name for path in kept.there()] == ["000004", "000005"]
    assert kept.latest(state)[1].step == 4


def test_without_ranks_nothing_is_written_beside(tmp_path):
    trained = train(net(), Numbers(), class_loss, SETTINGS, folder=tmp_path)
    assert trained.stopped == "finished"
    assert not lines(trained, "event")
