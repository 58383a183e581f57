"""Sealing and folds: nothing twice, classes alike, groups whole, time forward, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data import deal
from melior.data.read import read
from melior.data.splits import folds, group_numbers, lonely_classes, repeats_for, seal
from melior.errors import UserError
from melior.recipe import Split


def made(labels, seed=0, **columns):
    return read(
        {"x": np.arange(len(labels)) % 7, **columns, "y": list(labels)},
        target="y",
        columns=dict.fromkeys(columns, "category"),
    )


def example(rows=600):
    rng = np.random.default_rng(1)
    labels = rng.choice(["a", "b", "rare"], rows, p=[0.6, 0.35, 0.05])
    days = [f"2024-{1 + d // 28:02d}-{1 + d % 28:02d}" for d in rng.integers(0, 200, rows)]
    return made(labels, group=[f"g{g}" for g in rng.integers(0, 60, rows)], day=days)


SPLITS = [
    Split(repeats=1),
    Split(kind="random", sealed=0.3, repeats=1),
    Split(kind="stratified", folds=3, repeats=3),
    Split(kind="group", column="group", repeats=2),
    Split(kind="time", column="day"),
]


def test_few_rows_are_scored_more_often_unless_the_recipe_says_how_often():
    assert [repeats_for(Split(), rows) for rows in (20, 1_200, 1_500, 3_000, 6_000, 10**6)] == [5, 5, 4, 2, 1, 1]
    assert [repeats_for(Split(repeats=2), rows) for rows in (20, 10**6)] == [2, 2]
    assert len(folds(made(["a", "b"] * 20), Split(), 0)) == 25


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.kind)
def test_each_row_is_in_one_part(split):
    table = example()
    development, sealed = seal(table, split, 0)
    assert np.array_equal(np.sort(np.concatenate([development, sealed])), np.arange(len(table)))
    assert sealed.size / len(table) == pytest.approx(split.sealed, abs=0.02)
    rest = table.take(development)
    made_folds = folds(rest, split, 0)
    for fold in made_folds:
        assert not np.intersect1d(fold.train, fold.test).size
        assert fold.train.dtype == fold.test.dtype == np.int64
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.test) > 0).all()
    if split.kind == "time":
        return
    assert [(f.repeat, f.number) for f in made_folds] == [
        (r, n) for r in range(split.repeats) for n in range(split.folds)
    ]
    for repeat in range(split.repeats):
        tested = np.concatenate([f.test for f in made_folds if f.repeat == repeat])
        assert np.array_equal(np.sort(tested), np.arange(len(rest)))


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.kind)
def test_the_seed_decides(split):
    table = example()

    def said(seed):
        return [seal(table, split, seed)[1].tobytes(), *(fold.test.tobytes() for fold in folds(table, split, seed))]

    assert said(3) == said(3)
    assert (said(3) != said(4)) == (split.kind != "time")


def test_repeats_are_other_folds():
    tests = [fold.test.tobytes() for fold in folds(example(), Split(repeats=4), 0)]
    assert len(set(tests)) == len(tests) == 20


@given(st.lists(st.integers(0, 4), min_size=20, max_size=80), st.integers(2, 5), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_stratified_parts_differ_by_one_row(labels, parts, seed):
    labels = np.array(labels)
    part = deal.stratified(labels, parts, np.random.default_rng(seed))
    assert np.ptp(np.bincount(part[part >= 0], minlength=parts)) <= 1
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        of_class = part[labels == label]
        if count == 1 and np.unique(labels).size > 1:
            assert of_class.tolist() == [-1]
        else:
            assert np.ptp(np.bincount(of_class, minlength=parts)) <= 1


@given(st.lists(st.integers(0, 5), min_size=10, max_size=80), st.floats(0.05, 0.5), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_drawn_rows_have_the_classes_shares(labels, share, seed):
    labels = np.array(labels)
    taken = deal.drawn(labels, labels.size, share, np.random.default_rng(seed))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        given = int(taken[labels == label].sum())
        assert given < count
        assert abs(given - share * count) <= 1


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=20, max_size=120), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_groups_are_never_cut(rows, seed):
    clusters = np.unique([group for group, _ in rows], return_inverse=True)[1]
    labels = np.array([label for _, label in rows])
    for shares in (np.full(3, 1 / 3), np.array([0.2, 0.8])):
        part = deal.grouped(clusters, labels, shares, np.random.default_rng(seed))
        for group in range(clusters.max() + 1):
            assert len(set(part[clusters == group])) == 1


def test_groups_keep_the_classes_about_even():
    table = example(3000)
    split = Split(kind="group", column="group")
    overall = np.bincount(table.labels) / len(table)
    for fold in folds(table, split, 0):
        assert not set(table.column("group")[fold.train]) & set(table.column("group")[fold.test])
        assert fold.test.size == pytest.approx(600, abs=60)
        assert np.abs(np.bincount(table.labels[fold.test], minlength=3) / fold.test.size - overall).max() < 0.02


def test_a_row_without_a_group_is_a_group_of_its_own():
    table = made(["a", "b"] * 4, g=["u", None, "u", None, "v", "v", None, "u"])
    numbers = group_numbers(table, "g")
    assert len(set(numbers)) == 5
    assert numbers[0] == numbers[2] == numbers[7]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.kind)
def test_given_clusters_stay_together(split):
    table = example()
    clusters = np.where(np.arange(600) % 20 == 0, np.arange(600) // 40, np.arange(600) + 1000)
    development, sealed = seal(table, split, 0, groups=clusters)
    assert not np.intersect1d(clusters[development], clusters[sealed]).size
    for fold in folds(table, split, 0, groups=clusters):
        assert not np.intersect1d(clusters[fold.train], clusters[fold.test]).size
        if split.kind == "group":
            assert not set(table.column("group")[fold.train]) & set(table.column("group")[fold.test])


def test_chains_of_groups_are_joined():
    joined = deal.joined(np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 2, 2, 3]))
    assert joined.tolist() == [0, 0, 0, 0, 0, 1]


def test_time_goes_forward_and_ties_stay_together():
    table = example()
    split = Split(kind="time", column="day", folds=4, repeats=3)
    days = table.column("day")
    development, sealed = seal(table, split, 0)
    assert days[development].max() < days[sealed].min()
    made_folds = folds(table, split, 0)
    assert [fold.number for fold in made_folds] == [0, 1, 2, 3]
    for fold in made_folds:
        assert days[fold.train].max() < days[fold.test].min()
        assert fold.test.size == pytest.approx(120, abs=15)
    assert made_folds[-1].train.size + made_folds[-1].test.size == 600


def test_times_that_are_text_are_ordered_as_times():
    table = made(["a", "b"] * 3, t=["9.1.2024", "10.1.2024", "11.1.2024", "1.2.2024", "2.2.2024", "30.2.2023"])
    with pytest.raises(UserError, match=r'row 6: "t" is empty or no time'):
        seal(table, Split(kind="time", column="t", sealed=0.4), 0)
    sealed = seal(table.take(np.arange(5)), Split(kind="time", column="t", sealed=0.4), 0)[1]
    assert sealed.tolist() == [3, 4]


def test_a_column_marks_the_sealed_rows():
    table = made(["a", "b"] * 6, part=["train", "Test", None, "0", "holdout", "1"] * 2)
    split = Split(kind="column", column="part", folds=2, repeats=1)
    development, sealed = seal(table, split, 0)
    assert sealed.tolist() == [1, 4, 5, 7, 10, 11]
    assert len(folds(table.take(development), split, 0)) == 2
    with pytest.raises(UserError, match=r'row 2: "part" is "later"'):
        seal(made(["a", "b"], part=["train", "later"]), split, 0)
    with pytest.raises(UserError, match="marks no row"):
        seal(made(["a", "b"], part=["train", "train"]), split, 0)


def test_every_class_is_in_every_training_part():
    table = made(["a"] * 40 + ["b"] * 3 + ["c"] * 2 + ["d"])
    assert lonely_classes(table) == ["d"]
    for seed in range(20):
        development, _ = seal(table, Split(), seed)
        rest = table.take(development)
        assert set(rest.labels) == {0, 1, 2, 3}
        for fold in folds(rest, Split(), seed):
            assert set(rest.labels[fold.train]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("table", "split", "says"),
    [
        (made(["a", "b", "a"]), Split(), "3 rows are too few for 5 folds"),
        (made(["a", "b"] * 9, g=["u", "v", "w"] * 6), Split(kind="group", column="g"), "3 groups, too few for 5 folds"),
        (made(["a", "b"] * 9, g=["2024-01-01", "2024-01-02"] * 9), Split(kind="time", column="g"), "2 different times"),
        (made(["a", "b"]), Split(kind="group", column="z"), '"z", which is no column'),
        (made(["a", "b"]), Split(kind="group", column="y"), '"y", which is the target'),
    ],
)
def test_too_little_is_said(table, split, says):
    with pytest.raises(UserError, match=says):
        folds(table, split, 0)


def test_two_rows_cannot_be_sealed():
    with pytest.raises(UserError, match="cannot be put apart"):
        seal(made(["a", "b"]), Split(), 0)


def test_sealed_rows_do_not_depend_on_the_folds():
    table = example()
    assert np.array_equal(seal(table, Split(folds=3), 0)[1], seal(table, Split(folds=7, repeats=2), 0)[1])
