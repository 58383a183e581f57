"""Groups and times that a random split lets through."""

import datetime as dt

import numpy as np
import pytest
from scipy.special import expit

from melior.checks.group_leakage import GroupLeakage, candidates
from melior.checks.time_leakage import TimeLeakage, drift_p
from melior.recipe import Recipe, Split


def grouped(g, kind, n=500, groups=80):
    group = g.integers(0, groups, n)
    x = g.normal(size=(n, 5))
    if kind == "leak":  # rows of a group look alike and share their answer, which nothing else tells
        x = 0.3 * x + g.normal(size=(groups, 5))[group]
        y = g.integers(0, 2, groups)[group] ^ (g.random(n) < 0.1)
    elif kind == "alike":  # rows of a group look alike; the answer comes from the columns
        x = 0.3 * x + g.normal(size=(groups, 5))[group]
        y = g.random(n) < expit(2 * x[:, 0] + x[:, 1])
    else:
        y = g.random(n) < expit(2 * x[:, 0])
    return {**{f"x{j}": x[:, j] for j in range(5)}, "patient": [f"p{k}" for k in group]}, y.astype(int)


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_groups_that_leak(make_context, family):
    for seed in range(3):
        columns, y = grouped(np.random.default_rng(seed), "leak")
        (finding,) = GroupLeakage().measure(make_context(columns, y, kinds={"patient": "id"}, family=family))
        assert finding.columns == ("patient",)
        assert finding.measured["score_random"] > finding.measured["score_group"]
        assert not finding.certain


@pytest.mark.parametrize("kind", ["alike", "none"])
def test_groups_that_do_not(make_context, kind):
    for seed in range(8):
        columns, y = grouped(np.random.default_rng(seed), kind)
        assert GroupLeakage().measure(make_context(columns, y, kinds={"patient": "id"})) == []


def test_candidates(make_table):
    g = np.random.default_rng(0)
    columns = {
        "user_id": g.integers(0, 40, 300).astype(float),
        "age": g.integers(20, 90, 300).astype(float),
        "sex": g.choice(["m", "f"], 300).tolist(),
        "order": [str(i) for i in range(300)],
        "shop": [f"s{i}" for i in g.integers(0, 50, 300)],
    }
    kinds = {"sex": "category", "order": "id", "shop": "category"}
    assert candidates(make_table(columns, kinds=kinds)) == ["user_id", "age", "shop"]


def numbered(g, kind, n=600, groups=140):
    """Whole numbers that are not named like an id: people who share their answers, or an amount."""
    x = g.normal(size=(n, 4))
    if kind == "people":
        who = g.integers(0, groups, n)
        y = g.integers(0, 2, groups)[who] ^ (g.random(n) < 0.1)
        x = 0.3 * x + g.normal(size=(groups, 4))[who]
    else:
        who = g.integers(0, groups, n) if kind == "amount" else g.poisson(60, n)
        y = g.random(n) < expit(4 * (who - who.mean()) / who.std() + x[:, 0])
    return {**{f"x{j}": x[:, j] for j in range(4)}, "man": who.astype(float)}, y.astype(int)


def test_people_that_are_numbers_without_a_name(make_context):
    for seed in range(4):
        columns, y = numbered(np.random.default_rng(seed), "people")
        (finding,) = GroupLeakage().measure(make_context(columns, y, family="trees"))
        assert finding.columns == ("man",)


@pytest.mark.parametrize("kind", ["amount", "count"])
def test_an_amount_is_no_group(make_context, kind):
    """However much of the answer it says: rows of one amount are like those of the next."""
    for seed in range(20):
        columns, y = numbered(np.random.default_rng(seed), kind)
        assert GroupLeakage().measure(make_context(columns, y)) == []


def test_group_split_in_the_recipe_is_enough(make_context):
    columns, y = grouped(np.random.default_rng(0), "leak")
    recipe = Recipe(split=Split(kind="group", column="patient"))
    assert GroupLeakage().measure(make_context(columns, y, kinds={"patient": "id"}, recipe=recipe)) == []


def timed(g, kind, n=600):
    t = g.permutation(np.sort(g.uniform(0, 1, n)))
    x = g.normal(size=(n, 4))
    drift = 4 * (t - 0.5) if kind == "drift" else 0.0
    y = g.random(n) < expit(2 * x[:, 0] + drift)
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=1000 * float(when)) for when in t]
    return {**{f"x{j}": x[:, j] for j in range(4)}, "when": days}, y.astype(int)


def test_answers_that_drift(make_context):
    for seed in range(4):
        columns, y = timed(np.random.default_rng(seed), "drift")
        (finding,) = TimeLeakage().measure(make_context(columns, y, kinds={"when": "time"}))
        assert finding.columns == ("when",)
        assert finding.measured["p_of_drift"] < 1e-3


def test_answers_that_stay(make_context):
    for seed in range(25):
        columns, y = timed(np.random.default_rng(seed), "none", 300)
        assert TimeLeakage().measure(make_context(columns, y, kinds={"when": "time"})) == []


def moving(g, kind, n=600, periods=20):
    """A column whose ground moves with time: on it the answer stands (leak), or nothing does (none)."""
    period = g.integers(0, periods, n)
    x = g.normal(size=(n, 3))
    y = g.random(n) < expit(2 * x[:, 0])
    step = y if kind == "leak" else g.random(n)
    level = g.normal(0, 3, periods)[period] + step + 0.2 * g.normal(size=n)
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=float(10 * p + 9 * g.random())) for p in period]
    return {**{f"x{j}": x[:, j] for j in range(3)}, "level": level, "when": days}, y.astype(int)


def test_a_column_that_tells_the_answer_only_within_its_days(make_context):
    certain = []
    for seed in range(5):
        columns, y = moving(np.random.default_rng(seed), "leak", 1200)
        found = TimeLeakage().measure(make_context(columns, y, kinds={"when": "time"}, family="trees"))
        certain += [finding for finding in found if finding.certain]
    assert len(certain) >= 4  # the latest days may by luck stand where earlier ones stood
    for finding in certain:
        assert finding.measured["score_random"] > finding.measured["score_time"]
    columned = [finding for finding in certain if "column" in finding.measured]
    assert columned
    assert all(finding.measured["column"] == "level" and "'level'" in finding.message for finding in columned)


def test_a_column_that_moves_and_hides_nothing(make_context):
    """Of 20 runs at a level of 0.5 % each two named ones are a matter of one in 200."""
    named = 0
    for seed in range(20):
        columns, y = moving(np.random.default_rng(seed), "none", 400)
        named += len(TimeLeakage().measure(make_context(columns, y, kinds={"when": "time"})))
    assert named <= 1


def test_false_rate_of_drift():
    g = np.random.default_rng(0)
    p = np.array([drift_p(g.integers(0, 3, 400)) for _ in range(400)])
    assert (p < 0.05).mean() < 0.075  # two standard errors of 400 draws above the level


def test_odd(make_context):
    g = np.random.default_rng(0)
    columns, y = timed(g, "drift", 300)
    columns["when"][::3] = [None] * 100
    assert TimeLeakage().measure(make_context(columns, y, kinds={"when": "time"}))
    for check in (TimeLeakage(), GroupLeakage()):
        assert check.measure(make_context(columns, kinds={"when": "time"})) == []
        assert check.measure(make_context(g.normal(size=(3, 2)), np.array([0, 1, 1]))) == []
