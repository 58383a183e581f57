"""Tables with sparse gradients: the steps are those of the formula, row by row, and everything around them is exact."""

import numpy as np
import pytest
import torch
from engine_toys import losses, weights
from torch import nn

from melior.engine import clip
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.norms import Layers
from melior.engine.optimizers import Optimizers
from melior.engine.parallel.mesh import Mesh
from melior.engine.problem import Batch
from melior.engine.rate_range import rate_range
from melior.engine.settings import Training
from melior.engine.sparse import SMALLEST, SparseEmbedding, shrink
from melior.errors import UserError

CODES, WIDTH = 50, 4
PLAIN = Training(epochs=2, batch_rows=8, learning_rate=0.05, schedule="constant", weight_decay=0.3, clip_norm=0.2,
                 checkpoint_every=0, precision="float32", device="cpu", threads=1)  # fmt: skip


class Codes:
    """Rows of three codes, common ones much commoner; the class hangs on the first."""

    lengths = None

    def __init__(self, rows=64, seed=0):
        random = np.random.default_rng(seed)
        self.codes = torch.tensor((CODES ** random.random((rows, 3))).astype(np.int64) - 1)
        self.y = self.codes[:, 0] % 3

    def __len__(self):
        return len(self.y)

    def batch(self, rows):
        rows = torch.as_tensor(rows)
        return Batch({"codes": self.codes[rows]}, self.y[rows], None, len(rows), len(rows))


class Net(nn.Module):
    def __init__(self, *, sparse, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.out = nn.Linear(3 * WIDTH, 3)
        self.table = SparseEmbedding(CODES, WIDTH) if sparse else nn.Embedding(CODES, WIDTH)

    def forward(self, codes):
        return self.out(self.table(codes).flatten(1))


def vectors(net):
    table = net.table
    return (table.weight * table.size if isinstance(table, SparseEmbedding) else table.weight).detach()


def backward(net, source, rows):
    batch = source.batch(np.asarray(rows))
    for one in net.parameters():
        one.grad = None
    class_loss(net(**batch.inputs), batch)[0].backward()


def test_the_gradient_is_that_of_a_dense_table_and_holds_the_rows_of_the_step():
    source, sparse, dense = Codes(), Net(sparse=True), Net(sparse=False)
    for net in (sparse, dense):
        backward(net, source, range(8))
    grad = sparse.table.weight.grad
    assert grad.is_sparse
    torch.testing.assert_close(grad.to_dense(), dense.table.weight.grad)
    reached = sorted(set(source.codes[:8].flatten().tolist()))
    assert grad.coalesce().indices()[0].tolist() == reached
    # with a common factor the gradient is still that of the vectors as they are used
    sparse.table.size.fill_(0.5)
    sparse.table.weight.data.mul_(2)
    backward(sparse, source, range(8))
    torch.testing.assert_close(sparse.table.weight.grad.to_dense(), dense.table.weight.grad)


def test_norms_and_cuts_are_those_of_dense_gradients():
    source, sparse, dense = Codes(), Net(sparse=True), Net(sparse=False)
    settings = PLAIN.model_copy(update={"clip_value": 0.1})
    found = []
    for net in (sparse, dense):
        optimizers = Optimizers(net, settings)
        for start in (0, 4):  # two micro-batches: rows that both hold are summed before the norm
            batch = source.batch(np.arange(start, start + 4))
            class_loss(net(**batch.inputs), batch)[0].backward()
        gradients = optimizers.gradients()
        raw = float(clip.total_norm(gradients, Mesh()))
        found.append((raw, clip.finish(gradients, 1 / 8, raw, settings, optimizers, Mesh())))
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    torch.testing.assert_close(sparse.table.weight.grad.to_dense(), dense.table.weight.grad)


def test_each_row_has_an_adam_of_its_own_and_all_rows_decay():
    """Beside torch's Adam on every row alone, stepped where the row is held, at a rate that is the larger the fewer
    steps hold it; decay by hand on all rows."""
    source, net = Codes(), Net(sparse=True)
    settings = PLAIN.model_copy(update={"clip_norm": None, "momentum": 0.8, "second_moment": 0.95})
    made = Optimizers(net, settings)
    rows = [nn.Parameter(one.clone().double()) for one in vectors(net)]
    adams = [torch.optim.Adam([one], lr=0.025, betas=(0.8, 0.95), eps=1e-8, foreach=False) for one in rows]
    held = np.zeros(CODES)
    for step in range(24):
        backward(net, source, range(step % 8 * 8, step % 8 * 8 + 8))
        grad = net.table.weight.grad.coalesce()
        for one in rows:
            one.data.mul_(1 - 0.025 * 0.3)
        for row, slope in zip(grad.indices()[0].tolist(), grad.values(), strict=True):
            held[row] += 1
            adams[row].param_groups[0]["lr"] = 0.025 * min((step + 1) / held[row], 1 / (1 - 0.95)) ** 0.5
            rows[row].grad = slope.double()
            adams[row].step()
        made.step(0.5)
    torch.testing.assert_close(vectors(net).double(), torch.stack([one.detach() for one in rows]), rtol=0, atol=5e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_where_every_row_is_held_it_is_adamw(optimizer):
    source, sparse, dense = Codes(), Net(sparse=True), Net(sparse=False)
    source.codes[:] = torch.arange(64 * 3).reshape(64, 3) % CODES
    settings = PLAIN.model_copy(update={"batch_rows": 64, "epochs": 12, "optimizer": optimizer})
    found = [losses(train(net, source, class_loss, settings)) for net in (sparse, dense)]
    np.testing.assert_allclose(*found, rtol=1e-5)
    torch.testing.assert_close(vectors(sparse), vectors(dense), rtol=0, atol=2e-6)


def test_a_factor_that_becomes_small_is_put_into_the_rows():
    table = SparseEmbedding(6, 2)
    before = table.weight.detach().clone().double()
    for _ in range(40):
        shrink(table, 0.7)
    assert SMALLEST <= float(table.size) <= 1
    torch.testing.assert_close((table.weight * table.size).double(), before * 0.7**40, rtol=1e-5, atol=0)
    shrink(table, -2.0)  # a decay that is far too large turns signs, as it does with a dense table
    torch.testing.assert_close((table.weight * table.size).double(), before * 0.7**40 * -2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_accumulated(micro_batch):
    one, other = Net(sparse=True), Net(sparse=True)
    train(one, Codes(), class_loss, PLAIN)
    train(other, Codes(), class_loss, PLAIN.model_copy(update={"micro_batch": micro_batch}))
    torch.testing.assert_close(vectors(other), vectors(one), rtol=0, atol=1e-5)


class Stopped(Exception):
    pass


class StopsAt(Codes):
    def __init__(self, stop):
        super().__init__()
        self.stop = stop

    def batch(self, rows):
        if len(rows) > 2:
            self.stop -= 1
            if self.stop < 0:
                raise Stopped
        return super().batch(rows)


@pytest.mark.parametrize("stop", [1, 5, 9, 15])
def test_resumed_at_any_step_to_the_last_bit(tmp_path, stop):
    settings = PLAIN.model_copy(update={"checkpoint_every": 1, "weight_decay": 9.0})  # the factor is put away often
    whole, other = Net(sparse=True), Net(sparse=True, seed=7)
    expected = train(whole, Codes(), class_loss, settings)
    with pytest.raises(Stopped):
        train(Net(sparse=True), StopsAt(stop), class_loss, settings, folder=tmp_path)
    trained = train(other, Codes(), class_loss, settings, folder=tmp_path)
    assert any(f"went on from step {stop}" in note for note in trained.notes)
    np.testing.assert_array_equal(losses(trained), losses(expected))
    assert torch.equal(weights(other), weights(whole))
    assert torch.equal(vectors(other), vectors(whole))


def test_a_broken_gradient_changes_nothing_and_is_left_out():
    class Breaks(Net):
        def forward(self, codes):
            out = super().forward(codes)
            return out * torch.where((codes == 3).any(), torch.nan, 1.0) if self.training else out

    source, net = Codes(), Breaks(sparse=True)
    trained = train(net, source, class_loss, PLAIN.model_copy(update={"non_finite": "skip"}))
    said = [line for line in trained.history if line.get("name") == "non_finite"]
    assert said
    assert vectors(net).isfinite().all()
    # code 3 was never in a step that was taken: it has decayed and nothing else
    start, steps = vectors(Net(sparse=True)), 16 - len(said)
    torch.testing.assert_close(vectors(net)[3], start[3] * (1 - 0.05 * 0.3) ** steps, rtol=1e-5, atol=0)


def test_layers_look_at_the_rows_of_the_step():
    source, net = Codes(), Net(sparse=True)
    optimizers = Optimizers(net, PLAIN)
    layers = Layers(net)
    backward(net, source, range(8))
    layers.seen()
    layers.before()
    before = net.table.weight.detach().clone()
    optimizers.step(1.0)
    told = layers.after()["layers"]["table.weight"]
    rows = net.table.weight.grad.coalesce().indices()[0]
    assert told["gradient"] == pytest.approx(float(net.table.weight.grad.to_dense().norm()), rel=1e-5)
    expected = float((net.table.weight.detach() - before).norm() / before[rows].norm())
    assert told["update"] == pytest.approx(expected, rel=1e-5)


def test_range_test_leaves_no_trace():
    net = Net(sparse=True)
    before = vectors(net).clone()
    found = rate_range(net, Codes(), class_loss, PLAIN, steps=30)
    assert len(found.rates) > 5
    assert torch.equal(vectors(net), before)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"optimizer": "sgd"}, "use adamw or muon"), ({"optimizer": "adam"}, "use adamw or muon"),
     ({"l1": 0.1}, "weight_decay can be used"), ({"average": 0.9}, "set average to 0")],
)  # fmt: skip
def test_what_would_change_every_row_is_refused(change, said):
    with pytest.raises(UserError, match=said):
        train(Net(sparse=True), Codes(), class_loss, PLAIN.model_copy(update=change))
    train(Net(sparse=False), Codes(), class_loss, PLAIN.model_copy(update={**change, "epochs": 1}))
    frozen = Net(sparse=True)
    frozen.table.requires_grad_(False)
    train(frozen, Codes(), class_loss, PLAIN.model_copy(update={**change, "epochs": 1}))


def test_several_processes_are_refused(monkeypatch):
    from melior.engine import sparse

    monkeypatch.setattr(Mesh, "world", property(lambda self: 2))
    with pytest.raises(UserError, match="several processes"):
        sparse.check(Net(sparse=True), PLAIN, Mesh())
    sparse.check(Net(sparse=False), PLAIN, Mesh())
