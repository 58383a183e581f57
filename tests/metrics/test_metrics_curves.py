"""Curves go through scikit-learn's points, and thinning them moves nothing that can be seen."""

import json

import numpy as np
import pytest
from sklearn import metrics as oracle

from melior.errors import UserError
from melior.metrics import (
    Predictions,
    confusion,
    curves,
    label_weights,
    one_hot,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)


def rows_of(rows, seed=0, decimals=None, weights=None):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, rows)
    p = 1 / (1 + np.exp(-rng.normal(size=rows) - 2 * codes + 1))
    p = p if decimals is None else p.round(decimals)
    return codes, p, Predictions.of(codes, np.stack([1 - p, p], axis=1), weights=weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_roc_points(weighted):
    weights = np.random.default_rng(1).uniform(0.5, 2, 60) if weighted else None
    codes, p, data = rows_of(60, decimals=1, weights=weights)
    curve = roc_curve(data, 1, "yes")
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(oracle.roc_auc_score(codes, p, sample_weight=weights), abs=1e-9)
    wrong, right, limits = oracle.roc_curve(codes, p, sample_weight=weights, drop_intermediate=False)
    for limit, f, t in zip(curve.thresholds[1:], curve.false_positive_rate[1:], curve.true_positive_rate[1:], strict=1):
        place = list(limits).index(limit)
        assert (f, t) == (pytest.approx(wrong[place]), pytest.approx(right[place]))


def test_precision_recall_points():
    codes, p, data = rows_of(80, decimals=2)
    curve = precision_recall_curve(data, 1, "yes")
    precision, recall, _ = oracle.precision_recall_curve(codes, p)
    points = {(round(r, 9), round(q, 9)) for r, q in zip(recall, precision, strict=True)}
    assert all((round(r, 9), round(q, 9)) in points for r, q in list(zip(curve.recall, curve.precision))[1:])  # noqa: B905


@pytest.mark.parametrize("draw", [roc_curve, precision_recall_curve])
def test_thinning_moves_nothing(draw, monkeypatch):
    _, _, data = rows_of(20_000)
    thinned = points_of(draw(data, 1, "yes"))
    assert len(thinned) <= 200
    monkeypatch.setattr(curves, "thin", lambda across, up: np.arange(len(across)))
    whole = points_of(draw(data, 1, "yes"))
    assert len(whole) > 10_000
    assert distance_to_line(whole[::7], thinned).max() < 0.005  # one part in 200 of the width


def points_of(curve):
    if hasattr(curve, "recall"):
        return np.stack([curve.recall, curve.precision], axis=1)
    return np.stack([curve.false_positive_rate, curve.true_positive_rate], axis=1)


def distance_to_line(points, line):
    """How far each point is from the line through the corners, (points,)."""
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-300)
    along = ((points[:, None] - start) * step).sum(axis=2) / length
    nearest = start + np.clip(along, 0, 1)[:, :, None] * step
    return np.sqrt(((points[:, None] - nearest) ** 2).sum(axis=2)).min(axis=1)


def test_confusion_counts_rates_and_worst():
    codes, answers = [0, 0, 1, 1, 1, 2], [0, 1, 1, 0, 0, 2]
    table = confusion(Predictions(one_hot(codes, 3), None, answers), ["a", "b", "c"])
    assert np.array(table.counts) == pytest.approx(oracle.confusion_matrix(codes, answers))
    assert np.array(table.rates).sum(axis=1) == pytest.approx(1)
    assert table.worst == (("b", "a", 2.0, 2 / 3), ("a", "b", 1.0, 0.5))
    assert confusion(Predictions(one_hot(codes, 3), None, codes), ["a", "b", "c"]).worst == ()


def test_reliability_of_a_calibrated_model_covers_the_diagonal():
    rng = np.random.default_rng(0)
    p = rng.random(6000)
    data = Predictions.of((rng.random(6000) < p).astype(int), np.stack([1 - p, p], axis=1))
    curve = reliability_curve(data, 1, "yes")
    assert len(curve.claimed) == 15
    assert max(curve.rows) - min(curve.rows) <= 1
    inside = [low <= c <= high for c, low, high in zip(curve.claimed, curve.low, curve.high, strict=True)]
    assert sum(inside) >= 12
    likeliest = reliability_curve(data)
    assert min(likeliest.claimed) >= 0.5


def test_curves_are_plain_numbers_even_when_empty():
    _, _, data = rows_of(30)
    empty = Predictions(np.empty((0, 2)), np.empty((0, 2)), None)
    one_sided = Predictions.of([1, 1], [[0.2, 0.8], [0.4, 0.6]])
    noisy = Predictions(label_weights(data.truth.argmax(axis=1), [[0.9, 0.1], [0.2, 0.8]]), data.scores, None)
    for rows in (data, empty, one_sided, noisy):
        drawn = [
            confusion(rows, ["no", "yes"]),
            roc_curve(rows, 1, "yes"),
            precision_recall_curve(rows, 1, "yes"),
            reliability_curve(rows, 1, "yes"),
            reliability_curve(rows),
        ]
        assert all(json.dumps(curve.to_dict(), allow_nan=False) for curve in drawn)
    assert roc_curve(one_sided, 1, "yes").thresholds == ()
    with pytest.raises(UserError, match="needs probabilities"):
        roc_curve(Predictions(np.eye(2), None, [0, 1]), 1, "yes")
