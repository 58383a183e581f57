"""Outliers, invalid values, mixed units: planted ones are found, heavy tails and honest groups are not."""

import datetime as dt

import numpy as np
import pytest

from melior.checks._tails import surprise, upper_outliers
from melior.checks.invalid_values import InvalidValues
from melior.checks.mixed_units import MixedUnits, other_unit
from melior.checks.outliers import Outliers

SHAPES = {
    "normal": lambda g, n: g.normal(size=n),
    "lognormal": lambda g, n: g.lognormal(size=n),
    "very lognormal": lambda g, n: g.lognormal(0, 2, n),
    "uniform": lambda g, n: g.random(n),
    "exponential": lambda g, n: g.exponential(size=n),
    "student": lambda g, n: g.standard_t(3, n),
    "pareto": lambda g, n: g.pareto(1.5, n),
    "counts": lambda g, n: g.poisson(3, n).astype(float),
    "two groups": lambda g, n: np.where(g.random(n) < 0.3, 8, 0) + g.normal(size=n),
    "many zeros": lambda g, n: np.where(g.random(n) < 0.8, 0, g.lognormal(size=n)),
}


HEAVY = pytest.mark.xfail(
    strict=True, reason="tails this heavy are called outliers about three times as often as meant"
)


@pytest.mark.parametrize("shape", [pytest.param(s, marks=HEAVY) if s == "very lognormal" else s for s in SHAPES])
def test_tails_of_clean_values(shape):
    found = sum(
        upper_outliers(SHAPES[shape](np.random.default_rng(seed), int(50 * 6 ** (seed % 3))), 0.01) is not None
        for seed in range(90)
    )
    assert found <= 2  # of 90 at a level of 1 %


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential", "two groups", "counts"])
def test_gross_values_are_found(shape):
    hits = 0
    for seed in range(10):
        g = np.random.default_rng(seed)
        values = SHAPES[shape](g, 800)
        values[:16] = 1000 * (np.abs(values[:16]) + values.std())
        found = upper_outliers(values, 0.001)
        hits += found is not None and set(found.positions.tolist()) == set(range(16))
        if found is not None:
            assert (np.diff(found.scores) <= 0).all()
    assert hits == 10


def table_shape(kind, g, n, d):
    if kind == "mixture":
        return g.normal(size=(n, d)) + 6 * g.normal(size=(3, d))[g.integers(0, 3, n)]
    if kind == "correlated":
        return g.normal(size=(n, d)) @ g.normal(size=(d, d))
    return SHAPES[kind](g, n * d).reshape(n, d)


@pytest.mark.parametrize("kind", ["normal", "lognormal", "uniform", "mixture", "correlated"])
@pytest.mark.parametrize("d", [2, 16, 64])
def test_clean_tables_are_quiet(make_context, kind, d):
    rows = total = 0
    for seed in range(8):
        g = np.random.default_rng([seed, d])
        n = int(g.choice([200, 600]))
        context = make_context(table_shape(kind, g, n, d))
        for check in (Outliers(), InvalidValues(), MixedUnits()):
            rows += sum(len(f.rows) for f in check.measure(context))
        total += n
    assert rows <= 0.001 * total


@pytest.mark.parametrize(
    "width",
    [
        pytest.param(
            3, marks=pytest.mark.xfail(strict=True, reason="a row odd only in combination is missed in 3 columns")
        ),
        8,
    ],
)
def test_outliers_by_column_and_by_row(make_context, width):
    g = np.random.default_rng(0)
    columns = g.normal(size=(500, width)) + 12 * g.integers(0, 2, 500)[:, None]
    columns[20] = 12.0 * (np.arange(width) % 2)  # each value is an ordinary one, together they are not
    (by_row,) = Outliers().measure(make_context(columns))
    assert by_row.rows.tolist() == [20]
    assert by_row.columns == ()
    columns[3, 0], columns[9, 1] = 200.0, -300.0
    by_column = Outliers().measure(make_context(columns))[0]
    assert set(by_column.rows.tolist()) == {3, 9}
    assert by_column.columns == ("x0", "x1")
    assert (np.diff(by_column.row_scores) <= 0).all()


def test_rare_values_of_a_column_of_zeros_are_none(make_context):
    g = np.random.default_rng(0)
    columns = g.normal(size=(600, 2))
    columns[:, 1] = np.where(g.random(600) < 0.03, g.integers(1, 16, 600), 0)
    assert Outliers().in_columns(make_context(columns)) == []


def test_values_ten_times_too_large(make_context):
    for seed in range(5):
        g = np.random.default_rng(seed)
        columns = g.normal(100, 15, (600, 4))
        columns[:18, 2] *= 10
        (finding,) = Outliers().measure(make_context(columns))
        assert finding.columns == ("x2",)
        assert set(finding.rows.tolist()) == set(range(18))


def test_heavy_tail_is_no_outlier_and_missing_is_nothing(make_context):
    g = np.random.default_rng(1)
    columns = g.pareto(1.2, (400, 3))
    columns[g.random((400, 3)) < 0.2] = np.nan
    columns[:, 2] = np.nan
    assert Outliers().measure(make_context(columns)) == []


@pytest.mark.parametrize("columns", [np.ones((60, 3)), np.full((60, 2), np.nan), np.zeros((3, 2)), np.empty((0, 2))])
def test_empty_and_constant(make_context, columns):
    for check in (Outliers(), InvalidValues(), MixedUnits()):
        assert check.measure(make_context(columns)) == []


@pytest.mark.slow
def test_ten_thousand_columns(make_context):
    columns = np.random.default_rng(0).normal(size=(100, 10_000))
    columns[7, 4321] = 1e9
    found = Outliers().in_columns(make_context(columns))
    assert found[0].columns == ("x4321",)


# ---- invalid values


def kinds_of(context):
    return {f.measured["kind"]: f for f in InvalidValues().measure(context)}


def base(g, n=400):
    return {
        "income": g.lognormal(10, 1, n),
        "age": g.integers(18, 90, n).astype(float),
        "z": g.normal(size=n),
        "count": g.poisson(3, n).astype(float),
        "price": g.lognormal(5, 1, n).round(),
        "rating": g.integers(-1, 6, n).astype(float),
    }


def test_honest_columns_are_quiet(make_context):
    assert sum(bool(InvalidValues().measure(make_context(base(np.random.default_rng(s))))) for s in range(40)) <= 1


CODES = [
    ("income", -1),
    ("income", -999),
    ("age", -1),
    ("age", 999),
    ("z", -999),
    ("z", 99),
    ("count", 99),
    ("count", -9),
]


@pytest.mark.parametrize(("column", "code"), CODES)
@pytest.mark.parametrize("many", [4, 40])
def test_codes_for_missing(make_context, column, code, many):
    for seed in range(4):
        g = np.random.default_rng(seed)
        columns = base(g)
        rows = np.sort(g.permutation(400)[:many])
        columns[column][rows] = code
        finding = kinds_of(make_context(columns))["placeholder"]
        assert finding.columns == (column,)
        assert finding.rows.tolist() == rows.tolist()


def test_a_code_inside_the_range_is_a_spike(make_context):
    g = np.random.default_rng(0)
    columns = base(g)
    columns["income"][:30] = 9999.0
    assert kinds_of(make_context(columns))["placeholder"].rows.tolist() == list(range(30))


def test_words_dates_signs_infinite_and_unread(make_table, make_context):
    g = np.random.default_rng(0)
    n = 200
    colour = g.choice(["red", "green"], n).astype(object)
    colour[[4, 9]] = ["N/A", " unknown "]
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=float(h)) for h in g.uniform(0, 9000, n)]
    days[:5] = [dt.datetime(1970, 1, 1)] * 5
    height, size = g.normal(170, 8, n), g.normal(size=n)
    height[11] = -168.0
    size[[1, 2]] = [np.inf, -np.inf]
    table = make_table(
        {"colour": colour.tolist(), "day": days, "height": height, "size": size},
        kinds={"colour": "category", "day": "time"},
        unparsed={"size": {1007: "12 cm", 5: "not a row of this table"}},
        row_ids=np.arange(1000, 1000 + n),
    )
    found = kinds_of(make_context(table))
    assert found["placeholder"].rows.tolist() == [1004, 1009]
    assert found["epoch"].rows.tolist() == [1000, 1001, 1002, 1003, 1004]
    assert found["sign"].rows.tolist() == [1011]
    assert found["infinite"].rows.tolist() == [1001, 1002]
    assert found["unread"].rows.tolist() == [1007]
    assert "'12 cm'" in found["unread"].message


def test_surprise_is_a_probability():
    values = np.random.default_rng(0).normal(size=500)
    assert surprise(values, 0.0) == 1.0
    assert surprise(values, 30.0) < surprise(values, 6.0) < 1


# ---- units


@pytest.mark.parametrize("factor", [10, 100, 1000, 25.4])
@pytest.mark.parametrize("part", [0.05, 0.25])
def test_other_unit_by_a_factor(factor, part):
    hits = 0
    for seed in range(10):
        g = np.random.default_rng(seed)
        values = 170 * np.exp(0.1 * g.normal(size=600))
        small = g.permutation(600)[: int(600 * part)]
        values[small] /= factor
        found = other_unit(values)
        hits += found is not None and set(found.positions.tolist()) == set(small.tolist())
    assert hits >= 7  # two honest draws are told apart in one of ten, by the level of the tests


def test_fahrenheit(make_context):
    g = np.random.default_rng(0)
    values = g.normal(37, 1, 500)
    values[:60] = 1.8 * values[:60] + 32
    (finding,) = MixedUnits().measure(make_context(values[:, None]))
    assert finding.rows.tolist() == list(range(60))
    assert not finding.certain
    assert "Fahrenheit" in finding.message


@pytest.mark.xfail(strict=True, reason="two groups of one spread that lie as far apart as some unit are asked about")
def test_honest_groups_are_no_units():
    found = 0
    for seed in range(120):
        g = np.random.default_rng(seed)
        n = 400
        far = g.random(n) < 0.25
        found += (
            other_unit(np.where(far, g.normal(10, 1, n), g.normal(g.uniform(20, 300), g.uniform(1, 5), n))) is not None
        )
        found += other_unit(np.exp(np.where(far, g.normal(0, 0.2, n), g.normal(g.uniform(1, 7), 0.2, n)))) is not None
        found += other_unit(g.lognormal(0, g.uniform(0.1, 2), n)) is not None
    assert found <= 6  # of 360
