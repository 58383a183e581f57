"""Wrong labels: the estimates against what was done to the labels, and the repair against the loss."""

import numpy as np
import polars as pl
import pytest
from toys import Toy, ToyContext

from melior.data.schema import Schema
from melior.data.table import Table
from melior.methods._noise import TrueClasses, confident_joint, fit_noise, likeliest_errors, noise_matrix, posterior
from melior.methods.label_cleaning import LabelCleaning, cleaned
from melior.methods.noise_correction import NoiseCorrection, soft_rows
from melior.models.linear import Linear
from melior.models.trees import Trees
from melior.recipe import Recipe
from melior.trials.fit import fit as fit_recipe


def noisy(rows=3000, seed=0, matrix=((0.9, 0.1, 0.0), (0.0, 0.7, 0.3), (0.1, 0.1, 0.8))):
    """True classes, given labels, and the exact P(true | x)."""
    random = np.random.default_rng(seed)
    matrix = np.array(matrix)
    true = random.integers(0, 3, rows)
    centres = 2.5 * np.eye(3)
    values = random.normal(size=(rows, 3)) + centres[true]
    exact = np.exp(-((values[:, None] - centres) ** 2).sum(axis=2) / 2)
    exact /= exact.sum(axis=1, keepdims=True)
    given = np.array([random.choice(3, p=matrix[t]) for t in true], dtype=np.int32)
    return values, true, given, exact, matrix


def test_confident_joint_matches_the_oracle():
    filters = pytest.importorskip("cleanlab.count")
    _, _, given, exact, matrix = noisy()
    seen = exact @ matrix
    ours = confident_joint(given, seen)
    theirs = filters.estimate_joint(given, seen)
    np.testing.assert_allclose(ours, theirs, atol=0.01)
    assert ours.sum() == pytest.approx(1)


def test_noise_matrix_and_prior():
    joint = np.array([[0.4, 0.1], [0.0, 0.5]])
    matrix, prior = noise_matrix(joint)
    np.testing.assert_allclose(prior, [0.4, 0.6])
    np.testing.assert_allclose(matrix, [[1, 0], [1 / 6, 5 / 6]])
    np.testing.assert_allclose(matrix.sum(axis=1), 1)


def test_posterior_is_bayes():
    scores, matrix = np.array([[0.7, 0.3]]), np.array([[0.9, 0.1], [0.4, 0.6]])
    expected = np.array([0.7 * 0.1, 0.3 * 0.6])
    np.testing.assert_allclose(posterior(scores, matrix, np.array([1]))[0], expected / expected.sum())


@pytest.mark.parametrize("power", [0.6, 1.0, 1.6])
def test_fit_noise_finds_the_matrix(power):
    """Scores too flat or too sharp are put right on the way."""
    _, true, given, exact, matrix = noisy()
    scores = exact**power / (exact**power).sum(axis=1, keepdims=True)
    start, _ = noise_matrix(confident_joint(given, scores))
    found, chances = fit_noise(given, scores, start)
    np.testing.assert_allclose(found, matrix, atol=0.06)
    assert (chances.argmax(axis=1) == true).mean() > 0.93
    wrong = given != true
    flagged = likeliest_errors(given, scores, confident_joint(given, scores))
    assert wrong[flagged].mean() > 0.7


def test_cleaned_heeds_action_share_and_classes():
    labels = np.array([0, 0, 0, 1, 1, 2], dtype=np.int32)
    chances = np.array(
        [[0.9, 0.1, 0], [0.05, 0.95, 0], [0.3, 0.35, 0.35], [0.0, 1, 0], [0.4, 0.45, 0.15], [0.99, 0, 0.01]]
    )
    found = TrueClasses(chances, np.eye(3), np.array([True, False, False, True, True, False]))
    keep, changed = cleaned(labels, found, "both", 0.8, 1.0)
    assert keep.tolist() == [True, True, False, True, True, True]
    assert changed.tolist() == [0, 1, 0, 1, 1, 2], "the only row of class 2 stays what it is"
    keep, changed = cleaned(labels, found, "drop", 0.8, 1.0)
    assert keep.tolist() == [True, False, False, True, True, True]
    assert changed.tolist() == labels.tolist()
    keep, changed = cleaned(labels, found, "correct", 0.8, 1.0)
    assert keep.all()
    keep, _ = cleaned(labels, found, "drop", 0.8, 0.0)
    assert keep.all()


def test_soft_rows_sum_to_one():
    rows, classes, weights = soft_rows(np.array([[0.5, 0.49, 0.01], [1.0, 0, 0]]), 0.02)
    assert rows.tolist() == [0, 0, 1]
    assert classes.tolist() == [0, 1, 0]
    np.testing.assert_allclose(np.bincount(rows, weights), 1)


def table_of(values, labels):
    names = [f"x{j}" for j in range(values.shape[1])]
    frame = pl.DataFrame(dict(zip(names, values.T, strict=True)))
    return Table.make(frame, Schema(dict.fromkeys(names, "number"), "y", ("a", "b", "c")), labels.astype(np.int32))


@pytest.mark.parametrize("method", [LabelCleaning(), LabelCleaning(action="drop"), NoiseCorrection()])
def test_wins_back_most_of_the_loss(method):
    lost = won = 0.0
    for seed in range(3):
        values, true, given, _, _ = noisy(1000, seed)
        noise = np.random.default_rng(seed).normal(size=(1000, 25))  # columns to overfit wrong labels with
        values = np.hstack([values, noise])
        context = ToyContext(seed=seed, classes=("a", "b", "c"), model=Toy())
        train = np.arange(1000) < 400
        right = {}
        for name, table in {
            "clean": table_of(values[train], true[train]),
            "faulty": table_of(values[train], given[train]),
            "after": method.rows(table_of(values[train], given[train]), context),
        }.items():
            scorer = context.base_learner().fit(table, context)
            answers = scorer.scores(table_of(values[~train], true[~train])).argmax(axis=1)
            right[name] = (answers == true[~train]).mean()
        lost += right["clean"] - right["faulty"]
        won += right["after"] - right["faulty"]
    assert lost > 0.2
    assert won > 0.6 * lost


def test_right_labels_are_left_alone():
    values, true, _, _, _ = noisy(400)
    values = values * 2
    train = LabelCleaning().rows(table_of(values, true), ToyContext(classes=("a", "b", "c")))
    changed = 400 - train.rows + (train.labels != true[train.row_ids]).sum()
    assert changed <= 8


def test_trees_look_for_wrong_labels_briefly_and_learn_in_full(monkeypatch):
    fitted = []

    def fit(model, *rest, **more):
        fitted.append((model.rounds, model.leaves))
        return inner(model, *rest, **more)

    inner = Trees.fit
    monkeypatch.setattr(Trees, "fit", fit)
    values, _, given, _, _ = noisy(300)
    fit_recipe(Recipe(model="trees", metric="accuracy", methods=["label_cleaning"]), table_of(values, given), threads=1)
    assert fitted[-1] == (Trees().rounds, Trees().leaves)
    assert len(fitted) > 6
    assert {rounds * leaves for rounds, leaves in fitted[:-1]} == {Trees().brief().rounds * Trees().brief().leaves}


def test_what_is_quick_already_is_its_own_brief_way():
    for model in (Trees(rounds=10, leaves=8), Linear()):
        assert model.brief() is model
        assert LabelCleaning().fits(model) == LabelCleaning.cost
    assert LabelCleaning().fits(Trees()) < LabelCleaning.cost / 2
    assert NoiseCorrection().fits(Trees()) < NoiseCorrection.cost / 2
