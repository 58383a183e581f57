"""What may go wrong: killed, interrupted, damaged files, a full disk, rows that are no numbers, too little memory."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from engine_toys import Numbers, lines, losses, net, weights
from torch.nn.functional import cross_entropy

from melior.engine import checkpoint
from melior.engine.checkpoint import Checkpoints
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.order import Order
from melior.engine.settings import Training
from melior.engine.state import Place
from melior.errors import UserError

PLAIN = Training(epochs=3, batch_rows=8, micro_batch=8, learning_rate=0.01, precision="float32", log_every=1,
                 checkpoint_every=4, non_finite="skip")  # fmt: skip
BAD = 19  # the row that is planted


class Planted(Numbers):
    """One row holds a value that is no number."""

    def __init__(self):
        super().__init__()
        self.x[BAD, 2] = float("nan")


def by_hand(leave_out, total=24, rate=0.01):
    """As PLAIN does, without the steps that hold these rows; the schedule goes on over them."""
    source, module, order = Numbers(), net(), Order(64, 8, 0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.0, foreach=False)
    for step in range(total):
        rows = order.step(step)
        if set(rows) & set(leave_out):
            continue
        optimizer.param_groups[0]["lr"] = rate * (1 - step / total)
        batch = source.batch(rows)
        optimizer.zero_grad()
        cross_entropy(module(**batch.inputs), batch.labels).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
    return weights(module)


@pytest.mark.parametrize("micro_batch", [8, 2])
@pytest.mark.parametrize("non_finite", ["skip", "lower"])
def test_a_row_that_is_no_number_costs_its_steps_and_nothing_else(non_finite, micro_batch, tmp_path):
    module = net()
    chosen = PLAIN.model_copy(update={"non_finite": non_finite, "micro_batch": micro_batch})
    trained = train(module, Planted(), class_loss, chosen, folder=tmp_path)
    torch.testing.assert_close(weights(module), by_hand({BAD}), rtol=0, atol=1e-6)
    said = [line["what"] for line in lines(trained, "event")]
    assert len(said) == 3  # once an epoch
    assert all(f"the loss is not finite for row {BAD};" in one for one in said)


def test_a_row_that_overflows_with_any_weights_is_left_out():
    """Its values are numbers, but their squares are not."""
    source = Numbers()
    source.x[BAD] = 1e25

    def squared(out, batch):
        return class_loss(out, batch)[0] + 0 * (batch.inputs["input"] ** 2).sum(), class_loss(out, batch)[1]

    module = net()
    trained = train(module, source, squared, PLAIN.model_copy(update={"non_finite": "lower"}))
    torch.testing.assert_close(weights(module), by_hand({BAD}), rtol=0, atol=1e-6)
    assert all(f"row {BAD};" in line["what"] for line in lines(trained, "event"))
    assert not any("times the rate" in line["what"] for line in lines(trained, "event"))


def test_a_row_that_is_no_number_stops_with_its_name(tmp_path):
    module = net()
    with pytest.raises(UserError, match=f"for row {BAD}"):
        train(module, Planted(), class_loss, PLAIN.model_copy(update={"non_finite": "stop"}), folder=tmp_path)
    assert weights(module).isfinite().all()
    assert Checkpoints(tmp_path / "checkpoints", "").there()


@pytest.mark.parametrize(("asked", "done"), [(2, {2}), (None, {4}), (8, {4})])
def test_a_training_that_goes_on_does_as_few_rows_at_once_as_are_asked_for_now(asked, done, tmp_path):
    """As the sentence about memory that ran out says; more than those of before are not tried again."""
    seen = []

    def loss(out, batch):
        seen.append(batch.rows)
        if len(seen) == 13:  # step 6 in pieces of 4, after the checkpoint of step 4
            raise KeyboardInterrupt
        return class_loss(out, batch)

    module = net()
    with pytest.raises(KeyboardInterrupt):
        train(module, Numbers(), loss, PLAIN.model_copy(update={"micro_batch": 4}), folder=tmp_path)
    before, module = len(seen), net()
    train(module, Numbers(), loss, PLAIN.model_copy(update={"micro_batch": asked}), folder=tmp_path)
    assert set(seen[before:]) == done
    torch.testing.assert_close(weights(module), by_hand({}), rtol=0, atol=1e-6)


def broken_gradient(broken):
    """A loss whose gradient, and nothing else, is no number, at the calls `broken` (counted from 0)."""
    calls = iter(range(10**6))

    def loss(out, batch):
        total, count = class_loss(out, batch)
        if out.requires_grad and next(calls) in broken:
            total = (
                total + (out.sum() * 0 + 1e-30).sqrt().detach() + torch.where(out > 1e9, 0.0, Breaks.apply(out)).sum()
            )
        return total, count

    return loss


class Breaks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, out):
        return out * 0

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


@pytest.mark.parametrize("on_disk", [True, False])
def test_lower_goes_back_to_the_last_good_state_at_half_the_rate(on_disk, tmp_path):
    """A gradient breaks once, at step 6: back to the checkpoint of step 4 (or to the first step), half the rate."""
    module = net()
    chosen = PLAIN.model_copy(update={"non_finite": "lower", "schedule": "constant", "epochs": 1})
    trained = train(module, Numbers(), broken_gradient({6}), chosen, folder=tmp_path if on_disk else None)
    good = 4  # after four steps it was remembered, on disk or in memory
    rates = [line["rate"] for line in lines(trained, "step")]
    np.testing.assert_allclose(rates, [0.01] * good + [0.005] * (8 - good))
    assert f"back to step {good}, at 0.5 times the rate" in lines(trained, "event")[0]["what"]
    other = net()
    source, order = Numbers(), Order(64, 8, 0)
    optimizer = torch.optim.AdamW(other.parameters(), lr=0.01, weight_decay=0.0, foreach=False)
    for step in range(8):
        optimizer.param_groups[0]["lr"] = 0.01 if step < good else 0.005
        batch = source.batch(order.step(step))
        optimizer.zero_grad()
        cross_entropy(other(**batch.inputs), batch.labels).backward()
        torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        optimizer.step()
    torch.testing.assert_close(weights(module), weights(other), rtol=0, atol=1e-6)


def test_a_gradient_that_is_always_broken_ends_with_a_sentence():
    for non_finite in ("lower", "skip"):
        chosen = PLAIN.model_copy(update={"non_finite": non_finite})
        with pytest.raises(UserError, match="gradient is not finite"):
            train(net(), Numbers(), broken_gradient(range(10**6)), chosen)


def test_diverging_training_is_saved_by_lower():
    """A steep loss with a rate far too high runs away until its weights overflow."""
    module = torch.nn.Linear(6, 3)

    def steep(out, batch):
        return out.pow(4).sum(), torch.tensor(float(batch.rows))

    chosen = PLAIN.model_copy(update={"learning_rate": 0.3, "optimizer": "sgd", "clip_norm": None, "epochs": 10,
                                      "non_finite": "lower", "schedule": "constant"})  # fmt: skip
    trained = train(module, Numbers(), steep, chosen)
    assert weights(module).isfinite().all()
    assert any("times the rate" in line["what"] for line in lines(trained, "event"))
    assert losses(trained)[-1] < losses(trained)[0]
    with pytest.raises(UserError, match="not finite"):
        train(torch.nn.Linear(6, 3), Numbers(), steep, chosen.model_copy(update={"non_finite": "stop"}))


def test_gaps_that_a_network_fills_are_not_blamed_for_weights_that_run_away():
    """Every fourth row has one. The rate is at fault, so it is lowered, and no row is named for its gap."""

    class Filling(torch.nn.Linear):
        def forward(self, input):
            return super().forward(torch.nan_to_num(input))

    def steep(out, batch):
        return out.pow(4).sum(), torch.tensor(float(batch.rows))

    source = Numbers()
    source.x[::4, 2] = float("nan")
    chosen = PLAIN.model_copy(update={"learning_rate": 0.3, "optimizer": "sgd", "clip_norm": None, "epochs": 10,
                                      "non_finite": "lower", "schedule": "constant"})  # fmt: skip
    torch.manual_seed(0)
    module = Filling(6, 3)
    trained = train(module, source, steep, chosen)
    assert weights(module).isfinite().all()
    events = [line for line in lines(trained, "event") if line["name"] == "non_finite"]
    assert any("times the rate" in line["what"] for line in events)
    assert not any(line["data"] for line in events)


@pytest.mark.parametrize("non_finite", ["lower", "skip"])
def test_weights_that_overflow_are_not_kept(non_finite, tmp_path):
    """The gradient is finite, the step is not."""
    steep = {"learning_rate": 1e30, "optimizer": "sgd", "clip_norm": None, "schedule": "constant"}
    chosen = PLAIN.model_copy(update={**steep, "checkpoint_every": 1, "non_finite": non_finite})
    with pytest.raises(UserError, match="a weight is not finite"):
        train(net(), Numbers(), lambda out, batch: (out.sum() * 1e15, torch.tensor(8.0)), chosen, folder=tmp_path)
    assert not Checkpoints(tmp_path / "checkpoints", "").there()


# ---- memory


class Hungry(torch.nn.Sequential):
    """Has memory for so many rows."""

    most = 3

    def forward(self, input):
        if len(input) > self.most and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(input)


def test_out_of_memory_halves_the_rows_at_once_and_changes_nothing_else():
    module, plain = Hungry(*net()), net()
    trained = train(module, Numbers(), class_loss, PLAIN)
    expected = train(plain, Numbers(), class_loss, PLAIN)
    np.testing.assert_allclose(losses(trained), losses(expected), rtol=0, atol=1e-6)
    torch.testing.assert_close(weights(module), weights(plain), rtol=0, atol=1e-6)
    said = [line["what"] for line in lines(trained, "event")]
    assert said == [f"out of memory: {rows} rows at once from here on" for rows in (4, 2)]


def test_out_of_memory_with_one_row_is_said():
    module = Hungry(*net())
    module.most = 0
    with pytest.raises(UserError, match="single row"):
        train(module, Numbers(), class_loss, PLAIN)


def test_other_errors_are_not_taken_for_it():
    def loss(out, batch):
        raise RuntimeError("another fault")

    with pytest.raises(RuntimeError, match="another fault"):
        train(net(), Numbers(), loss, PLAIN)


# ---- files


def damaged(path, how):
    shard = next(path.glob("*.safetensors"))
    content = shard.read_bytes()
    if how == "truncated":
        shard.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "gone":
        shard.unlink()
    else:
        (path / "state.json").write_text('{"files": {')


@pytest.mark.parametrize("how", ["truncated", "changed", "gone", "half a state"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(how, tmp_path):
    whole = net()
    expected = train(whole, Numbers(), class_loss, PLAIN)
    with pytest.raises(KeyboardInterrupt):
        train(net(), Numbers(), class_loss, PLAIN, folder=tmp_path, progress=Ends(14))
    before = Checkpoints(tmp_path / "checkpoints", "").there()
    assert [json.loads((path / "state.json").read_text())["place"]["step"] for path in before] == [8, 12]
    damaged(before[-1], how)
    module = net(seed=5)
    trained = train(module, Numbers(), class_loss, PLAIN, folder=tmp_path)
    assert any(before[-1].name in note and "damaged" in note for note in trained.notes)
    assert any("went on from step 8" in note for note in trained.notes)
    torch.testing.assert_close(weights(module), weights(whole), rtol=0, atol=0)
    np.testing.assert_array_equal(losses(trained), losses(expected))


class Ends:
    """Ends the training hard when its progress tells of a step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, stage, done, total, note=""):
        if done == self.step:
            raise KeyboardInterrupt


class Held:
    """What a checkpoint is made of, without a training."""

    own = ""

    def __init__(self, tensors):
        self.held = tensors

    def tensors(self):
        return self.held

    def wanted(self, name):
        return self.held[name]


def test_an_older_checkpoint_is_removed_only_after_the_newer_is_verified(tmp_path, monkeypatch):
    kept = Checkpoints(tmp_path, "x")
    tensors = {"module.w": torch.arange(5.0), "module.n": torch.tensor(3)}
    held = Held(tensors)
    for step in range(3):
        kept.write(held, Place(step=step))
    names = [path.name for path in kept.there()]
    assert names == ["000002", "000003"]
    found, place = kept.latest(held)
    assert place.step == 2
    assert torch.equal(found["module.w"], tensors["module.w"])
    assert found["module.n"].shape == ()
    monkeypatch.setattr(checkpoint, "_load", lambda *given: {"module.w": torch.zeros(5)})  # the disk lies
    with pytest.raises(OSError, match="not read back"):
        kept.write(held, Place(step=9))
    assert [path.name for path in tmp_path.iterdir()] in (names, names[::-1])


def test_a_full_disk_costs_no_step(tmp_path, monkeypatch):
    whole = net()
    train(whole, Numbers(), class_loss, PLAIN)
    save, times = checkpoint._save, iter(range(100))

    def full(tensors, folder, *group):
        if next(times) in (1, 2):
            (folder / "half.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(tensors, folder, *group)

    monkeypatch.setattr(checkpoint, "_save", full)
    module = net()
    trained = train(module, Numbers(), class_loss, PLAIN, folder=tmp_path)
    torch.testing.assert_close(weights(module), weights(whole), rtol=0, atol=0)
    said = [line["what"] for line in lines(trained, "event")]
    assert said == ["a checkpoint could not be written (No space left on device); the one before is kept"] * 2
    assert not list(tmp_path.rglob("*.aside"))
    monkeypatch.setattr(checkpoint, "_save", lambda *given: full_always())
    with pytest.raises(UserError, match="make room"):
        train(net(), Numbers(), class_loss, PLAIN.model_copy(update={"seed": 1}), folder=tmp_path / "other")


def full_always():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_in_a_checkpoint_is_pickled(tmp_path):
    train(net(), Numbers(), class_loss, PLAIN, folder=tmp_path)
    names = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {".safetensors", ".json", ".jsonl"}


# ---- killed and interrupted

SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from engine_toys import Numbers, net, weights
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.settings import Training

class Slow(Numbers):
    def batch(self, rows):
        time.sleep(0.05)
        return super().batch(rows)

module = net(dropout=0.2)
chosen = Training(steps=40, batch_rows=8, micro_batch=8, learning_rate=0.01, precision="float32", log_every=1,
                  checkpoint_every=3, average=0.9)
trained = train(module, Slow(), class_loss, chosen, folder=Path(sys.argv[1]),
                progress=lambda stage, done, total, note="": print(done, flush=True))
torch.set_printoptions(precision=10)
print(trained.stopped, trained.steps, float(weights(module).double().pow(2).sum()).hex())
"""


def start(folder):
    code = SLOW.format(tests=os.path.dirname(__file__))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


def until(process, step):
    for line in process.stdout:
        if line.strip() == str(step):
            return
    raise AssertionError("it ended before")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    said = start(tmp_path_factory.mktemp("whole")).communicate(timeout=120)[0]
    return said.splitlines()[-1]


def test_killed_and_gone_on_with_ends_the_same(undisturbed, tmp_path):
    process = start(tmp_path)
    until(process, 10)
    process.kill()
    process.wait()
    process = start(tmp_path)
    said = process.communicate(timeout=120)[0].splitlines()
    assert int(said[0]) == 10  # nothing before the checkpoint of step 9 is done again
    assert said[-1] == undisturbed


def test_ctrl_c_ends_cleanly_with_weights_that_can_be_used(undisturbed, tmp_path):
    process = start(tmp_path)
    until(process, 10)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == 0
    stopped, steps, _ = said[-1].split()
    assert stopped == "interrupted"
    assert 10 <= int(steps) < 40
    assert start(tmp_path).communicate(timeout=120)[0].splitlines()[-1] == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_that_comes_after_the_end_for_that_of_another_process_is_the_same_one(number):
    """Else a process that has ended for another is killed while it writes the run."""
    from melior.engine.surroundings import Interrupt

    heard = []
    before = {one: signal.signal(one, lambda *given: heard.append(given[0])) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Interrupt().watching() as interrupt:
            interrupt.elsewhere = True
        os.kill(os.getpid(), number)
        assert heard == []
        os.kill(os.getpid(), number)
        assert heard == [number]
        with Interrupt().watching() as interrupt:  # its own came in time
            os.kill(os.getpid(), number)
            interrupt.elsewhere = True
        os.kill(os.getpid(), number)
        assert heard == [number, number]
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_a_second_ctrl_c_ends_at_once():
    from melior.engine.surroundings import Interrupt

    interrupt, before = Interrupt(), signal.getsignal(signal.SIGINT)
    with interrupt.watching():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            interrupt(signal.SIGINT, None)
    assert signal.getsignal(signal.SIGINT) is before
