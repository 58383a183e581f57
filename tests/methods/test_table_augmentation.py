"""Noise, swaps and mixtures: near the rows that they are made of, with labels that stay true."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from toys import Toy, ToyContext

from melior.errors import UserError
from melior.features._base import Matrix
from melior.methods._rows import noisy, robust_spread
from melior.methods.bagging import BaggedLearner
from melior.methods.table_augmentation import TableAugmentation, mates, mixed
from melior.models._base import families
from melior.proofs import data
from melior.recipe import Recipe
from melior.testing import tables
from melior.trials.fit import fit


def context(table, seed=0):
    return ToyContext(seed=seed, classes=table.classes)


def added(method, table):
    made = method.rows(table, context(table))
    assert made.frame[: table.rows].equals(table.frame)
    return made.take(np.arange(table.rows, made.rows))


# ---- the mathematics


def test_spread_is_that_of_a_normal_distribution():
    values = np.random.default_rng(0).normal(3, 2, 200_000)
    assert robust_spread(values) == pytest.approx(2, rel=0.02)
    outliers = np.concatenate([values, np.full(100, 1e9)])
    assert robust_spread(outliers) == pytest.approx(2, rel=0.02)
    assert robust_spread(np.array([0.0, 0, 0, 0, 0, 0, 0, 8.0])) == pytest.approx(np.std([0] * 7 + [8]))
    assert robust_spread(np.empty(0)) == 0


def test_noise_has_the_strength_and_the_share_that_were_asked_for():
    random = np.random.default_rng(0)
    column = random.normal(size=50_000)
    moved = noisy(column, column, 0.3, 0.1, random) - column
    touched = moved != 0
    assert touched.mean() == pytest.approx(0.3, abs=0.01)
    assert moved[touched].std() == pytest.approx(0.1 * robust_spread(column), rel=0.05)


def test_noise_keeps_whole_numbers_ranges_and_gaps():
    random = np.random.default_rng(0)
    whole = random.integers(0, 30, 2000).astype(float)
    whole[::7] = np.nan
    moved = noisy(whole, whole, 1.0, 1.0, random)
    known = np.isfinite(whole)
    assert np.array_equal(np.isfinite(moved), known)
    assert np.array_equal(moved[known], np.round(moved[known]))
    assert moved[known].min() >= 0
    assert moved[known].max() <= 29
    constant = np.full(20, 4.5)
    assert np.array_equal(noisy(constant, constant, 1.0, 5.0, random), constant)


def test_mates_are_others_of_the_same_group():
    random = np.random.default_rng(0)
    groups = np.array([0, 1, 0, 1, 1, 2, 0], dtype=np.int32)
    rows = np.tile(np.arange(7), 500)
    found = mates(groups, rows, random)
    assert np.array_equal(groups[found], groups[rows])
    alone = rows == 5
    assert (found[alone] == 5).all()
    assert (found[~alone] != rows[~alone]).all()
    seen = np.bincount(found[rows == 1], minlength=7)
    assert seen[3] == pytest.approx(250, abs=60), "each other row as often as any"


def test_mixtures_are_the_formula():
    values = np.array([[1.0, 0.0, 3.0], [5.0, 2.0, 7.0], [np.nan, 4.0, 0.0]])
    matrix = Matrix(values, ["a", "b", "code"], ["a", "b", "code"], categorical=(2,))
    found = mixed(matrix, np.array([0, 1, 0]), np.array([1, 0, 2]), np.array([0.25, 0.25, 0.7])).values
    np.testing.assert_allclose(found[0], [0.25 * 1 + 0.75 * 5, 0.75 * 2, 7])
    np.testing.assert_allclose(found[1], [0.25 * 5 + 0.75 * 1, 0.25 * 2, 3])
    np.testing.assert_allclose(found[2], [1, 0.3 * 4, 3])
    sparse = Matrix(csr_matrix(np.nan_to_num(values)), ["a", "b", "c"], ["a", "b", "c"])
    dense = mixed(sparse, np.array([0]), np.array([1]), np.array([0.25]))
    assert dense.sparse
    np.testing.assert_allclose(dense.dense()[0], 0.25 * values[0] + 0.75 * values[1])


# ---- the method


@pytest.mark.parametrize("kind", ["noise", "swap"])
def test_rows_are_added_with_the_label_and_number_of_their_seed(kind):
    table = tables.mixed_table()
    new = added(TableAugmentation(kind=kind, copies=3), table)
    assert new.rows == 3 * table.rows
    assert np.array_equal(new.row_ids, np.tile(table.row_ids, 3))
    assert np.array_equal(new.labels, np.tile(table.labels, 3))
    assert new.column("note").equals(pl.concat([table.column("note")] * 3)), "texts are another method's"
    assert not new.frame.equals(pl.concat([table.frame] * 3))


def test_swapped_cells_come_from_the_same_class_and_column():
    table = tables.mixed_table()
    new = added(TableAugmentation(kind="swap", share=1.0), table)
    for name in ("size", "colour", "day"):
        for label in range(3):
            own = set(table.column(name).filter(pl.Series(table.labels == label)).to_list())
            assert set(new.column(name).filter(pl.Series(new.labels == label)).to_list()) <= own


def test_labels_stay_true_under_a_strong_model():
    """A model of a large clean set says of the new rows what it says of the old ones."""
    whole = data.plain("digits", 0, share=0.8)
    strong = fit(Recipe(model="linear", metric="accuracy"), whole.train)
    few = whole.test.take(np.arange(200))
    own = (strong.answers(few) == few.labels).mean()
    assert own > 0.9
    for settings, least in (({}, 0.98), ({"kind": "swap", "share": 0.2}, 0.95)):
        new = added(TableAugmentation(copies=3, **settings), few)
        assert (strong.answers(new) == new.labels).mean() > least * own, settings


def test_a_mixture_that_stands_twice_has_the_loss_of_its_mixed_label():
    seen = []

    class Watched(Toy):
        name = "watched"

        def fit(self, matrix, labels, weights, classes, **how):
            seen.append((matrix.dense(), labels, weights))
            return super().fit(matrix, labels, weights, classes, **how)

    table = tables.number_table(rows=60, classes=3).with_weights(np.linspace(0.5, 2, 60))
    own = ToyContext(classes=table.classes, model=Watched())
    method = TableAugmentation(kind="mixup", copies=2, strength=0.4)
    method.learner(own.base_learner()).fit(table, own)
    ((values, labels, weights),) = seen
    plain = own.model.encoder(table, scaled=False).fit(table, 0).transform(table).dense()
    np.testing.assert_allclose(values[:60], plain)
    np.testing.assert_allclose(weights[:60], table.weights)
    one, other = (slice(60, 180), slice(180, 300))
    np.testing.assert_allclose(values[one], values[other], err_msg="a mixture stands twice")
    logits = np.random.default_rng(1).normal(size=(120, 3))
    losses = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    first = np.tile(np.arange(60), 2)
    shares = weights[one] / table.weights[first]
    clear = shares < 0.99  # of the others the second row can hardly be told
    apart = (values[one] - shares[:, None] * plain[first]) / np.maximum(1 - shares, 1e-3)[:, None]
    second = np.abs(plain[:, None] - apart).sum(axis=2).argmin(axis=0)
    soft = shares[:, None] * np.eye(3)[table.labels[first]]  # the mixed label, times the weight of its rows
    soft = soft * table.weights[first][:, None]
    soft += ((1 - shares) * table.weights[second])[:, None] * np.eye(3)[table.labels[second]]
    twice = weights[one] * losses[np.arange(120), labels[one]] + weights[other] * losses[np.arange(120), labels[other]]
    assert clear.sum() > 80
    np.testing.assert_allclose(twice[clear], (soft * losses).sum(axis=1)[clear], rtol=1e-9)


def test_what_cannot_be_is_refused_with_a_reason():
    texts = tables.table_of({"note": ["a b"] * 20}, {"note": "text"}, np.arange(20, dtype=np.int32) % 2, ("a", "b"))
    model = context(texts).model
    for kind in ("noise", "swap"):
        reason = TableAugmentation(kind=kind).unsuitable(Recipe(), texts, model)
        assert reason
        assert "text_augmentation" in reason
    network = families()["tabular_network"](texts="words")
    assert "half a word" in TableAugmentation(kind="mixup").unsuitable(Recipe(), texts, network)
    numbers = tables.number_table(rows=60)
    assert TableAugmentation(kind="mixup").unsuitable(Recipe(), numbers, network) is None
    wrapped = BaggedLearner(context(numbers).base_learner(), 2, 1.0, True, False)
    with pytest.raises(UserError, match="take out the other"):
        TableAugmentation(kind="mixup").learner(wrapped)
    bare = type("Bare", (type(model),), {"can": frozenset()})()
    assert TableAugmentation(kind="mixup").unsuitable(Recipe(), texts, bare)
