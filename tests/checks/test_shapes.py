"""Imbalance, size, width, skew, scale, sparsity and overfitting: found where they are, quiet where not."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_wine

from melior.checks.class_imbalance import ClassImbalance
from melior.checks.feature_skew import FeatureSkew
from melior.checks.high_dimension import HighDimension
from melior.checks.overfitting import Overfitting
from melior.checks.scale_mismatch import ScaleMismatch
from melior.checks.small_data import SmallData
from melior.checks.sparse_features import SparseFeatures

ALL = (ClassImbalance, FeatureSkew, HighDimension, Overfitting, ScaleMismatch, SmallData, SparseFeatures)


def counted(*counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).normal(size=(len(labels), 3)), labels


def test_imbalance(make_context):
    (finding,) = ClassImbalance().measure(make_context(*counted(1000, 20)))
    assert finding.measured["rows_of_rarest"] == 20
    assert finding.severity == pytest.approx(1 - np.exp(0.0964) / 2, abs=0.01)
    assert "20 of 1,020" in finding.message
    for balanced in ((600, 400), (500, 500, 450), (7, 3), (30, 0)):
        assert ClassImbalance().measure(make_context(*counted(*balanced))) == []


def test_one_of_many_classes_that_all_but_vanishes(make_context):
    (finding,) = ClassImbalance().measure(make_context(*counted(*[200] * 9, 30)))
    assert finding.measured["ratio"] > 0.92  # the effective number alone says nothing
    assert finding.measured["rows_of_rarest"] == 30
    assert ClassImbalance().measure(make_context(*counted(*[200] * 9, 60))) == []


def test_imbalance_of_balanced_draws(make_context):
    found = 0
    for seed in range(300):
        g = np.random.default_rng(seed)
        n = int(g.choice([20, 50, 200]))
        found += bool(ClassImbalance().measure(make_context(g.normal(size=(n, 1)), g.integers(0, 4, n))))
    assert found <= 8  # of 300 at a level of 1 %


def test_small(make_context):
    (finding,) = SmallData().measure(make_context(*counted(500, 40)))
    assert finding.measured["half_width"] == pytest.approx(0.98 / np.sqrt(40), abs=1e-3)
    assert finding.measured["small_classes"] == 1
    assert "has 40 rows" in finding.message
    assert SmallData().measure(make_context(*counted(200, 120))) == []
    (alone,) = SmallData().measure(make_context(*counted(200, 1)))
    assert "has 1 row:" in alone.message
    assert "1 of 2 classes has fewer" in alone.message


def test_dimension(make_context):
    g = np.random.default_rng(0)
    (finding,) = HighDimension().measure(make_context(g.normal(size=(150, 500)), g.integers(0, 2, 150)))
    assert finding.measured["encoded_columns"] == 500
    assert finding.severity > 0.4
    repeated = g.normal(size=(150, 2)) @ g.normal(size=(2, 500))
    assert HighDimension().measure(make_context(repeated)) == []
    assert HighDimension().measure(make_context(g.normal(size=(300, 64)))) == []
    levels = {"code": [f"c{i}" for i in range(100)]}
    assert HighDimension().measure(make_context(levels, kinds={"code": "category"}))
    assert HighDimension().measure(make_context(np.full((50, 60), 1e200) * g.random((50, 60))))


def test_skew(make_context):
    g = np.random.default_rng(0)
    columns = {"normal": g.normal(size=800), "income": g.lognormal(size=800), "left": -g.lognormal(size=800)}
    columns |= {"flag": (g.random(800) < 0.1).astype(float)}
    (finding,) = FeatureSkew().measure(make_context(columns))
    assert set(finding.columns) == {"income", "left"}
    assert finding.measured["skewness"]["left"] < 0
    for seed in range(40):
        g = np.random.default_rng(seed)
        shape = [g.normal(size=(60, 8)), g.random((60, 8)), g.standard_t(3, (60, 8))][seed % 3]
        assert FeatureSkew().measure(make_context(shape)) == []


def test_scale(make_context):
    g = np.random.default_rng(0)
    (finding,) = ScaleMismatch().measure(make_context(g.normal(size=(200, 3)) * [1, 5, 2000]))
    assert finding.columns == ("x2", "x0")
    assert finding.measured["ratio"] == pytest.approx(2000, rel=0.3)
    assert ScaleMismatch().measure(make_context(g.normal(size=(200, 3)) * [1, 5, 50])) == []


def test_sparse(make_context):
    g = np.random.default_rng(0)
    (finding,) = SparseFeatures().measure(make_context((g.random((300, 50)) < 0.03).astype(float)))
    assert finding.measured["filled"] == pytest.approx(0.03, abs=0.005)
    levels = {"city": g.choice([f"city {i}" for i in range(60)], 300).tolist()}
    assert SparseFeatures().measure(make_context(levels, kinds={"city": "category"}))
    assert SparseFeatures().measure(make_context(g.normal(size=(300, 50)))) == []


def test_overfitting_with_columns_of_noise(make_context):
    x, y = load_wine(return_X_y=True)
    g = np.random.default_rng(0)
    few = g.permutation(len(y))[:150]
    noise = g.normal(size=(150, 500))
    y = (noise[:, 0] + noise[:, 1] + x[few, 0] / 10 > np.median(x[few, 0] / 10)).astype(int)
    (finding,) = Overfitting().measure(make_context(noise, y))
    assert finding.measured["score_in_sample"] > finding.measured["score_out_of_fold"] + 0.2
    assert finding.severity > 0.5


@pytest.mark.parametrize("steep", [1.0, 3.0])
def test_no_overfitting_with_plenty_of_rows(make_context, steep):
    for seed in range(4):
        g = np.random.default_rng(seed)
        x = g.normal(size=(2000, 10))
        y = (g.random(2000) < expit(steep * (x[:, 0] + x[:, 1]))).astype(int)
        assert Overfitting().measure(make_context(x, y)) == []
    assert Overfitting().measure(make_context(*load_breast_cancer(return_X_y=True))) == []


def test_same_twice_and_odd(make_context):
    g = np.random.default_rng(0)
    x = g.lognormal(size=(120, 90)) * np.logspace(0, 4, 90)
    y = (np.arange(120) < 8).astype(int)
    for check in ALL:
        one, two = ([f.to_dict() for f in check().measure(make_context(x, y))] for _ in range(2))
        assert one == two
        check().measure(make_context(x[:3], y[:3]))
        check().measure(make_context(np.full((60, 2), np.nan), np.arange(60) % 2))
        check().measure(make_context(np.ones((60, 2)), np.zeros(60, dtype=int)))
        if not check.needs_target:
            check().measure(make_context(x))
        assert check.__doc__
