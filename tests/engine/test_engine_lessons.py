"""What acts inside training: batches, passes and losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from melior.engine.lessons import Lesson, Lessons, Moment
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.errors import UserError
from melior.features._base import Matrix
from melior.methods._acting import Acting
from melior.networks.sources import MatrixRows
from melior.networks.teaching import Known, loss_of

ROWS, FEATURES, CLASSES = 60, 5, 3


class Jitter(Lesson):
    """Noise on the inputs."""

    told = "jitter"

    def batch(self, batch: Batch, moment: Moment) -> Batch:
        values = batch.inputs["values"]
        noise = torch.randn(values.shape, generator=moment.random)
        return replace(batch, inputs={**batch.inputs, "values": values + 0.1 * noise})


class Twice(Lesson):
    """Each batch counts twice."""

    told = "twice"

    def forward(self, run, network, batch, moment):
        one, two = run(batch), run(batch)
        return one[0] + two[0], one[1] + two[1]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(FEATURES, CLASSES)

    def forward(self, values):
        return self.line(values)


def rows() -> MatrixRows:
    random = np.random.default_rng(0)
    values = random.normal(size=(ROWS, FEATURES))
    names = [f"f{i}" for i in range(FEATURES)]
    return MatrixRows(Matrix(values, names, names), random.integers(0, CLASSES, ROWS))


def trained(lessons, folder=None, **changes):
    torch.manual_seed(0)
    net = Net()
    settings = Training(
        **{"batch_rows": 16, "epochs": 3, "learning_rate": 0.1, "optimizer": "sgd", "device": "cpu", **changes}
    )
    found = train(net, rows(), class_loss, settings, lessons=lessons, folder=folder)
    return torch.cat([one.detach().ravel() for one in net.parameters()]), found


def test_a_lesson_of_batches_changes_training_and_is_the_same_each_time():
    plain, once, again = trained([])[0], trained([Jitter()])[0], trained([Jitter()])[0]
    assert torch.equal(once, again)
    assert not torch.allclose(plain, once)


def test_sums_and_counts_are_kept_so_what_counts_twice_changes_nothing():
    plain, twice = trained([])[0], trained([Twice()])[0]
    assert torch.allclose(plain, twice, atol=1e-6)


def test_passes_are_nested_in_order():
    seen = []

    class Says(Lesson):
        def __init__(self, name):
            self.name = name

        @property
        def told(self):
            return self.name

        def forward(self, run, network, batch, moment):
            seen.append(self.name)
            return run(batch)

    Lessons([Says("outer"), Says("inner")]).around(lambda batch: (0, 0), Net(), 0, 1, 0)(None)
    assert seen == ["outer", "inner"]


def test_other_lessons_are_another_training(tmp_path):
    trained([Jitter()], tmp_path, steps=4)
    with pytest.raises(UserError, match="other settings"):
        trained([], tmp_path, steps=4)


def test_passes_of_its_own_are_refused_where_ranks_train_together():
    with pytest.raises(UserError, match="passes of its own"):
        Lessons([Twice()], ranks=2)
    Lessons([Jitter()], ranks=2)


def test_draws_differ_between_steps_pieces_and_ranks():
    made = {
        float(torch.rand((), generator=Lessons([], seed, 4, rank).moment(step, 9, piece, kind).random))
        for seed in (0, 1) for rank in (0, 1) for step in (0, 1) for piece in (0, 1) for kind in (0, 1)
    }  # fmt: skip
    assert len(made) == 32


def test_the_loss_of_methods_is_weighted_and_summed():
    class Doubled(Acting):
        def loss(self, loss, known):
            return lambda logits, labels: 2 * loss(logits, labels)

    known = Known(torch.ones(CLASSES), ROWS, False, 0)
    logits = torch.randn(4, CLASSES, dtype=torch.float64)
    labels, weights = torch.tensor([0, 1, 2, 0]), torch.tensor([1.0, 0.5, 0, 2])
    batch = Batch({}, labels, weights, 4, 4)
    total, count = loss_of([Doubled()], known)(logits, batch)
    usual, counted = class_loss(logits, batch)
    assert float(total) == pytest.approx(2 * float(usual))
    assert float(count) == float(counted) == 3.5
    assert loss_of([], known) is class_loss
