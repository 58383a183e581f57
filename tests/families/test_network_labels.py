"""Networks where a row may have several labels: one training, an output for each, each a probability by itself."""

from dataclasses import replace

import numpy as np
import pytest
from test_network_families import QUICK, xor

from melior.data.label_sets import LabelSets
from melior.models._base import LabelScorers
from melior.models._network import NetworkScorer
from melior.models._place import trained_in
from melior.models.tabular_network import TabularNetwork
from melior.models.text_encoder import TextEncoder
from melior.networks.fitting import stratified_part
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.trials.fit import fit


def sets(seed=0, rows=200):
    """Rows of two numbers with the labels "both or none" (XOR), "a" and "always"; some have one, some all three."""
    table = xor(rows, seed)
    a = table.numbers("a") > 0
    matrix = np.column_stack([table.labels == 1, a, np.ones(rows)]).astype(np.int8)
    schema = replace(table.schema, classes=("both or none", "a", "always"), label_sets=LabelSets(";"))
    return replace(table, schema=schema, labels=None, label_matrix=matrix)


def fitted(table, name="tabular_network", **more):
    settings = {**QUICK, **more} if name != "text_encoder" else more
    return fit(Recipe(model=Choice(name=name, settings=settings), metric="macro_f1"), table)


@pytest.mark.parametrize("more", [{}, {"attention": True}, {"stop_share": 0.2}, {"learning_rate": "found"}])
def test_one_network_learns_all_labels(more, tmp_path):
    with trained_in(tmp_path):
        predictor = fitted(sets(1), **more)
    assert isinstance(predictor.scorer.model, NetworkScorer)
    assert [path.name for path in tmp_path.iterdir()] == ["network-1"]
    test = sets(2)
    scores = predictor.scores(test)
    right = ((scores >= 0.5) == test.truth()).mean(axis=0)
    assert (right > (0.8 if more else 0.95)).all()
    assert scores.sum(axis=1).max() > 1.5
    predictor.save(tmp_path)
    np.testing.assert_array_equal(Predictor.load(tmp_path).scores(test), scores)


def test_a_row_of_weight_two_is_the_row_twice():
    """Full batches and plain gradient descent: the same steps but for rounding."""
    settings = {"epochs": 20, "batch_rows": 1000, "optimizer": "sgd", "dropout": 0, "weight_decay": 0}
    model = TabularNetwork(**{**QUICK, **settings})
    table = sets(3, 60)
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    twice = np.concatenate([np.arange(60), np.arange(0, 60, 3)])
    weights = np.where(np.arange(60) % 3 == 0, 2.0, 1.0)
    weighted = model.fit_labels(matrix, table.label_matrix, weights, seed=0).scores(matrix)
    repeated = model.fit_labels(matrix.take(twice), table.label_matrix[twice], None, seed=0).scores(matrix)
    plain = model.fit_labels(matrix, table.label_matrix, None, seed=0).scores(matrix)
    np.testing.assert_allclose(weighted, repeated, atol=1e-4)
    assert np.abs(weighted - plain).max() > 1e-3


def test_rows_put_aside_are_a_share_of_all():
    marks = np.random.default_rng(0).random((50, 4)) < 0.5
    held = stratified_part(marks.astype(np.float32), 0.2, seed=1)
    assert held.sum() == 10
    np.testing.assert_array_equal(held, stratified_part(marks.astype(np.float32), 0.2, seed=1))


def test_texts_have_several_labels_too():
    table = tables.several_labels(tables.mixed_table(150))
    text = fitted(
        table,
        "text_encoder",
        epochs=30,
        batch_rows=16,
        learning_rate=0.005,
        width=16,
        heads=2,
        depth=1,
        longest=32,
        device="cpu",
    )
    scores = text.scores(table)
    assert (((scores >= 0.5) == table.truth()).mean(axis=0)[:2] > 0.7).all()
    frozen = TextEncoder(source="not looked at: its features are there already")
    plain = TabularNetwork().encoder(table.without_columns(["note"]), scaled=False).fit(table, 0).transform(table)
    filled = replace(plain, values=np.nan_to_num(np.asarray(plain.values)))
    assert isinstance(frozen.fit_labels(filled, table.label_matrix, None, seed=0), LabelScorers)


@pytest.mark.skipif(not images.HAVE_PILLOW, reason="images need Pillow")
def test_images_have_several_labels_too():
    table = tables.several_labels(images.image_table())
    network = fit(
        Recipe(
            model=Choice(
                name="image_network",
                settings={"epochs": 5, "batch_rows": 16, "image_channels": 8, "precision": "float32"},
            ),
            metric="macro_f1",
        ),
        table,
    )
    assert (((network.scores(table) >= 0.5) == table.truth()).mean(axis=0)[:2] > 0.7).all()
