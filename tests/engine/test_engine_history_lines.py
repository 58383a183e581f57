"""What the lines of a history say for the checks of a training: signals, the start, events."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from melior.engine.history import read  # noqa: E402
from melior.engine.loop import train  # noqa: E402
from melior.engine.losses import class_loss  # noqa: E402
from melior.engine.norms import Layers, kinds  # noqa: E402
from melior.engine.order import Order  # noqa: E402
from melior.engine.problem import Batch  # noqa: E402
from melior.engine.settings import Training  # noqa: E402
from melior.engine.start import padded  # noqa: E402
from melior.errors import UserError  # noqa: E402


class Rows:
    lengths = None

    def __init__(self, rows=32, broken=()):
        random = np.random.default_rng(0)
        self.x = torch.tensor(random.normal(size=(rows, 4)), dtype=torch.float32)
        self.x[list(broken)] = float("nan")
        self.y = (self.x[:, 0] > 0).long()

    def __len__(self):
        return len(self.y)

    def batch(self, rows):
        rows = torch.as_tensor(rows)
        return Batch({"input": self.x[rows]}, self.y[rows], None, len(rows), len(rows))


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def trained(module, source, **settings):
    plain = {"epochs": 1, "batch_rows": 8, "checkpoint_every": 0, "threads": 1}
    return train(module, source, class_loss, Training(**{**plain, **settings})).history


def of(history, kind):
    return [line for line in history if line["kind"] == kind]


@pytest.mark.parametrize("cuts", [1, 4])
def test_signals_are_those_of_autograd(cuts):
    """By hand: outputs of each layer, and the gradient of the loss by them; also when rows come in parts."""
    module, source = net(), Rows()
    batch = source.batch(np.arange(32))
    first = module[0](batch.inputs["input"])
    last = module[2](torch.relu(first))
    wanted = torch.autograd.grad(class_loss(last, batch)[0], [first, last])
    layers = Layers(module)
    for rows in np.array_split(np.arange(32), cuts):
        part = source.batch(rows)
        class_loss(module(**part.inputs), part)[0].backward()
    layers.seen()
    for name, output, gradient in zip(("0", "2"), (first, last), wanted, strict=True):
        assert layers.signals[name]["output"] == pytest.approx(float(output.detach().square().mean().sqrt()), rel=1e-5)
        assert layers.signals[name]["backward"] == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_looking_changes_nothing():
    """The gradients are the same with and without."""
    source, module, other = Rows(), net(), net()
    batch = source.batch(np.arange(32))
    layers = Layers(module)
    for one in (module, other):
        class_loss(one(**batch.inputs), batch)[0].backward()
    layers.seen()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(module.parameters(), other.parameters(), strict=True))
    assert not module[0]._forward_hooks


def test_the_start_names_the_matrices_in_order():
    (start,) = of(trained(net(), Rows()), "start")
    linear = {"kind": "Linear"}
    assert start["weights"] == {"0.weight": {**linear, "shape": [8, 4]}, "2.weight": {**linear, "shape": [2, 8]}}
    frozen = net()
    frozen[0].requires_grad_(False)
    assert list(kinds(frozen)) == ["2.weight"]


def test_padding_is_counted_with_the_lengths_of_the_rows():
    lengths = np.array([1, 9, 1, 9])
    order = Order(4, 2, seed=0)
    whole = sum(2 * lengths[order.step(step)].max() for step in range(2))
    assert padded(order, lengths, 2, None) == pytest.approx(1 - 20 / whole)
    assert padded(Order(4, 2, 0, lengths), lengths, 2, lengths) == 0.0
    assert padded(order, lengths, 1, None) == 0.0


def test_events_say_what_they_are():
    events = of(trained(net(), Rows(broken=[5])), "event")
    assert [(one["name"], one["data"], one["rows"]) for one in events] == [("non_finite", True, [5])]


def test_running_out_of_memory_is_an_event():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = net()

        def forward(self, input):
            if self.training and len(input) > 2:
                raise MemoryError
            return self.inside(input)

    events = of(trained(Small(), Rows(), micro_batch=8), "event")
    said = [(one["name"], one["before"], one["micro_batch"]) for one in events]
    assert said == [("out_of_memory", 8, 4), ("out_of_memory", 4, 2)]


def test_a_precision_asked_for_is_compared_with_the_one_chosen():
    (start,) = of(trained(net(), Rows(), precision="float32"), "start")
    assert start["fast"]["times"] > 0
    (start,) = of(trained(net(), Rows()), "start")
    assert "fast" not in start


def test_long_trainings_time_twice_the_rows(monkeypatch):
    monkeypatch.setattr("melior.engine.start.PROBED_FROM", 4)
    (start,) = of(trained(net(), Rows(), steps=4), "start")
    assert start["twice"] > 0
    (start,) = of(trained(net(), Rows(), steps=3), "start")
    assert "twice" not in start


def test_going_back_keeps_the_first_line(tmp_path):
    """Weights that run away: training goes back to its first state, and its history still says what it is about."""
    plain = {"batch_rows": 8, "checkpoint_every": 0, "threads": 1, "clip_norm": None, "optimizer": "sgd"}
    with pytest.raises(UserError, match="lower the learning rate"):
        train(net(), Rows(), class_loss, Training(**plain, learning_rate=1e30), folder=tmp_path)
    history = read(tmp_path / "history.jsonl")
    assert any(line.get("rate", 1) < 1 for line in of(history, "event"))
    assert [line["kind"] for line in history].count("start") == 1
    assert history[0]["kind"] == "start"
