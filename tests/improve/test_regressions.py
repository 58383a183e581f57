"""What became worse all the same is said, and nothing that chance alone explains."""

import numpy as np
import polars as pl
import pytest

from melior.data.schema import Schema
from melior.data.table import Table
from melior.improvement import regressions as told
from melior.improvement.regressions import Regression, regressions
from melior.report.headline import _worse
from melior.trials.cost import Cost

CITIES = np.array(["Rome", "Oslo", "Bern", "Lima"])


@pytest.fixture(autouse=True)
def alike_in_cost(monkeypatch):
    costs = {"plain": Cost(1.0, 1.0), "final": Cost(1.0, 1.0)}
    monkeypatch.setattr(told, "cost_of", lambda predictor, table: costs[predictor.name])
    return costs


class Said:
    """Answers that are right in these rows, with this probability for what is said."""

    def __init__(self, name, labels, right, sure=0.8):
        self.name = name
        said = np.where(right, labels, 1 - labels)
        self.given = np.where(np.eye(2)[said] == 1, sure, 1 - sure)

    def scores(self, table):
        return self.given

    def decided(self, scores):
        return scores.argmax(axis=1)


def rows(seed=0, many=800):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, many).astype(np.int32)
    cities = CITIES[random.integers(0, 4, many)]
    frame = pl.DataFrame({"city": cities, "y": labels.astype(str)})
    return Table.make(frame, Schema({"city": "category"}, "y", ("0", "1")), labels), labels, cities, random


def found(table, labels, before, after, **how):
    return regressions(table, np.eye(2)[labels], Said("plain", labels, before), Said("final", labels, after, **how), 0)


def test_a_slice_that_lost_is_named_though_all_together_gained():
    table, labels, cities, random = rows()
    before = random.random(800) < 0.8
    after = np.where(cities == "Oslo", random.random(800) < 0.55, random.random(800) < 0.95)
    assert after.mean() > before.mean()
    named = found(table, labels, before, after)
    assert [one.what for one in named if "city" in one.what] == ["right answers where 'city' is 'Oslo'"]
    (one,) = [one for one in named if "city" in one.what]
    assert (one.before, one.after) == (before[cities == "Oslo"].mean(), after[cities == "Oslo"].mean())
    assert one.rows == (cities == "Oslo").sum()


def test_a_class_that_lost_is_named():
    table, labels, _, random = rows()
    before = random.random(800) < 0.8
    after = np.where(labels == 1, random.random(800) < 0.98, random.random(800) < 0.6)
    assert any(one.what == "right answers of '0'" for one in found(table, labels, before, after))
    assert not any(one.what == "right answers of '1'" for one in found(table, labels, before, after))


def test_of_models_that_are_equally_good_hardly_one_is_said_to_be_worse():
    said = 0
    for seed in range(300):
        table, labels, _, random = rows(seed, many=300)
        before, after = (random.random(300) < 0.8 for _ in range(2))
        answers = (np.where(before, labels, 1 - labels), np.where(after, labels, 1 - labels))
        said += bool(told._slices(table, *answers, None, seed))
    assert said <= 24  # of 300 at a level of 5 %: the 99 % quantile of a binomial


def test_nor_where_rows_come_in_groups():
    """Each model is at a loss in a tenth of the groups, other ones: as good on all, and no more is said."""
    said = 0
    for seed in range(200):
        table, labels, _, random = rows(seed, many=400)
        groups = np.repeat(np.arange(20), 20)[random.permutation(400)]
        before, after = (~np.isin(groups, random.permutation(20)[:2]) for _ in range(2))
        answers = (np.where(before, labels, 1 - labels), np.where(after, labels, 1 - labels))
        said += bool(told._slices(table, *answers, groups, seed))
    assert said <= 17  # of 200 at a level of 5 %


def test_a_calibration_that_is_worse_is_named():
    table, labels, _, random = rows()
    right = random.random(800) < 0.8
    assert found(table, labels, right, right) == ()
    (one,) = found(table, labels, right, right, sure=0.99)
    assert one.what == "the calibration error"
    assert one.after == pytest.approx(0.99 - right.mean(), abs=1e-6)


def test_what_is_dearer_is_named(alike_in_cost):
    table, labels, _, random = rows()
    right = random.random(800) < 0.8
    alike_in_cost["final"] = Cost(latency=4.0, size=1.9)
    (one,) = found(table, labels, right, right)
    assert one.said() == "dearer: the time of a row by itself 1 -> 4 ms"
    alike_in_cost["final"] = Cost(latency=1.9, size=12.0)
    (one,) = found(table, labels, right, right)
    assert one.said() == "dearer: the size of the saved predictor 1 -> 12 MB"
    assert _worse({"regressions": [one.__dict__]}) == [
        "Worse all the same: the size of the saved predictor (1 MB before, 12 MB now)."
    ]


def test_in_one_line():
    assert Regression("right answers of 'no'", 0.9, 0.85, rows=1200).said() == (
        "worse: right answers of 'no' 0.900 -> 0.850 (1,200 rows)"
    )
