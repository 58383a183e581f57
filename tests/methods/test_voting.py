"""Votes and says: against the formulas, with ties, and the say of a family that only guesses."""

import numpy as np
import pytest
from scipy.special import comb

from melior.methods.voting import VotingScorer, says, votes
from melior.proofs import data
from melior.recipe import Recipe
from melior.trials.fit import fit


def test_says_are_log_odds():
    found = says(np.array([0.9, 0.6]), 2)
    known = np.array([np.log(9), np.log(1.5)])
    np.testing.assert_allclose(found, known / known.sum())
    four = says(np.array([0.7, 0.4]), 4)
    known = np.array([np.log(0.7 / 0.3 * 3), np.log(0.4 / 0.6 * 3)])
    np.testing.assert_allclose(four, known / known.sum())


def test_who_only_guesses_says_nothing():
    np.testing.assert_allclose(says(np.array([0.8, 0.5, 0.3]), 2), [1, 0, 0])
    np.testing.assert_allclose(says(np.array([0.5, 0.4]), 2), [0.5, 0.5]), "no one is better than guessing"
    assert np.isfinite(says(np.array([1.0, 0.0]), 2)).all()


def test_weighted_votes_are_the_likeliest_answer_of_independent_members():
    """Three members that err independently: the answer by says is right as often as the best possible rule is."""
    random = np.random.default_rng(0)
    right = np.array([0.9, 0.65, 0.65])
    truth = random.integers(0, 2, 40_000)
    given = np.where(random.random((3, len(truth))) < right[:, None], truth, 1 - truth)
    scores = np.eye(2)[given]
    answered = votes(scores, says(right, 2)).argmax(axis=1)
    likelihood = np.stack(
        [np.where(given == label, right[:, None], 1 - right[:, None]).prod(axis=0) for label in (0, 1)]
    )
    assert np.array_equal(answered, likelihood.argmax(axis=0))


def test_equal_votes_are_the_majority():
    members, probability = 5, 0.7
    random = np.random.default_rng(1)
    truth = np.zeros(60_000, dtype=int)
    given = (random.random((members, len(truth))) > probability).astype(int)
    found = (votes(np.eye(2)[given], np.full(members, 0.2)).argmax(axis=1) == truth).mean()
    known = sum(comb(members, k) * probability**k * (1 - probability) ** (members - k) for k in range(3, 6))
    assert found == pytest.approx(known, abs=0.01)


def test_ties_go_to_the_more_probable():
    scores = np.array([[[0.9, 0.1]], [[0.45, 0.55]]])
    found = votes(scores, np.array([0.5, 0.5]))
    assert found.argmax(axis=1).tolist() == [0]
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_family_that_is_worse_says_less(kind):
    """Products of columns: linear knows little of them, and is heard little."""
    random = np.random.default_rng(0)
    values = random.normal(size=(700, 2))
    import polars as pl

    frame = pl.DataFrame({"a": values[:, 0], "b": values[:, 1], "y": (values.prod(axis=1) > 0).astype(str)})
    from melior.data.read import read

    table = read(frame, target="y")
    train, test = table.take(np.arange(500)), table.take(np.arange(500, 700))
    recipe = Recipe(model="trees", metric="accuracy", methods=[{"voting": {"kind": kind}}])
    predictor = fit(recipe, train)
    assert isinstance(predictor.scorer, VotingScorer)
    assert predictor.scorer.weights[0] > 0.8
    assert (predictor.answers(test) == test.labels).mean() > 0.85


def test_equal_weights_are_equal():
    table = data.plain("wine", 0).train
    recipe = Recipe(model="linear", metric="accuracy", methods=[{"voting": {"weights": "equal"}}])
    predictor = fit(recipe, table)
    assert predictor.scorer.weights.tolist() == [0.5, 0.5]
    each = [member.scores(table) for member in predictor.scorer.members]
    np.testing.assert_allclose(predictor.scores(table), np.mean(each, axis=0))
