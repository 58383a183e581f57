"""Scaling, cleaning, reduction and selection against formulas and oracles."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from melior.data.schema import Schema
from melior.data.table import Table
from melior.features._base import Matrix
from melior.features.reduction import Projection, count_for_share, principal_components, truncated_directions
from melior.features.scaling import NumberScale, quantile_normal, yeo_johnson, yeo_johnson_power
from melior.features.selection import L1Features, benjamini_hochberg, f_test
from melior.methods._cleaning import column_faults, column_units, robust_bounds, shifted_unit
from melior.methods.data_cleaning import CleanNumbers, DataCleaning
from melior.recipe import Recipe
from melior.trials.fit import fit


def one_column(values):
    frame = pl.DataFrame({"x": np.asarray(values, dtype=float)}, nan_to_null=True)
    return Table.make(frame, Schema({"x": "number"}, "y", ("0", "1")), np.zeros(len(values), dtype=np.int32))


def matrix_of(values, **more):
    names = [f"f{j}" for j in range(values.shape[1])]
    return Matrix(values, names, names, **more)


@pytest.mark.parametrize("power", [-2.0, -0.3, 0.0, 0.5, 1.0, 2.0, 3.1])
def test_yeo_johnson_matches_scipy(power):
    from scipy.stats import yeojohnson

    values = np.random.default_rng(0).normal(0, 3, 200)
    np.testing.assert_allclose(yeo_johnson(values, power), yeojohnson(values, lmbda=power), rtol=1e-10)
    assert np.isnan(yeo_johnson(np.array([np.nan]), power)).all()


def test_power_is_the_likeliest():
    from scipy.stats import yeojohnson_normmax

    random = np.random.default_rng(1)
    for values in (random.lognormal(0, 1, 300), random.normal(size=300), -random.gamma(2, 1, 300)):
        assert yeo_johnson_power(values) == pytest.approx(yeojohnson_normmax(values), abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [
        ("min_max", "MinMaxScaler"),
        ("standard", "StandardScaler"),
        ("power", "PowerTransformer"),
        ("quantile", "QuantileTransformer"),
    ],
)
def test_scales_match_the_oracle(kind, oracle):
    from sklearn import preprocessing

    values = np.random.default_rng(2).lognormal(0, 0.6, 400)
    more = {"output_distribution": "normal", "n_quantiles": 400} if kind == "quantile" else {}
    if kind == "power":  # ours looks at the shape at unit spread, so that the unit of measurement does not matter
        values = (values - values.mean()) / values.std()
    theirs = getattr(preprocessing, oracle)(**more).fit_transform(values[:, None])[:, 0]
    ours = NumberScale(kind).fit(one_column(values), 0).transform(one_column(values)).numbers("x")
    inner = np.argsort(values)[2:-2]
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=2e-3)


def test_robust_scale_and_missing():
    values = np.array([1.0, 2, 3, 4, 5, np.nan, 1e6])
    ours = NumberScale("robust").fit(one_column(values), 0).transform(one_column(values))
    low, middle, high = np.percentile(values[np.isfinite(values)], [25, 50, 75])
    np.testing.assert_allclose(ours.numbers("x")[:5], (values[:5] - middle) / ((high - low) / 1.349))
    assert ours.column("x").is_null().to_list() == [False] * 5 + [True, False]


@pytest.mark.parametrize("kind", ["min_max", "standard", "robust", "quantile", "power"])
@pytest.mark.parametrize("values", [[3.0] * 9, [np.nan] * 9, [1.0, np.inf, -np.inf, 2.0], [1e300, -1e300, 0, 1.0]])
def test_scales_survive_odd_columns(kind, values):
    table = one_column(values)
    changed = NumberScale(kind).fit(table, 0).transform(table).numbers("x")
    assert not np.isinf(changed).any()
    assert np.isnan(changed).tolist() == (~np.isfinite(values)).tolist()


def test_quantiles_of_ties_are_their_middle():
    knots = np.array([0.0, 1.0, 1.0, 1.0, 2.0])
    assert quantile_normal(np.array([1.0]), knots)[0] == pytest.approx(0)


def test_bounds_leave_clean_values_alone():
    random = np.random.default_rng(3)
    for rows in (50, 500, 5000):
        for draw in (random.normal, random.lognormal, random.uniform, random.standard_exponential):
            flagged = []
            for _ in range(20):
                values = draw(size=rows)
                low, high = robust_bounds(values)
                flagged.append(((values < low) | (values > high)).mean())
            assert np.mean(flagged) < 0.01, (draw, rows)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.09])
def test_bounds_find_gross_values(share):
    random = np.random.default_rng(4)
    values = random.normal(50, 5, 1000)
    values[: int(1000 * share)] = 500
    low, high = robust_bounds(values)
    assert high < 120
    assert low > 0


def test_placeholders():
    random = np.random.default_rng(5)
    values = np.concatenate([random.normal(40, 10, 500), np.full(20, -999.0), np.full(9, 9999.0)])
    assert sorted(column_faults(values)[0]) == [-999, 9999]
    assert column_faults(random.normal(size=500))[0] == []
    assert column_faults(random.integers(-1, 4, 500).astype(float))[0] == [], "a code among codes"
    assert column_faults(random.integers(0, 100, 500).astype(float))[0] == [], "99 of 0..99"


@pytest.mark.parametrize("factor", [10, 100, 1000, 2.54, 0.4536, 0.1, 0.01, 0.001, 1 / 2.54, 1 / 0.4536])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.4])
def test_units_are_put_right(factor, share):
    random = np.random.default_rng(6)
    right = random.normal(70, 5, 600)
    values = np.where(random.random(600) < share, right * factor, right)
    units = column_units(values)
    assert len(units) == 1
    assert units[0].factor == pytest.approx(factor, rel=1e-3)
    np.testing.assert_allclose(units[0].repaired(values), right, rtol=1e-3)


def test_no_unit_is_seen_in_clean_columns():
    random = np.random.default_rng(7)
    for _ in range(30):
        for values in (
            random.normal(70, 5, 400),
            random.lognormal(3, 1, 400),
            random.uniform(0, 10, 400),
            np.concatenate([random.normal(70, 5, 200), random.normal(250, 5, 200)]),
            random.integers(1, 1000, 400).astype(float),
        ):
            assert shifted_unit(values) is None


def test_cleaning_of_new_rows():
    random = np.random.default_rng(8)
    values = random.normal(70, 5, 400)
    values[:20] = -999
    values[20:60] *= 1000
    values[60] = 1e9
    step = CleanNumbers("missing").fit(one_column(values), 0)
    new = step.transform(one_column([-999.0, 71_000.0, 72.0, 5e8, np.nan, np.inf])).numbers("x")
    np.testing.assert_allclose(new, [np.nan, 71, 72, np.nan, np.nan, np.nan])
    clipped = CleanNumbers("clip").fit(one_column(values), 0).transform(one_column([5e8])).numbers("x")
    assert 80 < clipped[0] < 110
    kept = DataCleaning(how="drop_rows").rows(one_column(values), type("C", (), {"seed": 0})())
    assert set(range(400)) - set(kept.row_ids) == {60}


def test_principal_components_match_the_oracle():
    from sklearn.decomposition import PCA

    values = np.random.default_rng(9).normal(size=(60, 7)) @ np.diag([5, 4, 3, 2, 1, 0.5, 0.1])
    mean, directions, variances = principal_components(values)
    oracle = PCA().fit(values)
    np.testing.assert_allclose(mean, oracle.mean_)
    np.testing.assert_allclose(np.abs(directions), np.abs(oracle.components_), atol=1e-8)
    np.testing.assert_allclose(variances * 60 / 59, oracle.explained_variance_, rtol=1e-8)
    doubled = principal_components(values, np.where(np.arange(60) < 10, 2.0, 1.0))
    repeated = principal_components(np.concatenate([values, values[:10]]))
    np.testing.assert_allclose(doubled[2], repeated[2], rtol=1e-8)
    assert count_for_share(np.array([5.0, 3, 2]), 10, 0.8) == 2
    assert count_for_share(np.array([5.0, 3, 2]), 10, 1.0) == 3


def test_truncated_directions_match_the_oracle():
    from sklearn.decomposition import TruncatedSVD

    values = csr_matrix(np.random.default_rng(10).poisson(0.2, (80, 40)).astype(float))
    directions, squares = truncated_directions(values, 5, 0)
    oracle = TruncatedSVD(5, algorithm="arpack").fit(values)
    np.testing.assert_allclose(np.abs(directions @ oracle.components_.T), np.eye(5), atol=2e-2)
    np.testing.assert_allclose(squares, oracle.singular_values_**2, rtol=1e-2)


@pytest.mark.parametrize("sparse", [False, True])
def test_projection_keeps_codes_and_stands_missing_values(sparse):
    values = np.random.default_rng(11).normal(size=(50, 6))
    values[:, 2] = np.arange(50) % 3
    values[:, 5] = 4.0
    if not sparse:
        values[3, 0] = np.nan
    matrix = matrix_of(csr_matrix(values) if sparse else values, categorical=(2,))
    step = Projection(3, 0.9).fit(matrix, np.zeros(50, dtype=np.int32), None, 1, 0)
    found = step.transform(matrix)
    assert found.features == 4
    assert found.categorical == (3,)
    assert np.array_equal(found.values[:, 3], values[:, 2])
    assert np.isfinite(found.values).all()


def test_f_test_matches_the_oracle():
    from sklearn.feature_selection import f_classif

    random = np.random.default_rng(12)
    values, labels = random.normal(size=(90, 8)), random.integers(0, 3, 90)
    values[:, 0] += labels
    f, p = f_test(values, labels)
    expected = f_classif(values, labels)
    np.testing.assert_allclose(f, expected[0], rtol=1e-8)
    np.testing.assert_allclose(p, expected[1], rtol=1e-6)
    np.testing.assert_allclose(f_test(csr_matrix(values), labels)[0], expected[0], rtol=1e-8)
    assert f_test(np.ones((90, 1)), labels)[1][0] == 1


def test_benjamini_hochberg_matches_the_oracle():
    from scipy.stats import false_discovery_control

    p = np.concatenate([np.random.default_rng(13).uniform(size=80), np.full(20, 0.001)])
    assert np.array_equal(benjamini_hochberg(p, 0.1), false_discovery_control(p) <= 0.1)
    assert not benjamini_hochberg(np.ones(5), 0.1).any()


@pytest.mark.parametrize("sparse", [False, True])
def test_selection_keeps_what_matters(sparse):
    random = np.random.default_rng(14)
    values = random.normal(size=(150, 200))
    values[:, 3], values[:, 199] = random.integers(0, 2, 150), random.integers(0, 4, 150)  # codes: one matters
    labels = (values[:, :3].sum(axis=1) + 3 * values[:, 3] > 1.5).astype(np.int32)
    matrix = matrix_of(csr_matrix(values) if sparse else values, categorical=(3, 199))
    step = L1Features(None, 0.2, 1000).fit(matrix, labels, None, 2, 0)
    assert {0, 1, 2, 3} <= set(step.which.tolist())
    assert len(step.which) < 40
    assert step.transform(matrix).names[0] == "f0"
    assert 3 in step.transform(matrix).categorical


def test_copies_are_held_out_with_their_row():
    """Where a row stands inside as well as outside, what knows it by heart looks best: nearly everything is kept."""
    many = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        labels = np.repeat([0, 1], [150, 15]).astype(np.int32)
        values = random.normal(size=(165, 60))
        values[:, 0] += 1.2 * labels
        rows = np.concatenate([np.arange(165), np.tile(np.arange(150, 165), 9)])
        step = L1Features(None, 0.2, 1000)
        step.fit(matrix_of(values[rows]), labels[rows], None, 2, 0, ids=rows)
        many.append(len(step.which))
        assert 0 in step.which
        plain, own = (L1Features(None, 0.2, 1000) for _ in range(2))
        plain.fit(matrix_of(values), labels, None, 2, 0)
        own.fit(matrix_of(values), labels, None, 2, 0, ids=random.permutation(165))
        assert np.array_equal(own.which, plain.which), "without copies ids change nothing"
    assert np.mean(many) < 6  # of 60, of which one matters; 14 and more without ids


def test_copies_reach_the_selection_by_their_row_numbers():
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1], [150, 15]).astype(np.int32)
    values = random.normal(size=(165, 60))
    values[:, 0] += 1.2 * labels
    names = [f"f{n}" for n in range(60)]
    table = Table.make(
        pl.DataFrame(values, schema=names), Schema(dict.fromkeys(names, "number"), "y", ("a", "b")), labels
    )
    recipe = Recipe(model="linear", metric="macro_f1", methods=["oversampling", "l1_selection"])
    (step,) = fit(recipe, table).scorer.encoding.matrix_steps
    assert len(step.which) < 6


def test_selection_never_keeps_nothing():
    random = np.random.default_rng(15)
    values, labels = random.normal(size=(60, 30)), random.integers(0, 3, 60).astype(np.int32)
    assert len(L1Features(1.0, 0.001, 10).fit(matrix_of(values), labels, None, 3, 0).which) >= 1
    assert len(L1Features(1.0, 0.001, 10).fit(matrix_of(np.ones((60, 4))), labels, None, 3, 0).which) >= 1
