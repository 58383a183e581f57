"""Averages of weights: the mean itself, the greedy recipe, batch statistics measured anew, and fits from one start."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from melior.errors import UserError
from melior.methods.model_fusion import ModelFusion, greedy, loss_of
from melior.models._network import NetworkScorer
from melior.models.image_network import ImageNetwork
from melior.models.tabular_network import TabularNetwork
from melior.networks.averaging import averaged, measured_again
from melior.networks.build import build
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state
from melior.recipe import Recipe
from melior.testing import tables
from melior.trials.fit import fit

QUICK = {"epochs": 6, "batch_rows": 32, "width": 16, "depth": 1, "embedding": "none", "precision": "float32",
         "texts": "words", "learning_rate": 0.02}  # fmt: skip


def test_the_mean_of_weights_and_the_first_of_counters():
    random = np.random.default_rng(0)
    states = [{"w": random.normal(size=(3, 2)).astype(np.float32), "n": np.array(k)} for k in range(4)]
    found = averaged(states)
    np.testing.assert_allclose(found["w"], np.mean([s["w"].astype(np.float64) for s in states], axis=0), rtol=1e-6)
    assert found["w"].dtype == np.float32
    assert found["n"] == 0


def test_the_mean_of_linear_models_answers_with_the_mean_of_logits():
    """Where a network is linear in its weights, averaging weights is averaging logits."""
    table = tables.number_table()
    model = TabularNetwork(**{**QUICK, "depth": 0})
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    fits = [model.fit(matrix, table.labels, None, 3, seed=seed) for seed in range(3)]
    state = averaged([one.state for one in fits])
    mean = NetworkScorer(fits[0].module, fits[0].plan, state, fits[0].present, 3)
    logs = np.mean([np.log(one.scores(matrix)) for one in fits], axis=0)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.log(mean.scores(matrix)), logs, atol=1e-5)


def test_greedy_keeps_what_helps_and_nothing_else():
    """Fits are numbers and their mean should be 0: one is kept where the mean comes no further off."""
    values = np.array([3.0, -1.0, 1.2, -8.0, 0.5])
    tried = []

    def loss(numbers):
        tried.append(list(numbers))
        return abs(values[numbers].mean())

    assert greedy(5, loss) == [4, 1, 2]
    assert tried[:5] == [[0], [1], [2], [3], [4]]
    assert greedy(1, loss) == [0]


def test_the_loss_is_the_weighted_log_loss():
    from sklearn.metrics import log_loss

    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(3), 50)
    labels, weights = random.integers(0, 3, 50), random.uniform(0.1, 2, 50)
    assert loss_of(scores, labels, weights) == pytest.approx(log_loss(labels, scores, sample_weight=weights))


@pytest.mark.parametrize("rows", [60, 260])
def test_batch_statistics_are_measured_anew(rows):
    """As over all rows together, also where they go through in batches and the last rows are unlike the others."""
    table = tables.number_table(rows=rows)
    table = table.take(np.argsort(table.column(table.features()[0]).to_numpy()))
    model = TabularNetwork(**QUICK, normalization="batch")
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    fitted = model.fit(matrix, table.labels, None, 3, seed=0)
    spoiled = {k: (v + 100 if "running" in k else v) for k, v in fitted.state.items()}
    assert any("running" in name for name in spoiled)
    mended = measured_again(fitted.module, fitted.plan, spoiled, MatrixRows(matrix))
    module = build(fitted.module, fitted.plan)
    put_state(module, mended)
    norm = next(part for part in module.modules() if isinstance(part, torch.nn.BatchNorm1d))
    seen = []
    norm.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    module.eval()
    with torch.no_grad():
        module(**MatrixRows(matrix).batch(np.arange(matrix.rows)).inputs)
    np.testing.assert_allclose(norm.running_mean, seen[0].mean(dim=0), atol=1e-4)
    one = MatrixRows(matrix.take(np.array([3])))
    assert all(np.array_equal(v, spoiled[k]) for k, v in measured_again("fusion", fitted.plan, spoiled, one).items())
    same = [name for name in mended if "running" not in name and "num_batches" not in name]
    assert all(np.array_equal(mended[name], spoiled[name]) for name in same)


@pytest.mark.parametrize("kind", ["uniform", "greedy", "swa", "ema"])
def test_one_network_comes_out(kind):
    table = tables.number_table(rows=240)
    train, test = table.take(np.arange(160)), table.take(np.arange(160, 240))
    recipe = Recipe(model={"tabular_network": QUICK}, metric="accuracy")
    plain = fit(recipe, train)
    fused = fit(recipe.with_methods({"model_fusion": {"kind": kind, "members": 3}}), train)
    assert isinstance(fused.scorer.model, NetworkScorer)
    assert not np.array_equal(plain.scores(test), fused.scores(test))
    right = [(one.answers(test) == test.labels).mean() for one in (plain, fused)]
    assert right[1] > right[0] - 0.08
    again = fit(recipe.with_methods({"model_fusion": {"kind": kind, "members": 3}}), train)
    assert np.array_equal(again.scores(test), fused.scores(test))


def test_fits_from_one_start_average_and_fits_from_several_do_not():
    """Why a common start is needed: the mean of networks from different beginnings knows less."""
    random = np.random.default_rng(0)
    values = random.normal(size=(600, 2))
    labels = ((values[:, 0] * values[:, 1]) > 0).astype(np.int32)
    kinds = {"a": "number", "b": "number"}
    table = tables.table_of({"a": values[:, 0], "b": values[:, 1]}, kinds, labels, ("no", "yes"))
    model = TabularNetwork(**{**QUICK, "epochs": 60, "depth": 2, "dropout": 0.0})
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    apart = [model.fit(matrix, labels, None, 2, seed=seed) for seed in (0, 1, 2)]
    together = [model.fit_on(apart[0], matrix, labels, None, 2, amount=0.3, seed=seed) for seed in (3, 4, 5)]

    def right(fits):
        first = fits[0]
        mean = NetworkScorer(first.module, first.plan, averaged([f.state for f in fits]), first.present, 2)
        return (mean.scores(matrix).argmax(axis=1) == labels).mean()

    assert right(together) > 0.95
    assert right(together) > right(apart) + 0.05


def test_pictures_with_batch_statistics():
    from melior.testing.images import image_table

    table = image_table()
    settings = {"epochs": 3, "batch_rows": 16, "image_channels": 4, "image_stride": 4, "precision": "float32"}
    recipe = Recipe(model={"image_network": settings}, metric="accuracy",
                    methods=[{"model_fusion": {"kind": "uniform", "members": 2}}])  # fmt: skip
    fused = fit(recipe, table)
    assert np.isfinite(fused.scores(table)).all()


def test_what_cannot_be_is_refused_with_a_reason(tmp_path):
    table = tables.number_table()
    with pytest.raises(UserError, match="voting and stacking"):
        fit(Recipe(model="linear", metric="accuracy", methods=["model_fusion"]), table)
    frozen = ImageNetwork(base="somewhere", tuning="frozen")
    assert "frozen" in (ModelFusion().unsuitable(Recipe(), table, frozen) or "")
    both = Recipe(methods=[{"model_fusion": {}}, {"table_augmentation": {"kind": "mixup"}}])
    assert "table_augmentation" in (ModelFusion().unsuitable(both, table, TabularNetwork()) or "")
