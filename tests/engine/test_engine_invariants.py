"""Configurations that must follow the same trajectory do: accumulated, padded, by length, resumed, by hand."""

import numpy as np
import pytest
import torch
from engine_toys import Numbers, Reader, Texts, lines, losses, net, weights
from torch.nn.functional import cross_entropy

from melior.engine.loop import train
from melior.engine.losses import class_loss, token_loss
from melior.engine.order import Order
from melior.engine.settings import Training
from melior.errors import UserError

CLOSE = {"rtol": 0, "atol": 1e-6}
PLAIN = Training(
    epochs=3, batch_rows=8, micro_batch=8, learning_rate=0.003, schedule="cosine", warmup=3, weight_decay=0.01,
    precision="float32", log_every=1, by_length=False, checkpoint_every=0,
)  # fmt: skip


def run(source, module, loss, **changes):
    trained = train(module, source, loss, PLAIN.model_copy(update=changes))
    return losses(trained), weights(module)


def alike(one, other):
    np.testing.assert_allclose(one[0], other[0], **CLOSE)
    torch.testing.assert_close(one[1], other[1], **CLOSE)
    residuals = one[0] - other[0]
    assert abs(residuals.mean()) <= max(1e-7, 3 * residuals.std() / np.sqrt(len(residuals)))  # no drift


def by_hand(source, module, loss_of, counts, total):
    """The plainest loop of torch that does what PLAIN says; only the rows of a step come from the engine."""
    order = Order(len(source), 8, 0)
    decayed = [one for one in module.parameters() if one.ndim >= 2]
    plain = [one for one in module.parameters() if one.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=0.003, foreach=False
    )
    found = []
    for step in range(total):
        batch = source.batch(order.step(step))
        rate = (step + 1) / 3 if step < 3 else (1 + np.cos(np.pi * (step - 3) / (total - 3))) / 2
        for group in optimizer.param_groups:
            group["lr"] = 0.003 * rate
        optimizer.zero_grad()
        loss = loss_of(module(**batch.inputs), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return np.array(found), weights(module)


def test_as_a_loop_by_hand():
    expected = by_hand(Numbers(), net(), lambda out, batch: cross_entropy(out, batch.labels), None, 24)
    alike(run(Numbers(), net(), class_loss), expected)


def test_weighted_rows_as_by_hand_with_any_micro_batch():
    source = Numbers(weighted=True)

    def mean(out, batch):
        return (cross_entropy(out, batch.labels, reduction="none") * batch.weights).sum() / batch.weights.sum()

    expected = by_hand(source, net(), mean, None, 24)
    for micro_batch in (8, 4, 3, 1):
        alike(run(source, net(), class_loss, micro_batch=micro_batch), expected)


def test_tokens_as_by_hand_with_any_micro_batch():
    """The mean over all target tokens of the step, which is not the mean of the means of its micro-batches."""
    source = Texts(next_token=True)

    def mean(out, batch):
        return cross_entropy(out[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=-100)

    expected = by_hand(source, Reader(next_token=True), mean, None, 24)
    for micro_batch in (8, 4, 3):
        alike(run(source, Reader(next_token=True), token_loss, micro_batch=micro_batch), expected)


def test_mean_of_means_is_another_trajectory():
    """What the tests above would not see if counts were all alike."""
    source, module = Texts(next_token=True), Reader(next_token=True)
    batch = source.batch(np.arange(8))
    parts = [source.batch(np.arange(start, start + 4)) for start in (0, 4)]
    whole = [one.item() for one in token_loss(module(**batch.inputs), batch)]
    halves = [[one.item() for one in token_loss(module(**part.inputs), part)] for part in parts]
    assert abs(sum(total / count for total, count in halves) / 2 - whole[0] / whole[1]) > 1e-3


@pytest.mark.parametrize("micro_batch", [8, 4, 3, 1])
def test_accumulated(micro_batch):
    alike(run(Numbers(), net(), class_loss, micro_batch=micro_batch), run(Numbers(), net(), class_loss))


@pytest.mark.parametrize("micro_batch", [8, 4, 2])
def test_by_length_with_the_same_rows_a_step(micro_batch):
    padded = run(Texts(), Reader(), class_loss)
    alike(run(Texts(), Reader(), class_loss, by_length=True, same_rows=True, micro_batch=micro_batch), padded)


def test_one_row_at_a_time_needs_no_padding_and_changes_nothing():
    alike(run(Texts(), Reader(), class_loss, micro_batch=1), run(Texts(), Reader(), class_loss))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor", "muon"])
def test_resumed_at_any_step(tmp_path, dropout, optimizer):
    """Stopped after each step in turn and gone on with, in a module with other weights: the same to the last bit."""
    settings = PLAIN.model_copy(update={"optimizer": optimizer, "average": 0.9, "checkpoint_every": 1, "epochs": 1})
    whole = net(dropout=dropout)
    expected = train(whole, Numbers(), class_loss, settings)
    for stop in (1, 4, 7) if dropout else range(1, 8):
        folder = tmp_path / str(stop)
        stopper = StopsAt(Numbers(), stop)
        with pytest.raises(Stopped):
            train(net(dropout=dropout), stopper, class_loss, settings, folder=folder)
        other = net(seed=7, dropout=dropout)
        trained = train(other, Numbers(), class_loss, settings, folder=folder)
        assert any("went on from step" in note for note in trained.notes)
        np.testing.assert_array_equal(losses(trained), losses(expected))
        torch.testing.assert_close(weights(other), weights(whole), rtol=0, atol=0)


def test_another_measurement_of_the_hardware_changes_nothing(tmp_path, monkeypatch):
    """What is measured of the processor says bfloat16 when the training begins, and float32 when it goes on."""
    from melior.engine import device

    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(device, "WIDE", 1)
    settings = PLAIN.model_copy(update={"precision": "auto", "device": "cpu", "checkpoint_every": 1, "epochs": 1})

    def trained(folder, source, ratio):
        monkeypatch.setattr(device, "float32_over_bfloat16", lambda: ratio)
        module = net()
        return train(module, source, class_loss, settings, folder=folder), weights(module)

    expected = trained(None, Numbers(), 2.0)
    with pytest.raises(Stopped):
        trained(tmp_path, StopsAt(Numbers(), 4), 2.0)
    found = trained(tmp_path, Numbers(), 1.0)
    assert any("bfloat16 on the CPU: this training began in it" in note for note in found[0].notes)
    np.testing.assert_array_equal(losses(found[0]), losses(expected[0]))
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=0)


def test_lines_that_sum_over_several_steps_go_on_exactly(tmp_path):
    settings = PLAIN.model_copy(update={"checkpoint_every": 3, "log_every": 5})
    expected = train(net(), Numbers(), class_loss, settings)
    with pytest.raises(Stopped):
        train(net(), StopsAt(Numbers(), 8), class_loss, settings, folder=tmp_path)
    trained = train(net(), Numbers(), class_loss, settings, folder=tmp_path)
    for one, other in zip(lines(trained, "step"), lines(expected, "step"), strict=True):
        assert {name: one[name] for name in EXACT} == {name: other[name] for name in EXACT}


EXACT = ("step", "loss", "norm", "rate", "padding")


class Stopped(Exception):
    pass


class StopsAt(Numbers):
    """Raises when the batch of a step is asked for: the training dies there."""

    def __init__(self, inner, step):
        vars(self).update(vars(inner))
        self.left = step

    def batch(self, rows):
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return super().batch(rows)


def test_a_finished_training_is_not_done_again(tmp_path):
    first, second = net(), net(seed=3)
    settings = PLAIN.model_copy(update={"average": 0.8})
    one = train(first, Numbers(), class_loss, settings, folder=tmp_path)
    other = train(
        second, StopsAt(Numbers(), 0), class_loss, settings.model_copy(update={"micro_batch": 8}), folder=tmp_path
    )
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)
    assert losses(one).tolist() == losses(other).tolist()


def test_another_training_in_the_folder_is_refused(tmp_path):
    train(net(), Numbers(), class_loss, PLAIN, folder=tmp_path)
    with pytest.raises(UserError, match="another folder"):
        train(net(), Numbers(), class_loss, PLAIN.model_copy(update={"learning_rate": 0.1}), folder=tmp_path)


def test_the_seed_decides(tmp_path):
    one, same, other = (run(Numbers(), net(dropout=0.2), class_loss, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one[0], same[0])
    assert not np.array_equal(one[0], other[0])


def test_nothing_outside_is_changed():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    run(Numbers(), net(), class_loss, threads=2)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()


def test_recomputed_blocks_change_nothing():
    class Deep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.blocks = torch.nn.ModuleList(
                torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Dropout(0.2)) for _ in range(3)
            )
            self.out = torch.nn.Linear(6, 3)

        def forward(self, input):
            for block in self.blocks:
                input = torch.tanh(block(input))
            return self.out(input)

    alike(run(Numbers(), Deep(), class_loss, activation_checkpointing=True), run(Numbers(), Deep(), class_loss))
    with pytest.raises(UserError, match="no repeated blocks"):
        run(Numbers(), torch.nn.Linear(6, 3), class_loss, activation_checkpointing=True)
