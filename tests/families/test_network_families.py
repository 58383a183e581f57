"""The networks over columns: what linear models cannot learn, weights, seeds, penalties, and what is kept."""

import threading

import numpy as np
import pytest
import torch

from melior.errors import UserError
from melior.features.parts import Ragged
from melior.models._base import families
from melior.models._place import trained_in
from melior.models.image_network import ImageNetwork
from melior.models.tabular_network import TabularNetwork
from melior.networks.build import build
from melior.networks.states import put_state, state_of
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import tables
from melior.trials.fit import fit

QUICK = {
    "epochs": 60, "batch_rows": 32, "width": 16, "depth": 1, "dropout": 0.0, "weight_decay": 0.01,
    "precision": "float32", "learning_rate": 0.02,
}  # fmt: skip


def xor(rows=200, seed=0):
    random = np.random.default_rng(seed)
    values = random.choice([-1.0, 1.0], size=(rows, 2)) + random.normal(scale=0.15, size=(rows, 2))
    labels = (values[:, 0] * values[:, 1] > 0).astype(np.int32)
    columns = {"a": values[:, 0], "b": values[:, 1]}
    return tables.table_of(columns, {"a": "number", "b": "number"}, labels, ("no", "yes"))


def right(name, settings, train, test):
    predictor = fit(Recipe(model=Choice(name=name, settings=settings), metric="accuracy"), train)
    return np.mean(predictor.answers(test) == test.given_labels())


def encoded(model, table):
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    return matrix, table.given_labels()


@pytest.mark.parametrize("more", [{}, {"embedding": "piecewise"}, {"attention": True, "epochs": 30}])
def test_a_network_learns_xor_and_a_line_does_not(more):
    train, test = xor(seed=1), xor(seed=2)
    assert right("tabular_network", {**QUICK, **more}, train, test) > 0.95
    assert right("linear", {}, train, test) < 0.7


def test_a_row_of_weight_two_is_the_row_twice():
    """Full batches and plain gradient descent: the same steps but for rounding."""
    model = TabularNetwork(
        **{**QUICK, "epochs": 25, "batch_rows": 1000, "optimizer": "sgd", "dropout": 0, "weight_decay": 0}
    )
    table = tables.number_table(60)
    matrix, labels = encoded(model, table)
    weights = np.where(np.arange(60) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(60), weights.astype(int))
    weighted = model.fit(matrix, labels, weights, 3, seed=0).scores(matrix)
    repeated = model.fit(matrix.take(twice), labels[twice], None, 3, seed=0).scores(matrix)
    plain = model.fit(matrix, labels, None, 3, seed=0).scores(matrix)
    assert np.abs(weighted - repeated).max() < 1e-4
    assert np.abs(plain - repeated).max() > 1e-3


def test_the_seed_alone_decides_even_beside_another_training():
    model = TabularNetwork(**{**QUICK, "epochs": 10, "dropout": 0.3})
    matrix, labels = encoded(model, tables.number_table(80))
    alone = model.fit(matrix, labels, None, 3, seed=4).scores(matrix)
    found = {}

    def one(seed):
        found[seed] = model.fit(matrix, labels, None, 3, seed=seed).scores(matrix)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (3, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(found[4], alone)
    assert not np.array_equal(found[3], alone)


def test_torch_s_random_state_is_left_alone():
    model = TabularNetwork(**{**QUICK, "epochs": 2})
    matrix, labels = encoded(model, tables.number_table(40))
    before = torch.random.get_rng_state()
    model.fit(matrix, labels, None, 3, seed=0).scores(matrix)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("penalty", [{"l1": 300.0}, {"l2": 300.0}])
def test_penalties_make_weights_smaller(penalty):
    model = TabularNetwork(**{**QUICK, "epochs": 30})
    matrix, labels = encoded(model, tables.number_table(80))

    def size(one):
        state = one.fit(matrix, labels, None, 3, seed=0).state
        return sum(float(np.abs(value).sum()) for name, value in state.items() if name.endswith("linear.weight"))

    assert size(model.penalized(**penalty)) < 0.8 * size(model)


def test_early_stopping_stops_before_noise_is_learnt():
    """Labels by chance: the best is to learn nothing, and the full training learns them by heart."""
    random = np.random.default_rng(0)
    table = tables.number_table(120)
    model = TabularNetwork(**{**QUICK, "epochs": 150, "width": 64})
    matrix, labels = encoded(model, table)[0], random.integers(0, 2, 120).astype(np.int32)

    def sure(one):
        scores = one.fit(matrix, labels, None, 2, seed=0).scores(matrix)
        return float(scores.max(axis=1).mean())

    assert sure(model) > 0.9
    assert sure(model.early_stopped(0.25, 5)) < 0.8


def test_saved_equals_loaded_and_keeps_bfloat16(tmp_path):
    table = tables.mixed_table(60)
    recipe = Recipe(
        model=Choice(name="tabular_network", settings={**QUICK, "epochs": 3, "texts": "words"}), metric="accuracy"
    )
    predictor = fit(recipe, table)
    predictor.save(tmp_path)
    loaded = Predictor.load(tmp_path)
    assert np.array_equal(loaded.scores(table), predictor.scores(table))
    layer = torch.nn.Linear(3, 2).to(torch.bfloat16)
    kept, other = state_of(layer), torch.nn.Linear(3, 2).to(torch.bfloat16)
    assert kept["weight"].dtype == np.float32
    put_state(other, kept)
    assert torch.equal(other.weight, layer.weight)


def test_weights_that_do_not_fit_are_refused():
    layer = torch.nn.Linear(3, 2)
    for wrong in ({"weight": np.zeros((2, 3))}, {"weight": np.zeros((9, 3)), "bias": np.zeros(2)}):
        with pytest.raises(UserError, match="do not fit"):
            put_state(layer, wrong)
    with pytest.raises(UserError, match="not known"):
        build("os.system", {})


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path):
    model = TabularNetwork(**{**QUICK, "epochs": 12, "dropout": 0.2})
    matrix, labels = encoded(model, tables.number_table(60))
    whole = model.fit(matrix, labels, None, 3, seed=0).scores(matrix)

    class Stop(Exception):
        pass

    def stop(stage, done, total, note=""):
        if done >= total / 2:
            raise Stop

    with pytest.raises(Stop), trained_in(tmp_path, stop):
        model.fit(matrix, labels, None, 3, seed=0)
    assert (tmp_path / "network-1").is_dir()
    with trained_in(tmp_path):
        again = model.fit(matrix, labels, None, 3, seed=0).scores(matrix)
    assert np.array_equal(again, whole)


def test_padding_and_the_rows_beside_it_do_not_change_a_text():
    model = TabularNetwork(**{**QUICK, "epochs": 2, "texts": "words"})
    table = tables.mixed_table(40)
    matrix, labels = encoded(model, table)
    scorer = model.fit(matrix, labels, None, 3, seed=0)
    part = matrix.parts["text: note"]
    assert isinstance(part, Ragged)
    alone = np.concatenate([scorer.scores(matrix.take(np.array([row]))) for row in range(10)])
    assert np.abs(alone - scorer.scores(matrix)[:10]).max() < 1e-12


def test_they_are_families_and_read_what_they_say():
    known = families()
    assert known["tabular_network"] is TabularNetwork
    assert known["image_network"] is ImageNetwork
    assert "image columns" in str(ImageNetwork().unsuitable(tables.mixed_table()))
    with pytest.raises(UserError, match=r"model\.tabular_network: "):
        fit(Recipe(model=Choice(name="tabular_network", settings={"dropout": 2}), metric="accuracy"), xor())
