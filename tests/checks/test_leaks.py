"""Leaking columns: planted ones are found, strong honest ones are not."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from melior.checks._leaks import clumps, copy_explains, graded_auc
from melior.checks.row_order import RowOrder
from melior.checks.target_leakage import TargetLeakage
from melior.recipe import Data, Recipe

REAL = {"breast_cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris}


def flipped(labels, wrong, g):
    classes = int(labels.max()) + 1
    other = (labels + g.integers(1, classes, len(labels))) % classes
    return np.where(g.random(len(labels)) < wrong, other, labels)


def honest(kind, g, n):
    d = int(g.integers(1, 21))
    x = g.normal(size=(n, d))
    if kind == "logistic":
        weights = g.exponential(1.0, d) * (g.random(d) < 0.5)
        weights[0] = g.uniform(0.5, 3.5)
        y = g.random(n) < expit(x @ weights)
    elif kind == "rules":
        y = (x[:, 0] > 0) ^ ((x[:, min(1, d - 1)] > 0.5) & (x[:, d // 2] > 0)) ^ (g.random(n) < g.uniform(0.02, 0.2))
    elif kind == "symptoms":
        y = g.random(n) < 0.5
        x = x + y[:, None] * g.exponential(0.8, d)
    else:
        cause = g.normal(size=n)
        x = 0.6 * x + cause[:, None]
        y = g.random(n) < expit(g.uniform(1, 4) * cause)
    return x, y.astype(int)


def with_leak(x, leak):
    return {**{f"x{j}": x[:, j] for j in range(x.shape[1])}, "leak": leak}


def of(context, column):
    return [f for f in TargetLeakage().measure(context) if column in f.columns]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("family", ["linear", "trees"])
def test_strong_honest_columns_of_real_sets(make_context, name, family):
    context = make_context(*REAL[name](return_X_y=True), family=family)
    assert TargetLeakage().measure(context) == []


@pytest.mark.parametrize("kind", ["logistic", "rules", "symptoms", "one cause"])
def test_honest_generated_sets(make_context, kind):
    asked = certain = 0
    for seed in range(12):
        g = np.random.default_rng(seed)
        found = TargetLeakage().measure(make_context(*honest(kind, g, int(g.choice([200, 500])))))
        asked += bool(found)
        certain += any(f.certain for f in found)
    assert certain == 0
    assert asked <= 1


# a known weakness, not a bound: copies this loose are found less often than the nineteen times in twenty wanted
MISSES = {("number", 0.1), ("category", 0.06), ("category", 0.1), ("gaps", 0.1)}
MISSED = pytest.mark.xfail(strict=True, reason="copies with so many wrong values are found in fewer than 7 of 8 tables")


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        pytest.param(form, wrong, marks=MISSED) if (form, wrong) in MISSES else (form, wrong)
        for form in ("number", "category", "gaps")
        for wrong in (0.0, 0.03, 0.06, 0.1)
    ],
)
def test_noisy_copies_are_found(make_context, wrong, form):
    hits = 0
    for seed in range(8):
        g = np.random.default_rng([seed, int(100 * wrong)])
        if seed % 2:
            x, y = honest(["logistic", "symptoms"][seed // 2 % 2], g, 500)
        else:
            x, y = load_breast_cancer(return_X_y=True)
        copy = flipped(y, wrong, g)
        if form == "number":
            context = make_context(with_leak(x, copy + 0.1 * g.normal(size=len(y))), y)
        elif form == "category":
            context = make_context(with_leak(x, np.array(["no", "yes"])[copy]), y, kinds={"leak": "category"})
        else:
            context = make_context(with_leak(x, np.where(copy == 1, np.nan, g.normal(size=len(y)))), y)
        found = of(context, "leak")
        hits += bool(found)
        if found and wrong == 0:
            assert found[0].certain
    assert hits >= 7  # of 8: nineteen in twenty are wanted


def test_what_it_measures(make_context):
    g = np.random.default_rng(0)
    x, y = honest("logistic", g, 600)
    (finding,) = of(make_context(with_leak(x, flipped(y, 0.03, g) + 0.1 * g.normal(size=600)), y), "leak")
    measured = finding.measured
    assert finding.certain
    assert measured["roc_auc_alone"] > 0.95 > measured["roc_auc_without"]
    assert measured["score_with"] > measured["score_without"]
    assert {"score_alone", "metric", "explains_alone", "explains_without"} <= set(measured)
    assert "'leak'" in finding.message


def test_three_classes_and_two_leaks_that_hide_each_other(make_context):
    g = np.random.default_rng(1)
    y = g.integers(0, 3, 600)
    x = g.normal(size=(600, 3)) + 0.5 * y[:, None]
    columns = with_leak(x, y + 0.05 * g.normal(size=600)) | {"again": np.array(["a", "b", "c"])[y]}
    found = {f.columns[0] for f in TargetLeakage().measure(make_context(columns, y, kinds={"again": "category"}))}
    assert found == {"leak", "again"}


def test_one_useful_column_among_noise_is_honest(make_context):
    for seed in range(5):
        g = np.random.default_rng(seed)
        x = g.normal(size=(800, 5))
        y = (g.random(800) < expit(2.5 * x[:, 0])).astype(int)
        assert TargetLeakage().measure(make_context(x, y)) == []
        assert TargetLeakage().measure(make_context(x[:, :1], y)) == []


def test_known_at_prediction_is_left_out(make_context):
    g = np.random.default_rng(0)
    x, y = honest("logistic", g, 300)
    recipe = Recipe(data=Data(known_at_prediction=("leak",)))
    assert TargetLeakage().measure(make_context(with_leak(x, y.astype(float)), y, recipe=recipe)) == []


def test_honest_data_costs_no_big_fit(make_context):
    g = np.random.default_rng(0)
    x = g.normal(size=(300, 40))
    context = make_context(x, (x[:, 0] + x[:, 1] + g.normal(size=300) > 0).astype(int))
    TargetLeakage().measure(context)
    assert context.fits == 0


def test_missing_labels_and_few_rows(make_context):
    g = np.random.default_rng(0)
    x, y = honest("logistic", g, 300)
    y[::7] = -1
    assert of(make_context(with_leak(x, np.where(y < 0, 0, y) + 0.05 * g.normal(size=300)), y), "leak")
    assert TargetLeakage().measure(make_context(x[:3], np.array([0, 1, 1]))) == []
    assert TargetLeakage().measure(make_context(x, np.zeros(300, dtype=int))) == []
    assert TargetLeakage().measure(make_context(x)) == []


def test_yardsticks():
    assert copy_explains(0.0, np.array([50, 50])) == pytest.approx(1.0)
    assert copy_explains(0.5, np.array([50, 50])) == pytest.approx(0.0, abs=1e-9)
    assert copy_explains(0.1, np.array([50, 50])) == pytest.approx(0.531, abs=1e-3)
    d = 2 * 1.2815515655  # two normals whose midpoint errs in 10 %
    g = np.random.default_rng(0)
    y = g.integers(0, 2, 200_000)
    x = g.normal(size=len(y)) + d * (y - 0.5)
    sure, wrong = np.abs(x), (x > 0) != y
    ranks = np.argsort(np.argsort(-sure))
    area = (ranks[wrong].mean() - (wrong.sum() - 1) / 2) / (~wrong).sum()
    assert graded_auc(0.1, 2) == pytest.approx(area, abs=0.01)


def test_sorted_files(make_context):
    for load in (load_iris, load_wine):
        (finding,) = RowOrder().measure(make_context(*load(return_X_y=True)))
        assert not finding.certain
        assert finding.columns == ()
        assert finding.severity <= 0.2


def test_shuffled_files(make_context):
    for seed in range(60):
        g = np.random.default_rng(seed)
        assert RowOrder().measure(make_context(g.normal(size=(300, 1)), g.integers(0, 3, 300))) == []


def copied_as_number(g, n, wrong):
    """The answer as a number, a little blurred and sometimes wrong, beside four honest columns."""
    x = g.normal(size=(n, 4))
    y = (g.random(n) < expit(2 * x[:, 0] + x[:, 1])).astype(int)
    return with_leak(x, flipped(y, wrong, g) + g.normal(0, 0.1, n)), y


@pytest.mark.parametrize(("n", "wrong"), [(250, 0.04), (300, 0.08), (1500, 0.08)])
def test_a_copy_that_is_a_number_is_found_on_few_rows_too(make_context, n, wrong):
    """Its values leave an empty room between them, and yet some are on the wrong side of it."""
    named = certain = 0
    for seed in range(20):
        found = of(make_context(*copied_as_number(np.random.default_rng(seed), n, wrong)), "leak")
        named += len(found) == 1
        certain += any(finding.certain for finding in found)
    assert named >= 18
    assert certain >= 14


def populations(g, n, level):
    """A measurement of two populations, most of one of which are ill: how high it is in each of them matters too."""
    x, two, inside = g.normal(size=(n, 4)), g.integers(0, 2, n), g.normal(size=n)
    y = (g.random(n) < expit(6 * (two - 0.5) + level * inside + x[:, 0])).astype(int)
    return {**with_leak(x, 10 * two + inside)}, y


@pytest.mark.parametrize("level", [1.5, 3.0])
def test_a_measurement_of_two_populations_is_at_most_asked_about(make_context, level):
    for seed in range(20):
        found = of(make_context(*populations(np.random.default_rng(seed), 800, level)), "leak")
        assert not any(finding.certain for finding in found)


def test_clumps():
    g = np.random.default_rng(0)
    code = g.integers(0, 3, 300)
    values = np.array([5.0, -2.0, 9.0])[code] + 0.3 * g.normal(size=300)
    counts = np.bincount(code)
    groups = clumps(values, counts)
    assert groups.tolist() == np.array([1, 0, 2])[code].tolist()
    values[::10] = np.nan
    assert set(clumps(values, counts)[::10].tolist()) == {3}
    assert clumps(g.normal(size=300), counts) is None
    assert clumps(g.uniform(size=300), counts) is None
    far = g.normal(size=300)
    far[:2] = 1e6, -1e6  # two outliers are no clumps
    assert clumps(far, counts) is None
    assert clumps(np.full(300, np.nan), counts) is None
    assert clumps(2.0 * code, counts).tolist() == code.tolist()
