"""Rows in what a family reads, NearMiss, RUSBoost, rare rows and feature weights against formulas and oracles."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix, issparse
from toys import ToyContext, made_table

from melior.data.schema import Schema
from melior.data.table import Table
from melior.features._base import Matrix
from melior.features.weighting import FeatureScale, learned_weights, mutual_information, variance_explained
from melior.methods._base import methods
from melior.methods._encoded import Encoded
from melior.methods._encoded_rows import between_rows, lengthened, matrix_space
from melior.methods._rows import row_space
from melior.methods.balanced_ensemble import BalancedEnsemble, m2_weights
from melior.methods.feature_weights import FeatureWeights
from melior.methods.oversampling import Oversampling
from melior.methods.rare_augmentation import RareAugmentation, rare_rows, sparseness, unlike_neighbours
from melior.methods.undersampling import Undersampling, near_miss
from melior.models._base import FamilyLearner, families
from melior.recipe import Recipe
from melior.trials.fit import fit


def blobs(rows=200, seed=0, apart=1.2):
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.2).astype(np.int32)
    return random.normal(size=(rows, 3)) + apart * labels[:, None], labels


def numbers_table(values, labels, classes=("a", "b")):
    names = [f"x{j}" for j in range(values.shape[1])]
    frame = pl.DataFrame(dict(zip(names, values.T, strict=True)))
    return Table.make(frame, Schema(dict.fromkeys(names, "number"), "y", classes), labels)


def text_table(rows=240, rare=20, seed=0):
    random = np.random.default_rng(seed)
    labels = np.zeros(rows, dtype=np.int32)
    labels[:rare] = 1
    common, special = [f"word{n}" for n in range(60)], [f"odd{n}" for n in range(12)]
    notes = [" ".join([*random.choice(common, 6), *(random.choice(special, 3) if label else [])]) for label in labels]
    return Table.make(pl.DataFrame({"note": notes}), Schema({"note": "text"}, "y", ("no", "yes")), labels)


# ---- rows in what a family reads


@pytest.mark.parametrize("sparse", [False, True])
def test_new_encoded_rows_lie_between_two_rows_of_the_class(sparse):
    values, labels = blobs()
    values = np.abs(values) * (values > 0)
    given = Matrix(csr_matrix(values) if sparse else values, list("abc"), list("abc"))
    rows = Encoded(given, labels, np.arange(1.0, 201.0))
    found = lengthened(rows, np.random.default_rng(0), ratio=1.0, k=5)
    made, answers, weights = found.matrix, found.labels, found.weights
    assert issparse(made.values) == sparse
    counts = np.bincount(answers)
    assert counts[0] == counts[1] == (labels == 0).sum()
    whole, own = made.dense(), values[labels == 1]
    assert np.array_equal(whole[:200], values), "rows that were there stay first and as they are"
    assert set(weights[200:]) <= set(np.arange(1.0, 201.0)[labels == 1])
    for row in whole[200:240]:  # on the line between two rows of the class
        to = np.linalg.norm(own - row, axis=1)
        detour = to[:, None] + to - np.linalg.norm(own[:, None] - own, axis=2) + np.eye(len(own))
        assert detour.min() < 1e-9


def test_missing_and_codes_between_rows():
    values = np.array([[0.0, 1.0, 2.0], [4.0, np.nan, 2.0], [8.0, 3.0, 0.0]])
    given = Matrix(values, list("abc"), list("abc"), categorical=(2,))
    neighbours = np.array([[1, 2], [0, 2], [0, 1]])
    made = between_rows(given, np.array([0, 2]), np.array([1, 0]), np.array([0.25, 0.5]), neighbours)
    np.testing.assert_allclose(made.values, [[1.0, 1.0, 2.0], [4.0, 2.0, 2.0]])


def test_every_column_counts_alike_in_the_space_of_a_matrix():
    random = np.random.default_rng(0)
    values = np.column_stack([1000 * random.normal(size=300), random.normal(size=(300, 2)) * [3, 4]])
    space = matrix_space(Matrix(values, list("abc"), ["one", "two", "two"]))
    np.testing.assert_allclose(space.var(axis=0), [1, 9 / 25, 16 / 25], rtol=0.2)
    np.testing.assert_allclose(space[:, 1:].var(axis=0).sum(), 1)
    coded = Matrix(np.array([[0.0], [1.0], [np.nan], [1.0]]), ["c"], ["c"], categorical=(0,))
    apart = np.linalg.norm(matrix_space(coded)[:, None] - matrix_space(coded), axis=2)
    np.testing.assert_allclose(apart, 1 - np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 0, 1]]))


def test_a_sparse_matrix_is_near_and_far_as_a_dense_one():
    values = np.abs(np.random.default_rng(1).normal(size=(80, 5))) * (np.random.default_rng(2).random((80, 5)) < 0.4)
    names = list("abcde")
    dense = np.concatenate([np.ones((80, 1)), values / values.std(axis=0)], axis=1)
    space = matrix_space(Matrix(csr_matrix(values), names, names))
    exact = np.linalg.norm(dense[:, None] - dense, axis=2)
    found = np.linalg.norm(space[:, None] - space, axis=2)
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


def test_embedded_rows_help_a_linear_model_see_a_rare_class_in_texts():
    train, test = text_table(), text_table(seed=1)
    recall = {}
    for name, methods_ in {"plain": [], "embedded": [{"oversampling": {"kind": "embedded"}}]}.items():
        predictor = fit(Recipe(model={"linear": {"c": 0.02}}, metric="macro_f1", methods=methods_), train)
        recall[name] = (predictor.answers(test)[test.labels == 1] == 1).mean()
    assert recall["plain"] < 0.3 < 0.7 < recall["embedded"]


def test_embedded_rows_are_refused_for_words_and_pixels():
    table = text_table()
    embedded = Oversampling(kind="embedded")
    network = families()["tabular_network"](texts="words")
    assert "between two of them is nothing" in embedded.unsuitable(Recipe(), table, network)
    assert embedded.unsuitable(Recipe(), table, families()["tabular_network"]()) is None
    assert "embedded" in Oversampling(kind="smote").unsuitable(Recipe(), table, families()["linear"]())


# ---- by closeness


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("seed", [2, 5])
def test_near_miss_matches_the_oracle(version, seed):
    from imblearn.under_sampling import NearMiss

    space, labels = blobs(300, seed=seed)
    wanted = int((labels == 1).sum())
    oracle = NearMiss(version=version, n_neighbors=3, n_neighbors_ver3=3)
    oracle.fit_resample(space, labels)
    theirs = set(oracle.sample_indices_) - set(np.flatnonzero(labels == 1))
    assert set(near_miss(space, labels, 1, 0, wanted, version)) == theirs


@pytest.mark.parametrize("version", [1, 2, 3])
def test_near_miss_keeps_few_as_the_oracle_does(version):
    from imblearn.under_sampling import NearMiss

    space, labels = blobs(300, seed=7, apart=0.5)
    oracle = NearMiss(version=version, n_neighbors=3, n_neighbors_ver3=3, sampling_strategy={0: 15, 1: 60})
    labels[:60], labels[60:] = 1, 0
    oracle.fit_resample(space, labels)
    theirs = set(oracle.sample_indices_) - set(range(60))
    assert len(theirs) == 15
    assert set(near_miss(space, labels, 1, 0, 15, version)) == theirs


def test_closeness_of_texts():
    table = text_table()
    linear = families()["linear"]()
    for kind in ("near_miss", "tomek"):
        method = Undersampling(kind=kind)
        assert method.unsuitable(Recipe(), table, linear) is None
        made = method.rows(table, ToyContext(classes=table.classes))
        assert set(np.unique(made.labels)) == {0, 1}
    assert (Undersampling(kind="near_miss").rows(table, ToyContext()).labels == 1).sum() == 20
    space = row_space(table)
    odd, plain = space[table.labels == 1], space[table.labels == 0]
    assert np.linalg.norm(odd.mean(axis=0) - plain.mean(axis=0)) > 0.5, "what the texts say is in the space"


# ---- boosting on balanced rows


def test_m2_weights_match_the_paper():
    """Freund and Schapire 1997, AdaBoost.M2 for two classes: the mislabels are each row's other class."""
    random = np.random.default_rng(0)
    second, labels, weights = random.uniform(0.1, 0.9, 40), random.integers(0, 2, 40), random.uniform(1, 2, 40)
    right = np.where(labels == 1, second, 1 - second)
    distribution = weights / weights.sum()
    loss = 0.5 * sum(d * (1 - h + (1 - h)) for d, h in zip(distribution, right, strict=True))
    beta = loss / (1 - loss)
    expected = distribution * beta ** (0.5 * (1 + right - (1 - right)))
    found, say = m2_weights(weights, np.column_stack([1 - second, second]), labels, 1.0)
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=1e-12)
    np.testing.assert_allclose(say, np.log(1 / beta), rtol=1e-12)
    _, guessing = m2_weights(weights, np.full((40, 3), 1 / 3), labels, 1.0)
    assert abs(guessing) < 1e-9, "a fit that guesses has no say, whatever the number of classes"


@pytest.mark.parametrize("kind", ["balanced_bagging", "easy_ensemble", "rus_boost"])
def test_members_see_balanced_rows_and_find_the_rare_class(kind):
    seen = []

    class Watching(FamilyLearner):
        def fit(self, train, context):
            seen.append(np.bincount(train.labels, minlength=2))
            return super().fit(train, context)

    values, labels = blobs(400, apart=1.5)
    kept = np.flatnonzero((labels == 0) | (np.cumsum(labels) <= 25))
    table = numbers_table(values[kept], labels[kept])
    context = ToyContext(classes=("a", "b"))
    scorer = BalancedEnsemble(kind=kind, members=4, rounds=3).learner(Watching(context.model)).fit(table, context)
    assert all(counts.tolist() == [25, 25] for counts in seen)
    assert 4 <= len(seen) <= 12
    new, truth = blobs(400, seed=3, apart=1.5)
    answers = scorer.scores(numbers_table(new, truth)).argmax(axis=1)
    plain = FamilyLearner(context.model).fit(table, context).scores(numbers_table(new, truth)).argmax(axis=1)
    assert (answers[truth == 1] == 1).mean() > 0.75 > (plain[truth == 1] == 1).mean()


# ---- weights in every family


@pytest.mark.parametrize("name", [name for name, family in families().items() if family.kinds])
def test_every_family_that_classifies_takes_class_weights(name):
    assert "row_weights" in families()[name].can
    assert methods()["class_weights"]().unsuitable(Recipe(), made_table(), families()[name]()) is None


def test_class_weights_move_a_network():
    values, labels = blobs(500, apart=1.0)
    kept = np.flatnonzero((labels == 0) | (np.cumsum(labels) <= 30))
    table = numbers_table(values[kept], labels[kept])
    new, truth = blobs(500, seed=9, apart=1.0)
    family = {"tabular_network": {"epochs": 8, "embedding": "none", "width": 16, "batch_rows": 32}}
    recall = {}
    for name, methods_ in {"plain": (), "weighted": ("class_weights",)}.items():
        predictor = fit(Recipe(model=family, metric="macro_f1", methods=methods_), table)
        recall[name] = (predictor.answers(numbers_table(new, truth))[truth == 1] == 1).mean()
    assert recall["weighted"] > recall["plain"] + 0.2


# ---- rare rows


def test_sparse_rows_are_those_far_from_their_class():
    random = np.random.default_rng(0)
    space = np.concatenate([random.normal(size=(95, 2)), random.normal(size=(5, 2)) + 6, random.normal(size=(50, 2))])
    labels = np.repeat([0, 1], [100, 50]).astype(np.int32)
    sparse = sparseness(space, labels, k=5)
    apart = np.linalg.norm(space[:100, None] - space[:100], axis=2)
    expected = np.sort(apart, axis=1)[:, 5]
    np.testing.assert_allclose(sparse[:100], expected / np.median(expected))
    chosen = rare_rows(sparse, labels, np.zeros(150, dtype=bool), 0.05)
    assert set(range(95, 100)) <= set(chosen)
    assert (labels[chosen] == 1).sum() == 2


def test_wrong_labels_and_impossible_values_are_not_augmented():
    random = np.random.default_rng(1)
    values = np.concatenate([random.normal(size=(150, 3)), random.normal(size=(150, 3)) + 5])
    labels = np.repeat([0, 1], 150).astype(np.int32)
    labels[:5] = 1  # in the middle of the other class
    values[155, 0] = 1e5  # no such value
    values[160] = 5 + np.array([3.0, 3.0, 3.0])  # far out and right
    table = numbers_table(values, labels)
    made = RareAugmentation(share=0.1, jitter=0.05).rows(table, ToyContext(classes=("a", "b")))
    extra = set(made.row_ids[300:])
    assert 160 in extra
    assert not extra & {0, 1, 2, 3, 4, 155}
    twice = np.bincount(made.row_ids[300:], minlength=300)
    assert set(twice[sorted(extra)]) == {2}
    moved = made.frame.to_numpy()[300:] - values[made.row_ids[300:]]
    assert 0 < np.abs(moved[:, 1:]).max() < 1
    weighted = RareAugmentation(kind="weights", share=0.1).rows(table, ToyContext(classes=("a", "b")))
    assert set(np.flatnonzero(weighted.row_weights() == 3)) == extra


def test_labels_unlike_their_neighbours():
    from scipy.stats import binomtest

    labels = np.array([0] * 90 + [1] * 10, dtype=np.int32)
    neighbours = np.zeros((100, 10), dtype=np.int64)
    neighbours[0, :4] = 95  # 6 of 10 have label 0, which 90 % of all have
    neighbours[1, :1] = 95
    neighbours[95, 0] = 96
    suspect = unlike_neighbours(neighbours, labels)
    assert suspect[0] == (binomtest(6, 10, 0.9, alternative="less").pvalue < 0.05)
    assert suspect[[0, 1, 95, 96]].tolist() == [True, False, False, True]


# ---- weights on features


def test_variance_and_information_match_the_oracles():
    from sklearn.feature_selection import f_classif
    from sklearn.metrics import mutual_info_score

    values, labels = blobs(400)
    values[:, 2] = np.random.default_rng(5).normal(size=400)
    f, _ = f_classif(values, labels)
    share = f / (f + 398)  # of F with 1 and 398 degrees of freedom
    expected = np.clip(1 - (1 - share) * 399 / 398, 0, 1)
    np.testing.assert_allclose(variance_explained(values, labels), expected, atol=1e-12)
    shifted = np.abs(values) * (values > 0.5)
    np.testing.assert_allclose(
        variance_explained(csr_matrix(shifted), labels), variance_explained(shifted, labels), atol=1e-12
    )
    present = (shifted > 0).astype(int)
    raw = np.array([mutual_info_score(labels, column) for column in present.T])
    np.testing.assert_allclose(
        mutual_information(csr_matrix(shifted), labels), np.maximum(raw - 1 / 800, 0), atol=1e-12
    )
    found = mutual_information(values, labels)
    edges = np.quantile(values[:, 0], np.linspace(0, 1, 11)[1:-1])
    cut = np.searchsorted(edges, values[:, 0], side="left")
    np.testing.assert_allclose(found[0], mutual_info_score(labels, cut) - 9 / 800, atol=1e-12)


def test_information_of_noise_is_about_nothing():
    random = np.random.default_rng(0)
    noise, labels = random.normal(size=(300, 200)), random.integers(0, 3, 300)
    uncorrected = 9 * 2 / 600
    assert np.mean(mutual_information(noise, labels)) < 0.5 * uncorrected


def test_row_weights_count_as_copies_in_what_is_learned():
    values, labels = blobs(200)
    counts = np.random.default_rng(3).integers(1, 4, 200)
    twice = np.repeat(np.arange(200), counts)
    weighted = mutual_information(values.round(), labels, counts.astype(float))
    assert np.corrcoef(weighted, mutual_information(values[twice].round(), labels[twice]))[0, 1] > 0.98


def test_learned_weights_keep_the_penalty_as_it_was():
    found = learned_weights(np.array([0.0, 0.1, 0.4]), 0.5)
    np.testing.assert_allclose(np.mean(found**2), 1)
    np.testing.assert_allclose(found / found[2], [0.1, 0.55, 1.0])
    assert np.array_equal(learned_weights(np.zeros(3), 0.5), np.ones(3))


def test_given_weights_scale_columns_and_leave_codes():
    values, labels = blobs(60)
    step = FeatureScale({"a": 3.0, "c": 2.0}, None, 0.5)
    matrix = Matrix(values, ["a", "a2", "c"], ["a", "a", "c"], categorical=(2,))
    step.fit(matrix, labels, None, 2, 0)
    np.testing.assert_allclose(step.transform(matrix).values, values * [3, 3, 1])
    sparse = step.transform(Matrix(csr_matrix(values), ["a", "a2", "c"], ["a", "a", "c"], categorical=(2,)))
    assert issparse(sparse.values)
    np.testing.assert_allclose(sparse.dense(), values * [3, 3, 1])


def test_a_column_of_weight_0_says_nothing_in_linear_models_and_trees():
    values, labels = blobs(300, apart=2.0)
    table = numbers_table(values, labels)
    other = numbers_table(values + np.array([50.0, 0, 0]), labels)
    for family in ("linear", "trees"):
        chosen = {"feature_weights": {"weights": {"x0": 0}, "learn": False}}
        predictor = fit(Recipe(model=family, metric="macro_f1", methods=[chosen]), table)
        np.testing.assert_array_equal(predictor.scores(table), predictor.scores(other))
        plain = fit(Recipe(model=family, metric="macro_f1"), table)
        assert np.abs(plain.scores(table) - plain.scores(other)).max() > 0.1


def test_trees_turn_to_a_column_that_weighs_more():
    values, labels = blobs(300, apart=1.5)
    table = numbers_table(values, labels)
    moved = {}
    for weight in (0.02, 1, 5):
        chosen = {"feature_weights": {"weights": {"x0": weight}, "learn": False}}
        predictor = fit(Recipe(model="trees", metric="macro_f1", methods=[chosen]), table)
        other = numbers_table(np.column_stack([np.zeros(300), values[:, 1:]]), labels)
        moved[weight] = np.abs(predictor.scores(table) - predictor.scores(other)).mean()
    assert moved[0.02] < 0.7 * moved[1] < moved[5]


def test_trees_that_go_on_weigh_columns_as_before():
    values, labels = blobs(300, apart=1.5)
    matrix = Matrix(values, ["x0", "x1", "x2"], ["x0", "x1", "x2"])
    blind = families()["trees"](rounds=5, gains={"x0": 0.0})
    start = blind.fit(matrix, labels, None, 2, seed=0)
    scorer = blind.fit_on(start, matrix, labels, None, 2, amount=2, seed=0)
    other = Matrix(np.column_stack([np.zeros(300), values[:, 1:]]), matrix.names, matrix.sources)
    assert not np.array_equal(scorer.scores(matrix), start.scores(matrix)), "trees were added"
    assert np.array_equal(scorer.scores(matrix), scorer.scores(other)), "none of them looks at a column of weight 0"


def test_feature_weights_are_refused_where_they_change_nothing():
    table = made_table()
    network = families()["tabular_network"]
    assert "piecewise" in FeatureWeights().unsuitable(Recipe(), table, network())
    assert FeatureWeights().unsuitable(Recipe(), table, network(embedding="none")) is None
    assert "colour" in FeatureWeights(weights={"colour": 2}).unsuitable(Recipe(), table, network(embedding="none"))
    assert "by itself" in FeatureWeights().unsuitable(Recipe(), table, families()["trees"]())
    assert FeatureWeights(weights={"x0": 2}).unsuitable(Recipe(), table, families()["trees"]()) is None
    assert '"z"' in FeatureWeights(weights={"z": 2}).unsuitable(Recipe(), table, families()["linear"]())
