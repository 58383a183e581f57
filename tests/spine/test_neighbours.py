"""The nearest rows: exact where rows are few, among drawn ones where they are many; and models of very many rows."""

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

import melior
from melior.data.splits import folds
from melior.features import neighbours
from melior.features.neighbours import closeness_sample, distance_to, nearest
from melior.recipe import Split
from melior.trials import context as contexts
from melior.trials.context import TableContext
from melior.trials.fit import fit


def test_few_rows_are_exact():
    points = np.random.default_rng(0).normal(size=(500, 4))
    distances, found = nearest(points, 6)
    right = NearestNeighbors(n_neighbors=6).fit(points).kneighbors()
    assert np.allclose(distances, right[0])
    assert np.array_equal(found, right[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_among_drawn_rows_it_is_exact_too(monkeypatch, threads):
    """Against a search of the drawn rows alone; rows that are drawn themselves are not their own neighbours."""
    points = np.random.default_rng(1).normal(size=(3000, 5)) + 40
    reference = neighbours.sample_positions(3000, 400, 0)
    monkeypatch.setattr(neighbours, "EXACT", 1000)
    monkeypatch.setattr(neighbours, "REFERENCE", 400)
    distances, found = nearest(points, 5, threads=threads)
    right, places = NearestNeighbors(n_neighbors=6).fit(points[reference]).kneighbors(points)
    own = reference[places] == np.arange(3000)[:, None]
    for row in range(3000):
        kept = right[row][~own[row]][:5]
        assert np.allclose(distances[row], kept, atol=1e-3)
        assert row not in found[row]
    assert set(np.unique(found)) <= set(reference)


@pytest.mark.parametrize("dimensions", [3, 10])
def test_copies_are_at_no_distance_and_all_others_at_theirs(dimensions):
    """Far from the origin, where products of matrices are off by more than small distances."""
    points = np.random.default_rng(2).normal(size=(400, dimensions)) + 1000
    points[200:] = points[:200]
    distances, found = nearest(points, 3)
    assert (distances[:, 0] == 0).all()
    assert np.array_equal(found[:, 0], (np.arange(400) + 200) % 400)
    apart = cdist(points, points)
    np.fill_diagonal(apart, np.inf)
    assert np.allclose(distances, np.sort(apart, axis=1)[:, :3], rtol=1e-9)
    others = np.random.default_rng(3).normal(size=(300, dimensions)) + 1000
    assert np.allclose(distance_to(points, others, 5), np.sort(cdist(points, others), axis=1)[:, 4], rtol=1e-9)


def test_none_where_there_is_no_other_row():
    assert nearest(np.zeros((1, 3)), 5)[0].shape == (1, 0)


def test_whole_groups_are_drawn():
    groups = np.random.default_rng(0).integers(0, 400, 5000)
    some = closeness_sample(groups, 1000, 0)
    assert 990 <= len(some) <= 1040
    inside = np.isin(groups, groups[some])
    assert inside.sum() == len(some)
    assert np.array_equal(closeness_sample(groups, 5000, 0), np.arange(5000))


def test_models_of_many_rows_learn_from_some_and_the_audit_says_so(monkeypatch):
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 3000)
    frame = pl.DataFrame({"a": random.normal(size=3000) + answer, "b": random.normal(size=3000), "y": answer})
    frame = frame.with_columns(pl.col("y").cast(pl.String))
    monkeypatch.setattr(contexts, "MOST_TRAINING", 500)
    table = melior.read(frame, target="y")
    context = TableContext(table, melior.Recipe(metric="macro_f1"))
    assert context.out_of_fold().shape == (3000, 2)
    assert np.isfinite(context.out_of_fold()).all()
    assert np.isfinite(context.in_sample()[:, 0]).sum() == 500
    found = melior.audit(frame, target="y")
    assert any("learned from 500 drawn rows" in note for note in found.notes)
    assert not found.failed


def test_the_rows_that_were_learned_are_those_of_the_first_fold():
    random = np.random.default_rng(1)
    answer = random.integers(0, 2, 300)
    frame = pl.DataFrame({"a": random.normal(size=300) + answer, "y": answer.astype(str)})
    table = melior.read(frame, target="y")
    context = TableContext(table, melior.Recipe(metric="macro_f1", model="linear"))
    first = folds(table, Split(folds=context.folds, repeats=1), context.seed)[0]
    learned = context.in_sample()
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(learned[:, 0])), np.sort(first.train))
    alone = fit(melior.Recipe(metric="macro_f1", model="linear"), table.take(np.sort(first.train)))
    np.testing.assert_allclose(learned[np.sort(first.train)], alone.scores(table.take(np.sort(first.train))), atol=1e-9)


@pytest.mark.parametrize("length", [100, 340, 8192, 8200])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_smallest_values_are_found_wherever_they_stand(length, k):
    random = np.random.default_rng(length)
    values = random.normal(size=(200, length)).astype(np.float32)
    values[:20] = np.sort(values[:20], axis=1)  # all of them in one place
    values[20:40] = np.sort(values[20:40], axis=1)[:, ::-1]
    values[40:60] = random.integers(0, 3, (20, length))  # ties
    values[60:80, :16] = np.inf
    places = neighbours._smallest(values, k)
    assert all(len(set(row)) == k for row in places.tolist())
    found = np.take_along_axis(values, places, axis=1)
    assert np.array_equal(np.sort(found, axis=1), np.sort(values, axis=1)[:, :k])
