"""Class weights, over- and undersampling, deduplication and bootstrap draws against their formulas and an oracle."""

import numpy as np
import polars as pl
import pytest
from toys import ToyContext, made_table

from melior.data.schema import Schema
from melior.data.table import Table
from melior.methods._rows import groups_of_equal_rows, mixed_space, none_emptied
from melior.methods._sampling import between, commonest_of_neighbours, dealt, missing_rows, smote_pairs
from melior.methods.bagging import drawn
from melior.methods.boosting import samme_r_scores, samme_r_weights
from melior.methods.class_weights import ClassWeights, class_weights
from melior.methods.deduplication import Deduplication, first_of_each
from melior.methods.oversampling import Oversampling
from melior.methods.undersampling import Undersampling, distance_to_class, most_rows, tomek_links


def blobs(rows=200, seed=0):
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.2).astype(np.int32)
    return random.normal(size=(rows, 3)) + 1.2 * labels[:, None], labels


def numbers_table(values, labels, classes=("a", "b")):
    names = [f"x{j}" for j in range(values.shape[1])]
    frame = pl.DataFrame(dict(zip(names, values.T, strict=True)))
    return Table.make(frame, Schema(dict.fromkeys(names, "number"), "y", classes), labels)


def test_class_weights_match_the_formula():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 6 + [1] * 3 + [3])
    found = class_weights(labels, 5, 1.0)
    np.testing.assert_allclose(
        found[[0, 1, 3]], compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    )
    assert found[2] == found[4] == 0
    half = class_weights(labels, 5, 0.5)
    np.testing.assert_allclose(half[0] / half[3], (1 / 6) ** 0.5)
    np.testing.assert_allclose(half[labels].mean(), 1)
    np.testing.assert_allclose(class_weights(labels, 5, 0.0)[[0, 1, 3]], 1)


def test_class_weights_multiply_what_is_there():
    table = made_table(share=[0.7, 0.2, 0.1]).with_weights(np.full(160, 2.0))
    train = ClassWeights().rows(table, ToyContext())
    sums = np.bincount(train.labels, weights=train.weights)
    np.testing.assert_allclose(sums, sums[0])


def test_missing_rows_and_dealing():
    assert missing_rows(np.array([0] * 10 + [1] * 3), 3, 1.0).tolist() == [0, 7, 0]
    assert missing_rows(np.array([0] * 10 + [1] * 3), 3, 0.5).tolist() == [0, 2, 0]
    rows = dealt(np.array([4, 7, 9]), 8, np.random.default_rng(0))
    assert sorted(np.bincount(rows, minlength=10)[[4, 7, 9]]) == [2, 3, 3]


def test_smote_lies_between_a_row_and_a_near_neighbour():
    space, labels = blobs()
    own = space[labels == 1]
    seeds, mates, shares, neighbours = smote_pairs(own, 5, 60, np.random.default_rng(0))
    distances = np.linalg.norm(own[:, None] - own[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(np.sort(neighbours), np.sort(np.argsort(distances, axis=1)[:, :5]))
    assert all(mate in neighbours[seed] for seed, mate in zip(seeds, mates, strict=True))
    assert ((shares >= 0) & (shares <= 1)).all()


def test_smote_has_the_properties_of_the_oracle():
    from imblearn.over_sampling import SMOTE

    space, labels = blobs(400)
    made = Oversampling(kind="smote").rows(numbers_table(space, labels), ToyContext())
    theirs, their_labels = SMOTE(random_state=0).fit_resample(space, labels)
    assert np.bincount(made.labels).tolist() == np.bincount(their_labels).tolist()
    ours = made.frame.to_numpy()[len(space) :]
    theirs = theirs[len(space) :]
    assert (made.labels[len(space) :] == 1).all()
    assert np.array_equal(made.frame.to_numpy()[: len(space)], space), "rows that were there stay first and as they are"
    error = theirs.std(axis=0) / np.sqrt(int((labels == 1).sum()))
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 2 * error).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.15)
    own = space[labels == 1]
    for row in ours[:20]:  # on the line between two rows of the class
        to = np.linalg.norm(own - row, axis=1)
        detour = to[:, None] + to - np.linalg.norm(own[:, None] - own, axis=2) + np.eye(len(own))
        assert detour.min() < 1e-9


def test_smote_of_mixed_columns():
    table = made_table(rows=200, share=[0.8, 0.1, 0.1])
    whole = table.with_frame(table.frame.with_columns((pl.col("x1") * 3).round().alias("x1")))
    made = Oversampling(kind="smote").rows(whole, ToyContext(seed=3))
    new = made.take(np.arange(200, made.rows))
    assert new.rows == 2 * np.bincount(table.labels)[0] - (np.bincount(table.labels)[1:]).sum()
    assert set(new.column("colour").drop_nulls()) <= {"red", "green", "blue"}
    assert np.array_equal(new.numbers("x1"), np.round(new.numbers("x1"))), "whole numbers stay whole"
    notes = dict(zip(table.row_ids, table.column("note"), strict=True))
    assert [notes[row] for row in new.row_ids] == new.column("note").to_list(), "a text is its seed's"
    labels = dict(zip(table.row_ids, table.labels, strict=True))
    assert [labels[row] for row in new.row_ids] == new.labels.tolist()


def test_between_and_votes():
    values = np.array([0.0, 10.0, np.nan])
    np.testing.assert_allclose(
        between(values, np.array([0, 0, 2]), np.array([1, 2, 0]), np.full(3, 0.25)), [2.5, 0, np.nan]
    )
    codes = np.array([0, 1, 1, 2])
    votes = commonest_of_neighbours(codes, np.array([[1, 2, 3], [0, 3, 3], [0, 1, 3], [0, 1, 2]]))
    assert votes.tolist() == [1, 2, 1, 1], "the commonest; of equals the row's own"


def test_tomek_links_match_the_oracle():
    from imblearn.under_sampling import TomekLinks

    space, labels = blobs(300, seed=4)
    links = tomek_links(space, labels)
    oracle = TomekLinks(sampling_strategy="all")
    oracle.fit_resample(space, labels)
    assert set(links.ravel()) == set(range(300)) - set(oracle.sample_indices_)
    assert (labels[links[:, 0]] != labels[links[:, 1]]).all()


def test_near_miss_matches_the_oracle():
    from imblearn.under_sampling import NearMiss

    space, labels = blobs(300, seed=2)
    distance = distance_to_class(space, labels, 1, 3)
    majority = np.flatnonzero(labels == 0)
    kept = majority[np.argsort(distance[majority], kind="stable")[: (labels == 1).sum()]]
    oracle = NearMiss(version=1, n_neighbors=3)
    oracle.fit_resample(space, labels)
    assert set(kept) == set(oracle.sample_indices_) - set(np.flatnonzero(labels == 1))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [3, 3, 3]), (0.5, [6, 4, 3])])
def test_undersampling_counts(ratio, expected):
    labels = np.repeat([0, 1, 2], [20, 4, 3]).astype(np.int32)
    assert most_rows(labels, 3, ratio).tolist() == expected
    values = np.random.default_rng(0).normal(size=(27, 2))
    for kind in ("random", "near_miss"):
        train = Undersampling(kind=kind, ratio=ratio).rows(numbers_table(values, labels, ("a", "b", "c")), ToyContext())
        assert np.bincount(train.labels).tolist() == expected


def test_links_of_two_common_classes_stay():
    """Rows are dropped where they stand beside the rarest class, and nowhere else."""
    values = np.array([0.0, 0.1, 1.0, 1.1, 5.0, 5.1, 6.0, 6.1, 9.0, 9.1, 20.0, 21.0])[:, None]
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 0, 2, 1, 0, 1], dtype=np.int32)  # 0 beside 1 three times, 2 beside 1 once
    train = Undersampling(kind="tomek").rows(numbers_table(values, labels, ("a", "b", "c")), ToyContext())
    assert train.row_ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11]


def test_a_category_of_very_many_values_places_rows():
    """The 200 commonest values are told apart, at the distance of any two values; the others are one."""
    values = [f"v{n}" for n in range(250) for _ in range(1 if n % 5 == 0 else 2)]  # 50 of one row
    labels = (np.arange(len(values)) % 4 == 0).astype(np.int32)
    table = Table.make(pl.DataFrame({"c": values}), Schema({"c": "category"}, "y", ("a", "b")), labels)
    space = mixed_space(table)
    apart = ((space[:, None] - space[None]) ** 2).sum(axis=2)
    named = np.array([int(value[1:]) % 5 == 0 for value in values])  # the rare ones
    same = np.equal.outer(values, values) | np.logical_and.outer(named, named)
    assert np.allclose(apart, ~same)
    for kind in ("tomek", "near_miss"):
        kept = Undersampling(kind=kind).rows(table, ToyContext())
        assert (kept.labels == 1).sum() == labels.sum()


def test_deduplication():
    groups = np.array([0, 1, 0, 2, 2, 2, 3, 3, 4])
    labels = np.array([0, 1, 0, 1, 0, 1, 0, 1, -1])
    kept = {how: np.flatnonzero(first_of_each(groups, labels, how)).tolist() for how in ("majority", "drop", "each")}
    assert kept == {"majority": [0, 1, 3, 8], "drop": [0, 1, 8], "each": [0, 1, 3, 4, 6, 7, 8]}
    table = made_table()
    twice = table.take(np.concatenate([np.arange(160), [5, 5, 9]]))
    assert groups_of_equal_rows(twice)[[160, 161, 162]].tolist() == [5, 5, 9]
    assert np.array_equal(Deduplication().rows(twice, ToyContext()).row_ids, table.row_ids)


def test_equal_rows_know_missing_values():
    frame = pl.DataFrame({"x": [None, 1.0, None, 1.0], "c": ["a", None, "a", None]})
    table = Table.make(frame, Schema({"x": "number", "c": "category"}, "y", ("0", "1")), np.zeros(4, dtype=np.int32))
    assert groups_of_equal_rows(table).tolist() == [0, 1, 0, 1]


def test_none_emptied():
    labels = np.array([0, 0, 1, 1, 2])
    keep = none_emptied(labels, np.array([True, False, False, False, False]), np.array([1, 2, 3, 4, 5.0]))
    assert keep.tolist() == [True, False, False, True, True]
    assert none_emptied(labels, np.zeros(5, dtype=bool), np.arange(5.0), least=2).all()


def test_mixed_space_knows_scales_and_categories():
    frame = pl.DataFrame({"x": [0.0, 1000.0, 2000.0, None], "c": ["a", "b", "a", None]})
    table = Table.make(frame, Schema({"x": "number", "c": "category"}, "y", ("0", "1")), np.zeros(4, dtype=np.int32))
    space = mixed_space(table)
    assert space[3, 0] == 0, "missing is the median"
    np.testing.assert_allclose(np.linalg.norm(space[0, 1:] - space[1, 1:]), 1)


def test_bootstrap_keeps_every_class():
    labels = np.repeat([0, 1], [50, 3])
    random = np.random.default_rng(0)
    for _ in range(20):
        rows = drawn(labels, 1.0, True, False, random)
        assert np.bincount(labels[rows]).tolist() == [50, 3]
    assert np.bincount(labels[drawn(labels, 1.0, False, True, random)]).tolist() == [3, 3]
    assert len(set(drawn(labels, 0.5, False, False, random))) == 27


def test_samme_r_for_two_classes_is_real_boosting():
    """With two classes the weights are exp(-rate / 2 * y log(p / (1 - p))), Friedman, Hastie and Tibshirani 2000."""
    random = np.random.default_rng(1)
    second, labels, weights = random.uniform(0.1, 0.9, 30), random.integers(0, 2, 30), random.uniform(1, 2, 30)
    found = samme_r_weights(weights, np.column_stack([1 - second, second]), labels, 0.7)
    expected = weights * np.exp(-0.35 * (2 * labels - 1) * np.log(second / (1 - second)))
    np.testing.assert_allclose(found, expected / expected.mean())
    one, two = random.dirichlet([1, 1, 1], 5), random.dirichlet([1, 1, 1], 5)
    expected = np.sqrt(one * two)
    np.testing.assert_allclose(samme_r_scores([one, two]), expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
