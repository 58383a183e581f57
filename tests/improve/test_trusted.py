"""Rows with trusted labels: both parts get their share, and too few are refused before the work."""

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.errors import UserError
from melior.improvement import improve as improving
from melior.improvement.combine import Combined
from melior.improvement.looking import look, put_aside
from melior.improvement.ruler import marked
from melior.metrics import Interval
from melior.recipe import Recipe


def rows(marks, many=400):
    random = np.random.default_rng(1)
    inputs = random.normal(size=(many, 3))
    answers = inputs.sum(axis=1) + random.normal(size=many) > 0
    frame = pl.DataFrame({f"x{n}": inputs[:, n] for n in range(3)}).with_columns(
        mark=pl.Series((np.arange(many) < marks).astype(int)), y=pl.Series(np.where(answers, "yes", "no"))
    )
    return read(frame.sample(fraction=1.0, shuffle=True, seed=3), target="y", columns={"mark": "ignore"})


def recipe(seed=0):
    return Recipe(data={"target": "y", "trusted": "mark"}, model="linear", metric="accuracy", seed=seed)


def test_each_part_has_its_share_of_the_marked_rows():
    table = rows(60)
    for seed in range(20):
        parts = put_aside(table, recipe(seed), None)
        assert marked(parts.sealed, "mark").sum() in (11, 12, 13)
        assert parts.sealed.rows == 80


def test_too_few_are_refused_before_anything_is_tried():
    stages = []
    with pytest.raises(UserError, match=r"marks 8 of the rows of the sealed part; at least 10"):
        look(rows(40), recipe(), progress=lambda stage, *_: stages.append(stage))
    assert "choosing a family of models" not in stages


def test_what_is_worse_on_the_sealed_rows_is_not_used_and_gains_nothing(monkeypatch):
    """The gain is that of what is given, and what was refused is said."""
    confirm = improving.confirm

    def worse(*given):
        before, after, _ = confirm(*given)
        return before, after, Interval(-0.08, -0.12, -0.04)

    monkeypatch.setattr(improving, "confirm", worse)
    monkeypatch.setattr(
        improving,
        "combine",
        lambda race, judged, over: Combined(race.baseline.with_methods("class_weights"), (), race.base),
    )
    own = Recipe(data={"target": "y"}, model="linear", metric="accuracy")
    found, _, _ = improving.improve_table(rows(0), own, budget=8)
    assert not found.accepted
    assert (found.gain.value, found.gain.low, found.gain.high) == (0, 0, 0)
    assert found.baseline == found.final
    assert any("provably worse than the plain recipe (-0.080 [-0.120, -0.040])" in note for note in found.notes)
