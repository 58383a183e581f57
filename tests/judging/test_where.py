"""Where two models differ: sums known by hand, p known from exact tests, and no slice that is worse by chance."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.stats import binomtest

from melior.data.read import read
from melior.metrics import Predictions, metric, one_hot
from melior.trials.where import FLIPS, Slices, by_class, by_slice, differences, slices_of, worse_slices

CLASSES = ["bad", "fair", "good"]


def made(random, rows, skills=(0.8, 0.8), copies=0.5):
    codes = random.integers(0, 3, rows)
    luck = random.random(rows)
    other = np.where(random.random(rows) < copies, luck, random.random(rows))
    wrong = (codes + 1) % 3
    truth = one_hot(codes, 3)
    return tuple(
        Predictions(truth, None, np.where(one < skill, codes, wrong))
        for one, skill in zip((luck, other), skills, strict=True)
    )


def sliced(codes, many):
    return Slices(tuple(f"part {n}" for n in range(many)), sparse.csr_matrix((codes[:, None] == np.arange(many)) * 1.0))


def test_classes_have_their_recall():
    a, b = made(np.random.default_rng(0), 300)
    for found, label in zip(by_class(a, b, CLASSES), CLASSES, strict=True):
        recall = metric(f"recall[{label}]", CLASSES)
        values = [recall.measure(one.truth, None, one.answers) for one in (a, b)]
        assert (found.a, found.b) == pytest.approx(values)
        assert found.difference.value == pytest.approx(values[1] - values[0])
        assert found.rows == a.truth[:, CLASSES.index(label)].sum()


def test_a_class_without_rows_is_left_out():
    a, b = made(np.random.default_rng(0), 50)
    truth = np.column_stack([a.truth, np.zeros(50)])
    one, two = (Predictions(truth, None, each.answers) for each in (a, b))
    assert [each.name for each in by_class(one, two, [*CLASSES, "none"])] == CLASSES


def test_of_several_labels_each_is_right_or_wrong_in_every_row():
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    a, b = Predictions(truth, None, truth), Predictions(truth, None, np.ones((4, 2), dtype=int))
    found = by_class(a, b, ["x", "y"])
    assert [(one.a, one.b, one.rows) for one in found] == [(1.0, 0.5, 2), (1.0, 0.5, 2)]


@pytest.mark.parametrize(("only_a", "only_b"), [(4, 0), (3, 9), (10, 25), (7, 7)])
def test_of_one_part_it_is_the_exact_sign_test(only_a, only_b):
    rows = only_a + only_b + 40
    place = np.arange(rows)
    inside = sparse.csr_matrix(np.ones((rows, 1)))
    a = sparse.csr_matrix((place >= only_b)[:, None] * 1.0)
    b = sparse.csr_matrix(((place < only_b) | (place >= only_a + only_b))[:, None] * 1.0)
    found = differences(["all"], [rows], inside, a, b, place)[0]
    exact = binomtest(only_a, only_a + only_b).pvalue
    assert found.p_adjusted == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / FLIPS) + 2 / FLIPS)
    worse = differences(["all"], [rows], inside, a, b, place, worse=True)[0]
    one_sided = binomtest(only_a, only_a + only_b, alternative="greater").pvalue
    assert worse.p_adjusted == pytest.approx(one_sided, abs=4 * np.sqrt(0.25 / FLIPS))


def test_the_interval_is_that_of_a_mean():
    random = np.random.default_rng(2)
    a, b = made(random, 2000, (0.8, 0.7))
    found = by_slice(a, b, sliced(np.zeros(2000, dtype=int), 1))[0]
    right = [one.truth[np.arange(2000), one.answers] for one in (a, b)]
    gains = right[1] - right[0]
    assert found.difference.value == pytest.approx(gains.mean())
    half = 1.96 * gains.std(ddof=1) / np.sqrt(2000)
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(half, rel=0.01)


def test_rows_of_a_group_count_as_one():
    random = np.random.default_rng(3)
    a, b = made(random, 40, (0.9, 0.5), copies=0.0)
    groups = np.repeat(np.arange(40), 10)
    wide = [Predictions(np.repeat(one.truth, 10, axis=0), None, np.repeat(one.answers, 10), groups) for one in (a, b)]
    alone = by_slice(a, b, sliced(np.zeros(40, dtype=int), 1))[0]
    found = by_slice(*wide, sliced(np.zeros(400, dtype=int), 1))[0]
    assert found.difference.low == pytest.approx(alone.difference.low)
    assert found.p_adjusted == pytest.approx(alone.p_adjusted, abs=1e-9)


def test_parts_where_nothing_differs_have_no_p():
    a, _ = made(np.random.default_rng(1), 60)
    found = by_slice(a, a, sliced(np.arange(60) % 3, 3))
    assert [one.p_adjusted for one in found] == [None] * 3
    assert all((one.difference.low, one.difference.high) == (0, 0) for one in found)
    assert by_slice(a, a, Slices((), sparse.csr_matrix((60, 0)))) == []


def test_no_slice_is_worse_by_chance():
    """Thirty slices of six rows each: intervals of such parts are of no use, and the flips hold the level all the same;
    also where B is worse in another slice."""
    named = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        a, b = made(random, 180)
        codes = np.arange(180) % 30
        answers = b.answers.copy()
        answers[codes == 0] = 3 - 1 - a.truth.argmax(axis=1)[codes == 0]
        worse = Predictions(b.truth, None, answers)
        found = by_slice(a, worse, sliced(codes, 30), seed)
        named.append(any(one.p_adjusted is not None and one.p_adjusted < 0.05 for one in found[1:]))
    assert np.mean(named) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_slice_that_is_worse_is_named_and_one_that_is_better_is_not():
    random = np.random.default_rng(5)
    a, b = made(random, 600, copies=1.0)
    codes = np.arange(600) % 4
    answers = b.answers.copy()
    right = a.truth.argmax(axis=1)
    spoilt, mended = (codes == 1) & (random.random(600) < 0.3), codes == 2
    answers[spoilt] = (right[spoilt] + 1) % 3
    answers[mended] = right[mended]
    found = by_slice(a, Predictions(b.truth, None, answers), sliced(codes, 4))
    assert [one.p_adjusted is not None and one.p_adjusted < 0.05 for one in found] == [False, True, False, False]


def test_slices_that_share_the_rows_of_a_worse_one_are_not_named():
    random = np.random.default_rng(7)
    a, b = made(random, 600, copies=1.0)
    codes, right = np.arange(600) % 4, a.truth.argmax(axis=1)
    answers = b.answers.copy()
    spoilt = (codes == 1) & (random.random(600) < 0.4)
    answers[spoilt] = (right[spoilt] + 1) % 3
    worse = Predictions(b.truth, None, answers)
    half = np.arange(600) < 300  # has half of the worse rows and is worse through them alone
    both = sparse.hstack([sliced(codes, 4).inside, sparse.csr_matrix(half[:, None] * 1.0)]).tocsr()
    slices = Slices(("part 0", "part 1", "part 2", "part 3", "half"), both)
    assert by_slice(a, worse, slices)[4].p_adjusted < 0.05
    assert [one.name for one in worse_slices(a, worse, slices)] == ["part 1"]
    assert worse_slices(worse, a, slices) == []


def test_slices_of_a_table():
    random = np.random.default_rng(0)
    table = read(
        pl.DataFrame(
            {
                "shop": random.choice(["north", "south", "tiny"], 200, p=[0.6, 0.38, 0.02]),
                "same": ["x"] * 200,
                "size": random.normal(size=200),
            }
        )
    )
    slices = slices_of(table)
    assert slices.names == ("shop is 'north'", "shop is 'south'")
    counts = table.column("shop").value_counts().sort("shop").get_column("count").to_list()
    assert np.asarray(slices.inside.sum(axis=0)).ravel().tolist() == counts[:2]


def test_languages_of_texts_are_slices():
    english = ["the fabric is thin and it tore after one day of use", "a shirt that fits well and looks good on me"]
    german = ["Der Stoff ist dünn und nach einem Tag gerissen, schade", "Das Hemd passt gut und sieht sehr schön aus"]
    texts = [f"{one} {n}" for n in range(60) for one in (english[n % 2], german[n % 2])]
    slices = slices_of(read(pl.DataFrame({"note": texts, "n": np.arange(120) / 7})))
    assert sorted(slices.names) == ["language of the text is 'de'", "language of the text is 'en'"]
