"""What surrounds the steps of the engine: order, prefetching, losses, memory, norms, outputs, history."""

import threading

import numpy as np
import pytest
import torch
from engine_toys import Numbers, Reader, Texts, lines, net
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from melior.engine import device
from melior.engine.average import Average
from melior.engine.loop import train
from melior.engine.losses import class_loss, multi_label_loss, token_loss
from melior.engine.memory import saved_bytes
from melior.engine.norms import Layers, measured
from melior.engine.order import Order, parts
from melior.engine.outputs import outputs, scores
from melior.engine.parallel.mesh import Mesh
from melior.engine.precision import Precision, agreed
from melior.engine.prefetch import Prefetch
from melior.engine.problem import Batch
from melior.engine.rate_range import rate_range, suggestion
from melior.engine.settings import Training
from melior.engine.state import frozen
from melior.engine.surroundings import seed_step
from melior.errors import UserError

# ---- order and prefetching


@given(st.integers(1, 300), st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_an_epoch_holds_every_row_once(rows, batch_rows, by_length, same_rows, seed):
    lengths = np.random.default_rng(seed).integers(1, 50, rows) if by_length else None
    order = Order(rows, batch_rows, seed, lengths, same_rows)
    again = Order(rows, batch_rows, seed, lengths, same_rows)
    for epoch in (0, 1):
        steps = [order.step(epoch * order.steps_per_epoch + place) for place in range(order.steps_per_epoch)]
        assert sorted(np.concatenate(steps)) == list(range(rows))
        assert max(map(len, steps)) <= batch_rows
        assert max(map(len, steps)) - min(map(len, steps)) <= 1
    last = again.step(2 * order.steps_per_epoch - 1)  # asked for alone, as after a restart
    np.testing.assert_array_equal(last, steps[-1])
    if same_rows:
        np.testing.assert_array_equal(last, Order(rows, batch_rows, seed).step(2 * order.steps_per_epoch - 1))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_parts_of_all_ranks_are_the_step(rows, micro_batch, ranks, by_length):
    numbers = np.random.default_rng(0).permutation(100)[:rows]
    lengths = np.arange(100) % 7 if by_length else None
    cut = [parts(numbers, lengths, micro_batch, rank, ranks) for rank in range(ranks)]
    assert len({len(one) for one in cut}) == 1  # as many micro-batches on each rank
    assert sorted(np.concatenate([piece for one in cut for piece in one])) == sorted(numbers)
    assert max(len(piece) for one in cut for piece in one) <= micro_batch


def test_by_length_pads_less_and_still_mixes():
    source = Texts(rows=400)
    pads = {}
    for by_length in (False, True):
        order = Order(400, 16, 0, source.lengths if by_length else None)
        pads[by_length] = sum(source.batch(order.step(step)).padding for step in range(order.steps_per_epoch))
    assert pads[True] < 0.25 * pads[False]
    order = Order(400, 16, 0, source.lengths)
    mean = [source.lengths[order.step(step)].mean() for step in range(25)]
    assert np.abs(np.corrcoef(np.arange(25), mean)[0, 1]) < 0.6  # long and short steps in no order
    first, second = ({tuple(sorted(order.step(e * 25 + place))) for place in range(25)} for e in (0, 1))
    assert not first & second


@pytest.mark.parametrize(("named", "seeded"), [("cuda", 1), ("cuda:0", 0), ("cpu", None)])
def test_dropout_is_seeded_on_the_gpu_that_computes(named, seeded, monkeypatch):
    gpus = [torch.Generator().manual_seed(7) for _ in range(2)]
    monkeypatch.setattr(torch.cuda, "default_generators", gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    before = torch.get_rng_state()
    try:
        seed_step(3, 4, torch.device(named))
        drawn = torch.initial_seed()
    finally:
        torch.set_rng_state(before)
    assert [one.initial_seed() for one in gpus] == [drawn if place == seeded else 7 for place in range(2)]


def test_frozen_weights_are_told_apart_and_are_the_same_on_any_number_of_threads():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2000, 2000), nn.Linear(2, 2)).requires_grad_(False)
    found = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        found.append(frozen(module))
    assert found == [found[0]] * 4
    assert list(found[0]) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    module[0].weight[3, 4].neg_()
    assert {name for name, one in frozen(module).items() if one != found[0][name]} == {"0.weight"}


@pytest.mark.parametrize("ahead", [0, 2])
def test_prefetching_keeps_order_passes_errors_on_and_ends(ahead):
    threads = threading.active_count()
    with Prefetch(range(20), lambda number: number**2, ahead) as found:
        assert list(found) == [number**2 for number in range(20)]
    with Prefetch(range(20), lambda number: 1 // (3 - number), ahead) as found, pytest.raises(ZeroDivisionError):
        list(found)
    with Prefetch(iter(range(10**9)), lambda number: number, ahead) as found:
        for number in found:
            if number == 5:
                break
    assert threading.active_count() == threads


# ---- losses, average, precision, memory


def test_losses_are_sums_with_counts():
    torch.manual_seed(0)
    logits, labels, weights_ = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0]), torch.rand(5)
    batch = Batch({}, labels, weights_, 5, 5)
    total, count = class_loss(logits, batch)
    expected = -(torch.log_softmax(logits, 1)[torch.arange(5), labels] * weights_).sum()
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(count, weights_.sum())
    soft = Batch({}, torch.softmax(torch.randn(5, 3), 1), None, 5, 5)
    total, count = class_loss(logits, soft)
    torch.testing.assert_close(total, -(torch.log_softmax(logits, 1) * soft.labels).sum())
    assert count == 5
    many = Batch({}, (torch.randn(5, 3) > 0).long(), None, 5, 5)
    chance = torch.sigmoid(logits)
    right = torch.where(many.labels == 1, chance, 1 - chance)
    torch.testing.assert_close(multi_label_loss(logits, many)[0], -right.log().sum())


def test_token_loss_predicts_the_next():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 5)
    labels = torch.tensor([[1, 2, 3, -100], [-100, -100, 4, 0]])
    total, count = token_loss(logits, Batch({}, labels, None, 2, 7))
    chance = torch.log_softmax(logits, -1)
    expected = -(chance[0, 0, 2] + chance[0, 1, 3] + chance[1, 1, 4] + chance[1, 2, 0])
    torch.testing.assert_close(total, expected)
    assert count == 4


def test_average_by_formula():
    module = nn.Linear(2, 1)
    average = Average(module, 0.6)
    expected = module.weight.detach().clone()
    live = expected
    for step in range(12):
        with torch.no_grad():
            module.weight += 1
        live = module.weight.detach().clone()
        kept = min(0.6, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * live
        average.update(step)
    torch.testing.assert_close(average.weights["weight"], expected)
    with average.swapped():
        torch.testing.assert_close(module.weight.detach(), expected)
    torch.testing.assert_close(module.weight.detach(), live)


def test_precision_is_chosen_by_what_the_processor_has(monkeypatch):
    chosen = Training(device="cpu")
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"avx2"}))
    found = device.choose(chosen)
    assert found.dtype == torch.float32
    assert "no matrix units" in found.said
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"amx_bf16"}))
    for ratio, dtype in ((3.0, torch.bfloat16), (1.05, torch.float32)):
        monkeypatch.setattr(device, "float32_over_bfloat16", lambda ratio=ratio: ratio)
        found = device.choose(chosen)
        assert found.dtype == dtype
        assert f"{ratio:.1f} times" in found.said
    assert device.choose(Training(device="cpu", precision="bfloat16")).dtype == torch.bfloat16
    with pytest.raises(UserError, match="float16 is for GPUs"):
        device.choose(Training(device="cpu", precision="float16"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no GPU"):
        device.choose(Training(device="cuda"))


def test_narrow_networks_and_convolutions_stay_in_float32_on_a_processor(monkeypatch):
    """The casts cost more than the units give; what the width is follows from the shapes alone."""
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(device, "float32_over_bfloat16", lambda: 3.0)
    chosen = Training(device="cpu")
    wide = nn.Sequential(nn.Embedding(5000, 8), nn.Linear(512, 600), nn.Linear(600, 4))
    assert device.typical_width(wide) == 512
    assert device.choose(chosen, wide).dtype == torch.bfloat16
    for narrow, said in (
        (nn.Sequential(nn.Embedding(5000, 512), nn.Linear(512, 64)), "64 wide"),
        (nn.Sequential(nn.Conv2d(512, 512, 3), nn.Linear(512, 512)), "convolutions"),
        (nn.Embedding(9, 512), "convolutions or sums"),
    ):
        found = device.choose(chosen, narrow)
        assert found.dtype == torch.float32
        assert said in found.said
        assert device.choose(Training(device="cpu", precision="bfloat16"), narrow).dtype == torch.bfloat16


def test_experts_in_one_weight_are_matrices():
    class Experts(nn.Module):
        def __init__(self, wide):
            super().__init__()
            self.gate_up_proj = nn.Parameter(torch.zeros(4, 2 * wide, wide))

    assert device.typical_width(nn.Sequential(Experts(512), nn.Linear(64, 64))) == 512
    assert device.typical_width(nn.Sequential(nn.Conv1d(512, 512, 3), nn.ConvTranspose1d(512, 512, 3))) == 0


def test_a_training_that_goes_on_stays_in_its_precision(monkeypatch):
    chosen = Training(device="cpu")
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"amx_bf16"}))
    for began, ratio in (("bfloat16", 1.05), ("float32", 3.0)):  # what is measured now would say the other
        monkeypatch.setattr(device, "float32_over_bfloat16", lambda ratio=ratio: ratio)
        found = device.choose(chosen, None, began)
        assert (found.dtype, found.said) == (getattr(torch, began), f"{began} on the CPU: this training began in it")
    monkeypatch.setattr(device, "processor_flags", lambda: frozenset({"avx2"}))
    for began in ("bfloat16", "float16"):  # what this processor cannot
        found = device.choose(chosen, None, began)
        assert found.dtype == torch.float32
        assert f"began in {began}, so it goes on a little differently" in found.said
    asked = device.choose(Training(device="cpu", precision="bfloat16"), None, "float32")
    assert asked.dtype == torch.bfloat16
    assert "as asked for; this training began in float32" in asked.said


def test_ranks_on_unlike_hardware_take_float32():
    class Other(Mesh):
        def most(self, value, axis=""):
            return max(value, torch.finfo(other).eps)

        def least(self, value):
            return min(value, torch.finfo(other).eps)

    for mine, other, same in (
        (torch.bfloat16, torch.bfloat16, torch.bfloat16),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.float32, torch.bfloat16, torch.float32),
    ):
        found = agreed(device.Device(torch.device("cpu"), mine, "mine"), Other())
        assert found.dtype == same
        assert (found.said == "mine") == (mine == other)


def test_bfloat16_learns_too():
    trained = train(net(), Numbers(), class_loss, Training(epochs=30, batch_rows=16, learning_rate=0.01, log_every=1,
                                                           precision="bfloat16", checkpoint_every=0))  # fmt: skip
    found = [line["loss"] for line in lines(trained, "step")]
    assert found[-1] < 0.5 * found[0]


def test_scale_of_float16():
    half = Precision.of(device.Device(torch.device("cpu"), torch.float16, ""))
    assert half.scale == 2**16
    assert half.overflowed()
    assert half.scale == 2**15
    for _ in range(2000):
        half.went_well()
    assert half.scale == 2**16
    half.scale = 1.0
    assert not half.overflowed()
    whole = Precision.of(device.Device(torch.device("cpu"), torch.float32, ""))
    assert whole.scale == 1
    assert not whole.overflowed()


def test_what_a_pass_keeps_is_counted():
    """Two linear layers with a tanh between: the input and the output of the tanh are kept."""
    module = nn.Sequential(nn.Linear(10, 100), nn.Tanh(), nn.Linear(100, 1))
    batch = Batch({"input": torch.randn(7, 10)}, torch.zeros(7), None, 7, 7)
    assert saved_bytes(module, batch) == 4 * 7 * (10 + 100)


# ---- what is looked at, and what comes out


def test_layers_see_norms_updates_and_dead_units():
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        module[0].bias[:2] = -1e6  # two of eight can never fire
    batch = Numbers().batch(np.arange(32))
    looked = Layers(module)
    class_loss(module(**batch.inputs), batch)[0].backward()
    looked.seen()
    looked.before()
    with torch.no_grad():
        module[2].weight *= 1.5
    found = looked.after()
    assert found["units"]["1"]["dead"] >= 0.25
    assert found["layers"]["2.weight"]["update"] == pytest.approx(0.5, rel=1e-5)
    assert found["layers"]["2.weight"]["gradient"] == pytest.approx(float(module[2].weight.grad.norm()), rel=1e-5)
    assert found["layers"]["0.bias"]["update"] == 0
    assert not module[1]._forward_hooks
    for name, inputs, share in (("Tanh", [9.0, 0.1, -9, 9], 0.75), ("Sigmoid", [9.0, 0, 0, 0], 0.25)):
        what, flat = measured(name)
        assert what == "saturated"
        assert float(flat(getattr(nn, name)()(torch.tensor([inputs]))).float().mean()) == share
    assert measured("Linear") is None


def test_units_are_looked_at_over_all_rows_of_a_step_however_it_is_cut():
    """A unit that one row wakes is not dead because the rows of the last micro-batch leave it silent."""
    module, shares = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)), []
    for pieces in (1, 2, 16):
        looked = Layers(module)
        for rows in np.split(np.arange(16), pieces):
            module(**Numbers().batch(rows).inputs)
        looked.seen()
        shares.append(looked.units)
    with torch.no_grad():
        fires = module[1](module[0](Numbers().batch(np.arange(16)).inputs["input"])) > 0
    assert not fires[-1].all()  # the last row alone would say that more are dead
    assert shares[0]["1"]["dead"] == float((~fires.any(0)).float().mean())
    assert shares[1] == shares[0]
    assert shares[2] == shares[0]


@pytest.mark.parametrize("seed", range(12))
def test_range_test_stays_below_where_it_diverges_and_leaves_no_trace(seed):
    """Least squares by plain gradient descent diverges from rate 2 / (largest curvature) on."""
    random = np.random.default_rng(0)
    x = torch.tensor(random.normal(size=(256, 4)), dtype=torch.float32)
    y = x @ torch.tensor([1.0, -2, 3, 0.5])

    class Line(Numbers):
        def __init__(self):
            self.x, self.y = x, y

        def batch(self, rows):
            return Batch({"input": x[rows]}, y[rows], None, len(rows), len(rows))

    def squared(out, batch):
        return (out[:, 0] - batch.labels).square().sum(), torch.tensor(float(batch.rows))

    torch.manual_seed(seed)
    module = nn.Linear(4, 1, bias=False)
    before = module.weight.detach().clone()
    found = rate_range(module, Line(), squared, Training(batch_rows=64, optimizer="sgd", momentum=0, clip_norm=None))
    limit = 2 / float(torch.linalg.eigvalsh(2 * x.T @ x / len(x)).max())
    assert limit / 1000 < found.suggested < limit
    assert found.suggested <= found.highest
    assert torch.equal(module.weight.detach(), before)
    assert suggestion([1, 2, 3, 4, 5], [5, 4.9, 2, 1.9, 3])[0] in (2, 3)


def test_outputs_hold_each_row_once_and_scores_are_in_order():
    source, module = Texts(rows=50), Reader().eval()
    found = np.concatenate([rows for rows, _ in outputs(module, source, Training(batch_rows=7))])
    assert sorted(found) == list(range(50))
    with torch.no_grad():
        expected = torch.cat([module(**source.batch(np.array([row])).inputs) for row in range(50)])
    np.testing.assert_allclose(scores(module, source, Training(batch_rows=7)), expected, atol=1e-6)


def test_early_stopping_keeps_the_best_weights():
    """Labels that are pure chance: the loss on other rows soon rises."""
    train_rows, valid = Numbers(40), Numbers(200, seed=1)
    train_rows.y = torch.tensor(np.random.default_rng(3).integers(0, 3, 40))
    valid.y = torch.tensor(np.random.default_rng(4).integers(0, 3, 200))
    module = net()
    chosen = Training(epochs=200, batch_rows=8, learning_rate=0.02, patience=3, checkpoint_every=0, schedule="constant")
    trained = train(module, train_rows, class_loss, chosen, valid=valid)
    found = [line["loss"] for line in lines(trained, "valid")]
    assert trained.stopped == "patience"
    assert len(found) == int(np.argmin(found)) + 1 + 3
    assert trained.best["loss"] == pytest.approx(min(found))
    batch = valid.batch(np.arange(200))
    with torch.no_grad():
        loss, count = class_loss(module(**batch.inputs), batch)
    assert float(loss / count) == pytest.approx(min(found), rel=1e-5)


def test_watching_a_measure_and_what_is_missing():
    seen = iter([0.1, 0.5, 0.4, 0.3, 0.2, 0.1])
    chosen = Training(epochs=20, patience=2, watch="skill", checkpoint_every=0)
    trained = train(net(), Numbers(), class_loss, chosen, valid=Numbers(), measure=lambda module: {"skill": next(seen)})
    assert trained.best["skill"] == 0.5
    assert trained.stopped == "patience"
    with pytest.raises(UserError, match="no nonsense"):
        train(net(), Numbers(), class_loss, chosen.model_copy(update={"watch": "nonsense"}), valid=Numbers())
    with pytest.raises(UserError, match="set some aside"):
        train(net(), Numbers(), class_loss, Training(patience=2))


def test_history_adds_up(tmp_path):
    source = Texts(rows=64)
    chosen = Training(epochs=2, batch_rows=16, log_every=2, checkpoint_every=0, by_length=False)
    trained = train(Reader(), source, class_loss, chosen, folder=tmp_path, valid=Texts(seed=4))
    found = lines(trained, "step")
    assert [line["step"] for line in found] == [2, 4, 6, 8]
    order = Order(64, 16, 0)
    batches = [source.batch(order.step(step)) for step in (0, 1)]
    share = sum(one.padding for one in batches) / sum(one.padding + one.tokens for one in batches)
    assert found[0]["padding"] == pytest.approx(share)
    assert [line["step"] for line in lines(trained, "valid")] == [4, 8]
    assert trained.history[0]["steps"] == 8
    text = (tmp_path / "history.jsonl").read_text().splitlines()
    assert len(text) == len(trained.history)


@pytest.mark.parametrize("change", [{"checkpoint_every": "soon"}, {"device": "tpu"}, {"epochs": 0}, {"unknown": 1}])
def test_settings_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Training(**change)
