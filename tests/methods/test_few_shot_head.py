"""Heads for few rows a class: nearest class means against the formulas, and both heads on a frozen encoder."""

import numpy as np
import pytest

pytest.importorskip("torch")

from melior.errors import UserError
from melior.features._base import Matrix
from melior.methods.few_shot_head import (
    FewShotHead,
    PrototypeScorer,
    distances,
    left_out,
    prototypes,
    unit,
)
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.testing import method_suite, tables
from melior.testing.promises import kept_bit_for_bit
from melior.trials.fit import fit


def matrix_of(values):
    names = [str(n) for n in range(values.shape[1])]
    return Matrix(values, names, names)


def test_prototypes_are_weighted_means():
    random = np.random.default_rng(0)
    values, codes, weights = random.normal(size=(30, 4)), np.arange(30) % 3, random.uniform(0.5, 2, 30)
    found = prototypes(values, codes, weights, 3)
    for code in range(3):
        own = codes == code
        np.testing.assert_allclose(found[code], np.average(values[own], axis=0, weights=weights[own]))


def test_distances_are_those_of_scipy():
    from scipy.spatial.distance import cdist

    random = np.random.default_rng(1)
    one, other = random.normal(size=(20, 5)), random.normal(size=(3, 5))
    np.testing.assert_allclose(distances(one, other), cdist(one, other, "sqeuclidean"), atol=1e-10)


def test_a_row_is_left_out_of_its_own_mean():
    random = np.random.default_rng(2)
    values, codes, weights = random.normal(size=(9, 3)), np.array([0, 0, 0, 1, 1, 1, 1, 1, 2]), np.ones(9)
    found = left_out(values, codes, weights, prototypes(values, codes, weights, 3))
    for row in range(8):
        rest = np.delete(np.arange(9), row)
        mean = values[rest][codes[rest] == codes[row]].mean(axis=0)
        assert found[row, codes[row]] == pytest.approx(((values[row] - mean) ** 2).sum())
    assert np.isnan(found[8, 2])


def test_the_nearest_mean_is_the_answer():
    random = np.random.default_rng(3)
    centres = random.normal(size=(4, 6))
    labels = random.integers(0, 4, 200).astype(np.int32)
    values = centres[labels] + 0.2 * random.normal(size=(200, 6))
    scorer = PrototypeScorer.fitted(matrix_of(values[:40]), labels[:40], None, 5)
    scores = scorer.scores(matrix_of(values))
    assert scores.shape == (200, 5)
    assert (scores[:, 4] == 0).all(), "a class without rows"
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    seen = unit(values - values[:40].mean(axis=0))
    means = np.stack([seen[:40][labels[:40] == code].mean(axis=0) for code in range(4)])
    assert np.array_equal(scores.argmax(axis=1), distances(seen, means).argmin(axis=1))
    assert (scores.argmax(axis=1) == labels).mean() > 0.95


def test_probabilities_are_as_sure_as_they_are_right():
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 2200).astype(np.int32)
    values = np.array([[0.4, 0.0], [-0.4, 0.0]])[labels] + random.normal(size=(2200, 2))
    scorer = PrototypeScorer.fitted(matrix_of(values[:200]), labels[:200], None, 2)
    scores = scorer.scores(matrix_of(values[200:]))
    right = scores.argmax(axis=1) == labels[200:]
    assert scores.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.08)


def test_copies_of_a_row_make_nobody_sure():
    """A row that is left out takes its copies along: five of each row say no more than one."""
    random = np.random.default_rng(8)
    values, labels, ids = random.normal(size=(12, 30)), np.repeat([0, 1], 6), np.arange(12)
    once = PrototypeScorer.fitted(matrix_of(values), labels, None, 2, ids)
    five = PrototypeScorer.fitted(matrix_of(np.tile(values, (5, 1))), np.tile(labels, 5), None, 2, np.tile(ids, 5))
    new = matrix_of(random.normal(size=(40, 30)))
    assert np.allclose(five.scores(new), once.scores(new), atol=1e-9)
    assert once.scores(new).max() < 0.9, "pure chance is not sure"
    alone = PrototypeScorer.fitted(matrix_of(values[[0, 0, 6, 7]]), labels[[0, 0, 6, 7]], None, 2, ids[[0, 0, 6, 7]])
    assert np.isfinite(alone.scores(new)).all()


# ---- on a frozen encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from melior.networks.scratch import small_encoder
    from melior.networks.tokenizers import train_tokenizer

    path = tmp_path_factory.mktemp("encoder")
    texts = [text for text in tables.mixed_table().column("note").to_list() if text]
    tokenizer = train_tokenizer(texts, vocabulary=400, limit=32)
    small_encoder(len(tokenizer), width=16, depth=1, heads=2, context=32, seed=4).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MELIOR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["prototype", "logistic"])
def test_a_head_on_texts(folder, kind):
    table = tables.mixed_table()
    recipe = Recipe(model={"text_encoder": {"source": folder}}, metric="macro_f1",
                    methods=[{"few_shot_head": {"kind": kind}}])  # fmt: skip
    predictor = fit(recipe, table.take(np.arange(60)))
    assert (predictor.answers(table) == table.labels).mean() > 0.5
    kept_bit_for_bit(predictor, table, fresh=False)
    other = Recipe(
        model="text_encoder", metric="macro_f1", methods=[{"few_shot_head": {"kind": kind, "source": folder}}]
    )
    assert np.array_equal(fit(other, table.take(np.arange(60))).scores(table), predictor.scores(table))


def test_one_row_of_each_class_is_enough(folder):
    table = tables.mixed_table()
    recipe = Recipe(model={"text_encoder": {"source": folder}}, metric="macro_f1", methods=["few_shot_head"])
    one = np.concatenate([[np.flatnonzero(table.labels == label)[0]] * 4 for label in range(3)])
    predictor = fit(recipe, table.take(one))
    assert isinstance(predictor, Predictor)
    assert np.isfinite(predictor.scores(table)).all()


def test_what_cannot_be_is_refused_with_a_reason(folder):
    table = tables.mixed_table()
    with pytest.raises(UserError, match="no pretrained form"):
        fit(Recipe(model="linear", metric="macro_f1", methods=["few_shot_head"]), table)
    with pytest.raises(UserError, match="no pretrained model is named"):
        fit(Recipe(model="text_encoder", metric="macro_f1", methods=["few_shot_head"]), table)
    both = [{"few_shot_head": {"source": folder}}, {"transfer_learning": {"source": folder, "trained": "all"}}]
    with pytest.raises(UserError, match="take one of them out"):
        fit(Recipe(model="text_encoder", metric="macro_f1", methods=both), table)


def test_the_promises_of_methods_hold(folder):
    suite = method_suite(FewShotHead, settings=[{"source": folder}])
    for name in ("test_held_out_rows_and_luck_change_nothing", "test_rows_have_no_order", "test_kept_bit_for_bit",
                 "test_answers_any_rows", "test_several_labels"):  # fmt: skip
        getattr(suite(), name)()
