"""Sparse dropout, sparse augmentation, sparse coding and L1 selection against formulas, oracles and known answers."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from scipy.sparse import random as random_sparse
from toys import made_table

from melior.features._base import Matrix
from melior.features.coding import SparseCoding, drawn, learnt_dictionary, sparse_codes, sparse_components
from melior.features.parts import Ragged
from melior.features.selection import L1Features, scaled, strongest
from melior.methods._base import methods
from melior.methods._encoded import Encoded, nothing_sparse, sparse_features
from melior.methods.sparse_augmentation import chances, mates_of, swapped
from melior.methods.sparse_dropout import dropped
from melior.models.linear import Linear
from melior.models.tabular_network import TabularNetwork
from melior.models.trees import Trees
from melior.recipe import Choice, Recipe
from melior.storage import load_fitted, save_fitted
from melior.testing import tables
from melior.trials.fit import fit


def matrix_of(values, **more):
    names = [f"f{j}" for j in range(values.shape[1])]
    return Matrix(values, names, names, **more)


def sparse_rows(rows=400, features=300, density=0.05, seed=0):
    return random_sparse(rows, features, density=density, format="csr", random_state=np.random.RandomState(seed))


# ---- which features are sparse


def test_a_feature_is_sparse_where_most_rows_have_none():
    values = np.column_stack([np.r_[np.ones(4), np.zeros(6)], np.ones(10), np.arange(10) % 2, np.zeros(10)])
    assert sparse_features(matrix_of(values)).tolist() == [True, False, False, True]
    assert sparse_features(matrix_of(csr_matrix(values))).tolist() == [True, False, False, True]
    assert sparse_features(matrix_of(values, categorical=(0,))).tolist() == [False, False, False, True]


# ---- dropout


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_dropout_leaves_out_what_is_present_and_keeps_the_mean(sparse, rate):
    before = sparse_rows(4000, 40, 0.2)
    matrix = matrix_of(before if sparse else before.toarray())
    made = dropped(matrix, rate, np.random.default_rng(0))
    assert issparse(made.values) == sparse
    was, now = before.toarray(), made.dense()
    assert not now[was == 0].any(), "what is absent stays so"
    kept = now[was != 0] != 0
    assert abs(kept.mean() - (1 - rate)) < 0.01
    np.testing.assert_allclose(now[now != 0], was[now != 0] / (1 - rate))
    np.testing.assert_allclose(now.sum(axis=0), was.sum(axis=0), rtol=0.2)
    if sparse:
        assert made.values.nnz == kept.sum(), "no zeros are stored"
    np.testing.assert_array_equal(before.toarray(), was, "the rows themselves are not changed")


def test_dropout_leaves_numbers_alone_and_takes_codes_and_tokens():
    random = np.random.default_rng(1)
    values = np.column_stack([random.normal(size=2000), random.integers(0, 5, 2000)])
    tokens = Ragged.of(random.integers(0, 9, 8000), np.tile([0, 3, 5, 8], 500))
    made = dropped(matrix_of(values, categorical=(1,), parts={"text: t": tokens}), 0.4, random)
    np.testing.assert_array_equal(made.values[:, 0], values[:, 0])
    assert abs(np.isnan(made.values[:, 1]).mean() - 0.4) < 0.05
    known = np.isfinite(made.values[:, 1])
    np.testing.assert_array_equal(made.values[known, 1], values[known, 1])
    left = made.parts["text: t"]
    assert abs(left.lengths.sum() / 8000 - 0.6) < 0.03
    assert (left.lengths <= tokens.lengths).all()
    for row in range(50):  # what is left stands in its order
        own = iter(tokens.take(np.array([row])).flat.tolist())
        assert all(token in own for token in left.take(np.array([row])).flat.tolist())


def test_copies_weigh_what_the_rows_weighed():
    rows = Encoded(matrix_of(sparse_rows(30)), np.arange(30) % 2, np.arange(1.0, 31))
    made = methods()["sparse_dropout"](copies=4).copied(rows, np.random.default_rng(0))
    assert made.matrix.rows == 120
    np.testing.assert_allclose(np.bincount(np.tile(np.arange(30), 4), made.weights), rows.weights)
    np.testing.assert_array_equal(made.labels, np.tile(rows.labels, 4))


def test_many_copies_are_the_adaptive_penalty():
    """Dropout of a logistic fit is, to second order, ridge that is weaker on features of sure rows (Wager et al.):
    the weights of many copies come close to those of that penalty, and not to those without it."""
    from scipy.optimize import minimize

    random = np.random.default_rng(2)
    values = (random.random((600, 8)) < 0.3) * 1.0
    margin = values @ np.array([2.0, -2, 1, -1, 0.5, 0, 0, 0]) - 0.2
    labels = (random.random(600) < 1 / (1 + np.exp(-margin))).astype(np.int32)
    rate, rows = 0.3, Encoded(matrix_of(csr_matrix(values)), labels, None)
    made = methods()["sparse_dropout"](copies=50, rate=rate).copied(rows, random)
    found = Linear(c=1e4).fit(made.matrix, made.labels, made.weights, 2, seed=0).coef[0]
    plain = Linear(c=1e4).fit(rows.matrix, labels, None, 2, seed=0).coef[0]

    def loss(weights):
        said = values @ weights[:8] + weights[8]
        sure = 1 / (1 + np.exp(-said))
        noise = 0.5 * rate / (1 - rate) * (sure * (1 - sure)) @ (values**2 @ weights[:8] ** 2)
        return (np.logaddexp(0, said) - labels * said).sum() + noise

    expected = minimize(loss, np.zeros(9), method="BFGS").x[:8]
    assert np.abs(found - expected).max() < 0.4 * np.abs(plain - expected).max()


# ---- augmentation


def test_chances_are_even_and_agree_on_a_pair():
    rows, features = np.repeat(np.arange(300), 200), np.tile(np.arange(200), 300)
    found = chances(rows, features, 5)
    assert abs(found.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.01
    assert abs(np.histogram(found, 20, (0, 1))[0] / len(found) - 0.05).max() < 0.005
    some = np.random.default_rng(0).permutation(len(rows))[:500]
    np.testing.assert_array_equal(chances(rows[some], features[some], 5), found[some])
    assert np.abs(found - chances(rows, features, 6)).mean() > 0.2


def test_mates_are_other_rows_of_the_class():
    labels = np.array([0] * 50 + [1] * 20 + [2])
    mates = mates_of(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(labels[mates], labels)
    assert (mates[:70] != np.arange(70)).all()
    assert mates[70] == 70
    counts = np.bincount(mates[:50], minlength=50)
    assert counts.max() < 8


@pytest.mark.parametrize("sparse", [True, False])
def test_new_rows_hold_what_one_of_the_two_has_there(sparse):
    values = sparse_rows(500, 60, 0.2, seed=3)
    matrix = matrix_of(values if sparse else values.toarray())
    random = np.random.default_rng(4)
    seeds, mates = np.arange(500), random.permutation(500)
    made = swapped(matrix, seeds, mates, 0.3, 0.0, random)
    assert issparse(made.values) == sparse
    now, own, other = made.dense(), values.toarray(), values.toarray()[mates]
    assert ((now == own) | (now == other)).all()
    differs = own != other
    assert abs((now == other)[differs].mean() - 0.3) < 0.01
    filled = (now != 0).mean() / (own != 0).mean()
    assert abs(filled - 1) < 0.05, "as sparse as the rows themselves"
    thinned = swapped(matrix, seeds, mates, 0.0, 0.25, random).dense()
    assert not thinned[own == 0].any()
    assert abs((thinned[own != 0] != 0).mean() - 0.75) < 0.02


def test_new_rows_keep_numbers_and_mix_codes_and_tokens():
    random = np.random.default_rng(5)
    values = np.column_stack([random.normal(size=800), np.arange(800)])
    tokens = Ragged.of(np.repeat(np.arange(800), 5), np.full(800, 5))
    matrix = matrix_of(values, categorical=(1,), parts={"text: t": tokens})
    seeds, mates = np.arange(800), np.roll(np.arange(800), 1)
    made = swapped(matrix, seeds, mates, 0.4, 0.0, random)
    np.testing.assert_array_equal(made.values[:, 0], values[:, 0])
    assert set((made.values[:, 1] - np.arange(800)).tolist()) <= {0.0, -1.0, 799.0}
    assert abs((made.values[:, 1] != np.arange(800)).mean() - 0.4) < 0.06
    words = made.parts["text: t"]
    rows = np.repeat(np.arange(800), words.lengths)
    assert np.isin((words.flat - rows) % 800, [0, 799]).all(), "tokens of the row and of its mate, in the right row"
    assert abs((words.flat != rows).mean() - 0.4) < 0.05


def test_all_rows_together_weigh_as_before():
    rows = Encoded(matrix_of(sparse_rows(40)), np.arange(40) % 3, None)
    made = methods()["sparse_augmentation"](share=2.5, weight=0.2).enlarged(rows, np.random.default_rng(0))
    assert made.matrix.rows == 140
    assert made.weights.sum() == pytest.approx(40)
    assert made.weights[40] / made.weights[0] == pytest.approx(0.2)
    assert (np.bincount(made.labels[40:]) > 20).all()
    np.testing.assert_array_equal(made.matrix.values[:40].toarray(), rows.matrix.values.toarray())


# ---- both, around families


SPARSE_NETWORK = {"texts": "words", "epochs": 2, "width": 8, "depth": 1, "embedding": "none"}


@pytest.mark.parametrize("name", ["sparse_dropout", "sparse_augmentation"])
@pytest.mark.parametrize("family", ["linear", "trees", {"tabular_network": SPARSE_NETWORK}])
def test_every_family_and_both_together(name, family):
    table = tables.mixed_table(90)
    method = Choice(name=name, settings={"copies": 2} if name == "sparse_dropout" else {})
    recipe = Recipe(model=family, metric="macro_f1").with_methods(method)
    one, other = fit(recipe, table), fit(recipe, table)
    np.testing.assert_array_equal(one.scores(table), other.scores(table))
    assert not np.array_equal(one.scores(table), fit(Recipe(model=family, metric="macro_f1"), table).scores(table))
    if family == "linear":
        both = recipe.with_methods(
            "sparse_dropout", "sparse_augmentation", Choice(name="bagging", settings={"members": 2})
        )
        assert fit(both, table).scores(table).shape == (90, 3)


def test_what_has_nothing_sparse_is_refused():
    table = tables.number_table(40)
    assert "numbers are present in every row" in nothing_sparse(table, Linear())
    texts = tables.table_of(
        {"note": ["a b", "c d"] * 10}, {"note": "text"}, np.arange(20, dtype=np.int32) % 2, ("x", "y")
    )
    assert nothing_sparse(texts, Linear()) is None
    assert "few dimensions" in nothing_sparse(texts, Trees())
    assert "texts: words" in nothing_sparse(texts, TabularNetwork())
    assert nothing_sparse(texts, TabularNetwork(texts="words")) is None


# ---- sparse coding


def made_of_patterns(rows=1500, atoms=20, features=30, seed=0):
    random = np.random.default_rng(seed)
    patterns = random.normal(size=(atoms, features))
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    codes = random.normal(size=(rows, atoms)) * (random.random((rows, atoms)) < 0.15)
    values = codes @ patterns + 0.02 * random.normal(size=(rows, features))
    return values / np.sqrt((values**2).sum(axis=1).mean()), patterns


def cost(values, patterns, codes, penalty):
    return (0.5 * ((values - codes @ patterns) ** 2).sum() + penalty * np.abs(codes).sum()) / len(values)


def test_codes_are_those_of_the_lasso():
    from sklearn.decomposition import sparse_encode

    values, patterns = made_of_patterns(300)
    ours = sparse_codes(values, patterns, 0.1)
    oracle = sparse_encode(values, patterns, algorithm="lasso_cd", alpha=0.1, max_iter=5000)
    np.testing.assert_allclose(ours, oracle, atol=1e-3)
    # what a code of 0 has to hold: the pattern's slope does not reach the penalty
    slope = np.abs((values - ours @ patterns) @ patterns.T)
    assert (slope[ours == 0] <= 0.1 + 1e-3).all()
    assert 0.6 < (ours == 0).mean() < 0.95
    apart = np.concatenate([sparse_codes(values[[row]], patterns, 0.1) for row in range(20)])
    np.testing.assert_allclose(apart, ours[:20], atol=1e-12)


def test_a_dictionary_finds_the_patterns_that_rows_are_made_of():
    from sklearn.decomposition import MiniBatchDictionaryLearning

    values, patterns = made_of_patterns()
    found = learnt_dictionary(values, 20, 0.1, 0)
    assert (np.linalg.norm(found, axis=1) <= 1 + 1e-9).all()
    assert np.median(np.abs(found @ patterns.T).max(axis=0)) > 0.99
    oracle = MiniBatchDictionaryLearning(20, alpha=0.1, batch_size=256, max_iter=5, fit_algorithm="cd", random_state=0)
    theirs = oracle.fit(values[:800]).components_
    ours = cost(values, found, sparse_codes(values, found, 0.1), 0.1)
    assert ours <= cost(values, theirs, sparse_codes(values, theirs, 0.1), 0.1) * 1.02


def test_sparse_components_have_few_features_and_find_blocks():
    random = np.random.default_rng(1)
    hidden = random.normal(size=(400, 3))
    blocks = np.kron(np.eye(3), np.ones((1, 5)))
    values = np.hstack([hidden @ blocks, np.zeros((400, 10))]) + 0.1 * random.normal(size=(400, 25))
    found = sparse_components(values - values.mean(axis=0), 3, 0.1, 0)
    assert sorted(tuple(np.flatnonzero(np.abs(one) > 0.1)) for one in found) == [
        tuple(range(0, 5)), tuple(range(5, 10)), tuple(range(10, 15))
    ]  # fmt: skip
    assert (found[:, 15:] == 0).all()


@pytest.mark.parametrize("kind", ["dictionary", "sparse_pca"])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_the_step(kind, sparse, beside, tmp_path):
    values = sparse_rows(300, 80, 0.1, seed=2)
    dense = values.toarray()
    dense[5, 3] = 0 if sparse else np.nan
    dense[:, 7] = np.arange(300) % 4
    matrix = matrix_of(csr_matrix(dense) if sparse else dense, categorical=(7,))
    step = SparseCoding(kind, 12, 0.1, beside=beside).fit(matrix, np.zeros(300), None, 2, 0)
    made = step.transform(matrix)
    assert made.features == len(made.names) == len(made.sources) == (92 if beside else 13)
    assert made.categorical == ((7,) if beside else (12,))
    np.testing.assert_array_equal(made.dense()[:, made.categorical[0]], dense[:, 7])
    assert made.sparse == (sparse and beside), "sparse stays sparse where the features stay"
    codes = made.dense()[:, 80:] if beside else made.dense()[:, :12]
    assert np.isfinite(codes).all()
    np.testing.assert_allclose((codes**2).mean(axis=0)[codes.any(axis=0)], 1, rtol=1e-6)
    if kind == "dictionary":
        assert (codes == 0).mean() > 0.3
    order = np.random.default_rng(0).permutation(300)[:40]
    np.testing.assert_allclose(step.transform(matrix.take(order)).dense(), made.dense()[order], atol=1e-10)
    save_fitted(step, tmp_path, "step")
    again = load_fitted(tmp_path, "step").transform(matrix).dense()
    assert again.tobytes() == made.dense().tobytes()


def test_sparse_components_of_a_sparse_matrix_are_those_of_the_dense_one():
    values = sparse_rows(200, 40, 0.2, seed=4)
    step = SparseCoding("sparse_pca", 5, 0.05, beside=False).fit(matrix_of(values), np.zeros(200), None, 2, 0)
    seen = (values.toarray()[:, step.numbers] - step.centre) / step.spread
    by_hand = np.linalg.solve(step.patterns @ step.patterns.T + 0.01 * np.eye(5), step.patterns @ seen.T).T / step.size
    np.testing.assert_allclose(step.transform(matrix_of(values)).values, by_hand, atol=1e-9)


def test_odd_rows_are_coded():
    for kind in ("dictionary", "sparse_pca"):
        for values in (np.ones((12, 3)), np.full((12, 2), np.nan), np.zeros((12, 0)), csr_matrix((12, 5))):
            step = SparseCoding(kind, None, 0.1, beside=False).fit(matrix_of(values), np.zeros(12), None, 2, 0)
            assert np.isfinite(step.transform(matrix_of(values)).values).all()


def test_rows_are_drawn_as_often_as_they_weigh():
    assert drawn(50, None, np.random.default_rng(0)).tolist() == list(range(50))
    assert drawn(50, np.full(50, 0.3), np.random.default_rng(0)).tolist() == list(range(50))
    weights = np.r_[np.ones(3000), np.full(1000, 3.0)]
    found = drawn(4000, weights, np.random.default_rng(0))
    assert abs((found >= 3000).mean() - 0.5) < 0.03


# ---- L1 selection


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("classes", [2, 4])
def test_selection_keeps_what_an_l1_fit_keeps(sparse, classes):
    """At the least of sum log-loss + s |w|_1 a feature is 0 exactly where its slope stays below s: checked by a fit
    of our own, proximal gradients in plain numpy, of each class against the rest."""
    random = np.random.default_rng(6)
    values = sparse_rows(300, 40, 0.15, seed=6).toarray() if sparse else random.normal(size=(300, 40))
    labels = (np.abs(values[:, :3]).sum(axis=1) * 3).astype(np.int64) % classes
    labels = np.where(random.random(300) < 0.1, random.integers(0, classes, 300), labels).astype(np.int32)
    matrix = matrix_of(csr_matrix(values) if sparse else values)
    found = L1Features(0.4, 0.2, 1000).fit(matrix, labels, None, classes, 0).which
    inside = scaled(matrix.values)
    inside = inside.toarray() if sparse else inside
    sure, possible = set(), set()
    for label in [1] if classes == 2 else range(classes):
        positive = labels == label
        strength = 0.4 * strongest(inside, positive, np.ones(300))
        weights, bias, step = np.zeros(40), 0.0, 1 / (0.25 * np.linalg.norm(np.c_[inside, np.ones(300)], 2) ** 2)
        for _ in range(6000):
            slack = 1 / (1 + np.exp(-(inside @ weights + bias))) - positive
            moved = weights - step * (inside.T @ slack)
            weights, bias = np.sign(moved) * np.maximum(np.abs(moved) - step * strength, 0), bias - step * slack.sum()
        slope = np.abs(inside.T @ (1 / (1 + np.exp(-(inside @ weights + bias))) - positive))
        sure |= set(np.flatnonzero(np.abs(weights) > 0.02).tolist())
        possible |= set(np.flatnonzero(slope > 0.97 * strength).tolist())
    assert sure
    assert sure <= set(found.tolist()) <= possible
    made = L1Features(0.4, 0.2, 1000).fit(matrix, labels, None, classes, 0).transform(matrix)
    assert made.sparse == sparse
    np.testing.assert_array_equal(made.dense(), values[:, found])


def test_codes_are_kept_for_what_they_stand_for_and_not_for_their_numbers():
    """The class hangs on which code it is, not on how large: the middle one of five."""
    random = np.random.default_rng(7)
    codes, other = random.integers(0, 5, 400).astype(float), random.integers(0, 5, 400).astype(float)
    values = np.column_stack([random.normal(size=400), codes, other])
    labels = (codes == 2).astype(np.int32)
    values[random.random(400) < 0.05, 1] = np.nan
    matrix = matrix_of(values, categorical=(1, 2))
    step = L1Features(0.5, 0.2, 1000).fit(matrix, labels, None, 2, 0)
    assert step.which.tolist() == [1]
    assert step.transform(matrix).categorical == (0,)


@pytest.mark.parametrize("family", ["linear", "trees", {"tabular_network": {"epochs": 3, "width": 8}}])
def test_selection_for_every_family(family):
    table = made_table(120)
    predictor = fit(Recipe(model=family, metric="macro_f1").with_methods("l1_selection"), table)
    encoding = predictor.scorer.encoding
    assert encoding.matrix_steps[0].which.size <= encoding.encoder.transform(table).features
    assert np.isfinite(predictor.scores(table)).all()
