"""How unlike the others a row is: strays of three kinds come first, whatever the unit."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from melior.checks import _unusual as module
from melior.checks._unusual import NEIGHBOURS, unusual
from melior.features.neighbours import distance_to, nearest


def ranked(points):
    return unusual(points, *nearest(points, NEIGHBOURS))


def far(random):
    points = random.normal(size=(600, 3))
    points[:12] = 7 * points[:12] / np.linalg.norm(points[:12], axis=1, keepdims=True)
    return points


def beside_a_dense_group(random):
    points = np.concatenate([random.normal(size=(12, 3)), 0.05 * random.normal(size=(300, 3)) + 20,
                             4 * random.normal(size=(300, 3)) - 20])  # fmt: skip
    points[:12] = 20 + 0.6 * points[:12] / np.linalg.norm(points[:12], axis=1, keepdims=True)
    return points


def never_together(random):
    one = random.normal(size=600)
    points = np.column_stack([one, one + 0.1 * random.normal(size=600)])
    points[:12] = np.column_stack([np.linspace(-1.5, 1.5, 12), -np.linspace(-1.5, 1.5, 12)])
    points[4:8, 1] += np.sign(points[4:8, 1])
    return points


@pytest.mark.parametrize("kind", [far, beside_a_dense_group, never_together])
def test_strays_of_each_kind_come_first(kind):
    for seed in range(3):
        points = kind(np.random.default_rng(seed))
        assert roc_auc_score(np.arange(len(points)) < 12, ranked(points)) > 0.97


@pytest.mark.parametrize("kind", [far, beside_a_dense_group, never_together])
def test_among_many_rows_one_shuffling_tells_what_four_tell(kind, monkeypatch):
    """Ranks of strays among twelve times as many other rows, which are drawn like them."""
    random = np.random.default_rng(5)
    strays = kind(random)
    points = np.concatenate([strays, *(kind(random)[12:] for _ in range(11))])
    assert len(points) > module.MANY
    near = nearest(points, NEIGHBOURS)
    stray = np.arange(len(points)) < 12
    one = roc_auc_score(stray, unusual(points, *near))
    monkeypatch.setattr(module, "MANY", len(points))
    four = roc_auc_score(stray, unusual(points, *near))
    assert four > 0.97
    assert one > four - 0.01


def test_the_unit_does_not_matter():
    points = far(np.random.default_rng(0))
    assert ranked(1e6 * points + 3) == pytest.approx(ranked(points), abs=1e-4)


def test_copies_and_constant_rows_are_numbers():
    points = np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 30, axis=0)
    assert np.isfinite(ranked(points)).all()
    assert np.isfinite(ranked(np.zeros((60, 2)))).all()


@pytest.mark.parametrize("dimensions", [3, 20])
def test_distance_to_others(dimensions):
    random = np.random.default_rng(0)
    points, others = random.normal(size=(300, dimensions)), random.normal(size=(400, dimensions))
    apart = np.sort(np.linalg.norm(points[:, None] - others[None], axis=2), axis=1)
    assert distance_to(points, others, 4) == pytest.approx(apart[:, 3])
    assert distance_to(points, points, 1) == pytest.approx(np.zeros(300), abs=1e-6)


def test_projected_distances_do_not_grow():
    """Many rows of many dimensions are projected, which brings points nearer and never farther."""
    random = np.random.default_rng(0)
    points = random.normal(size=(3200, 16)) * np.linspace(3, 0.1, 16)
    others = points[random.permutation(3200)[:500]] + 0.1
    whole = NearestNeighbors(n_neighbors=5).fit(others).kneighbors(points)[0][:, -1]
    assert (distance_to(points, others, 5) <= whole + 1e-9).all()
