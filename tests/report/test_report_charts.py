"""The charts: every point inside the picture, whatever the numbers are."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melior.report.charts import confusion, forest, outcome, precision_recall, reliability, roc, strip
from melior.report.charts._plane import MOST, SIZE
from melior.report.charts._svg import clean, ticks

ANY = st.one_of(st.none(), st.floats(), st.integers(-10, 10))
SHARES = st.lists(ANY, max_size=30)


def inside(drawn: str) -> ElementTree.Element:
    """The chart parsed; every number in it is finite and not beyond the edges."""
    chart = ElementTree.fromstring(drawn)
    assert chart.get("role") == "img"
    assert chart.get("aria-label")
    assert "nan" not in re.sub(r"<title>.*?</title>|>[^<]*<", "", drawn)
    wide = high = math.inf
    if chart.get("viewBox"):
        wide, high = (float(number) for number in str(chart.get("viewBox")).split()[2:])
    for part in chart.iter():
        for name in ("x", "x1", "x2", "cx"):
            value = part.get(name, "0")
            number = float(value.rstrip("%"))
            assert -1 <= number <= (100 if value.endswith("%") else wide), (name, value)
        for name in ("y", "y1", "y2", "cy"):
            assert -1 <= float(part.get(name, "0")) <= high
        if part.tag == "path" and chart.get("viewBox") == f"0 0 {SIZE} {SIZE}":
            numbers = [float(number) for number in re.findall(r"-?[\d.]+", part.get("d", ""))]
            assert all(0 <= number <= SIZE for number in numbers)
    return chart


def roc_of(x: list[Any], y: list[Any], label: str = "yes") -> dict[str, Any]:
    return {"label": label, "false_positive_rate": x, "true_positive_rate": y, "thresholds": [0.5] * len(x)}


def fall_of(x: list[Any], y: list[Any], label: str = "yes") -> dict[str, Any]:
    return {"label": label, "recall": x, "precision": y, "thresholds": [0.5] * len(x)}


def bins_of(x: list[Any], y: list[Any], label: str | None = None) -> dict[str, Any]:
    return {"label": label, "claimed": x, "observed": y, "low": y, "high": y, "rows": [10.0] * len(x)}


CURVES = [(roc.draw, roc_of), (precision_recall.draw, fall_of), (reliability.draw, bins_of)]


@pytest.mark.parametrize(("draw", "make"), CURVES)
def test_curves_of_ordinary_points(draw: Callable[..., str], make: Callable[..., dict[str, Any]]) -> None:
    chart = inside(draw([make([0.0, 0.2, 1.0], [0.0, 0.9, 1.0])]))
    assert len([part for part in chart.iter("path") if part.get("class") == "curve first"]) == 1
    assert len(list(chart.iter("circle"))) >= 3
    assert all("%" in str(title.text) or "area" in str(title.text) or "average" in str(title.text)
               for title in chart.iter("title"))  # fmt: skip


@pytest.mark.parametrize(("draw", "make"), CURVES)
def test_curves_without_points(draw: Callable[..., str], make: Callable[..., dict[str, Any]]) -> None:
    for curves in ([], [make([], [])], [make([None], [0.5])]):
        assert "no curve could be drawn" in str(inside(draw(curves)).get("aria-label"))


@pytest.mark.parametrize(("draw", "make"), CURVES)
@given(x=SHARES, y=SHARES)
def test_curves_of_anything(
    draw: Callable[..., str], make: Callable[..., dict[str, Any]], x: list[Any], y: list[Any]
) -> None:
    length = min(len(x), len(y))
    inside(draw([make(x[:length], y[:length]), make([0.0, 1.0], [0.0, 1.0], "other")]))


def test_curves_break_where_a_point_is_unknown() -> None:
    chart = inside(roc.draw([roc_of([0.0, 0.2, None, 0.6, 1.0], [0.0, 0.5, 0.6, 0.8, 1.0])]))
    first = next(part for part in chart.iter("path") if part.get("class") == "curve first")
    assert str(first.get("d")).count("M") == 2


def test_a_single_bin() -> None:
    chart = inside(reliability.draw([bins_of([0.8], [0.7])]))
    assert "10.0 % off" not in str(chart.get("aria-label"))
    assert "off by 10.0" in str(chart.get("aria-label"))


def test_the_hardest_class_is_marked_and_the_easiest_are_left_out() -> None:
    curves = [roc_of([0, 0.5, 1], [0, 0.4 + n / 50, 1], f"c{n}") for n in range(20)]
    chart = inside(roc.draw(curves))
    assert "the lowest for c0" in str(chart.get("aria-label"))
    assert len([part for part in chart.iter("g") if part.get("class") == "lines"]) == MOST
    measured = inside(roc.draw(curves, {"c7": 0.1}))
    assert "area 0.100, the lowest for c7" in str(measured.get("aria-label"))


def test_areas() -> None:
    assert roc.area(roc_of([0, 0, 1], [0, 1, 1])) == 1
    assert roc.area(roc_of([0, 1], [0, 1])) == 0.5
    assert precision_recall.area(fall_of([0, 1, 1], [1, 1, 0.5])) == 1
    assert math.isnan(roc.area(roc_of([], [])))
    assert reliability.gap(bins_of([0.5, 0.9], [0.4, 0.8])) == pytest.approx(0.1)


def line(effect: float, half: float = 0.01, verdict: str = "undecided", **more: Any) -> forest.Line:
    return forest.Line(more.pop("name", "a method"), effect, effect - half, effect + half, verdict, **more)


@pytest.mark.parametrize("narrow", [False, True])
def test_forest_is_sorted_by_effect(narrow: bool) -> None:
    lines = [line(value, name=f"m{place}") for place, value in enumerate((-0.02, 0.05, 0.01))]
    chart = inside(forest.draw(lines, narrow=narrow))
    named = [part.text for part in chart.iter("text") if part.get("class") == "label"]
    assert named == ["m1", "m2", "m0"]
    assert len([part for part in chart.iter("line") if part.get("class") == "zero"]) == 1


def test_verdicts_differ_in_shape_too() -> None:
    assert (
        len({re.sub('class="[a-z]+"', "", forest.shape(name)) for name in ("accepted", "rejected", "undecided")}) == 3
    )


def test_forest_cuts_off_the_hopeless() -> None:
    low, high = forest.ends([line(0.05), line(0.02), line(0.01), line(-5.0)])
    assert -0.5 < low < 0 < 0.06 < high
    assert forest.ends([]) == (-0.01, 0.01)


@given(st.lists(st.tuples(st.floats(), st.floats(), st.floats()), max_size=8), st.booleans())
def test_forest_of_anything(numbers: list[tuple[float, float, float]], narrow: bool) -> None:
    bounded = [[math.nan if math.isnan(v) else max(min(v, 1e6), -1e6) for v in three] for three in numbers]
    inside(forest.draw([forest.Line("<b>", *three, verdict="rejected") for three in bounded], narrow=narrow))


def test_forest_groups() -> None:
    chart = inside(forest.draw([line(0.1, group="alone"), line(0.2, group="together"), line(0.3, group="alone")]))
    assert [part.text for part in chart.iter("text") if part.get("class") == "group"] == ["alone", "together"]


def test_confusion_counts_and_rates() -> None:
    chart = inside(confusion.draw({"classes": ["no", "yes"], "counts": [[30, 10], [0, 0]]}))
    texts = [part.text for part in chart.iter("text")]
    assert "30" in texts
    assert "75.0\u202f%" in texts
    titles = [title.text for title in chart.iter("title")]
    assert "no: 10 rows (25.0\u202f%) answered yes" in titles
    assert "75.0\u202f% of the rows are answered right" in str(chart.get("aria-label"))


@pytest.mark.parametrize(
    "given_confusion",
    [
        {"classes": [], "counts": []},
        {"classes": ["only"], "counts": [[7]]},
        {"classes": ["a", "b"], "counts": [[0, 0], [0, 0]]},
        {"classes": ["a", "b"], "counts": [[-1.5, 2.25], [None, math.nan]]},
        {"classes": ["a", "b"], "counts": [[1, 2]]},
    ],
)
def test_confusion_of_little(given_confusion: dict[str, Any]) -> None:
    inside(confusion.draw(given_confusion))


def test_confusion_of_many_classes_shows_the_worst() -> None:
    counts = 100 * np.eye(60)
    counts[41, 7] = 90
    places = confusion.chosen(counts)
    assert len(places) == confusion.MOST
    assert {7, 41} <= set(places)
    assert places == sorted(places)
    inside(confusion.draw({"classes": [f"<class> & {n}" for n in range(60)], "counts": counts.tolist()}))


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10), st.floats(-10, 10)), max_size=4))
def test_outcome_of_anything(numbers: list[tuple[float, float, float]]) -> None:
    inside(outcome.draw([outcome.Mark("<before>", *sorted(three), kind="before") for three in numbers]))


def test_outcome_without_an_interval() -> None:
    mark = outcome.Mark("believed", 0.9, math.nan, math.nan, "believed")
    chart = inside(outcome.draw([mark]))
    assert not [part for part in chart.iter("line") if "bar" in str(part.get("class"))]
    assert chart.get("aria-label") == "believed 0.900"


@given(ANY, ANY, ANY, ANY, ANY)
def test_strip_of_anything(value: Any, low: Any, high: Any, first: Any, last: Any) -> None:
    found = {"value": value, "low": low, "high": high}
    ends = [math.nan if end is None else float(end) for end in (first, last)]
    inside(strip.draw(found, found, *ends))
    inside(strip.draw(found, None, *ends))


@given(st.floats(-1e3, 1e3), st.floats(1e-4, 1e4))
def test_ticks_lie_between(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert len(found) <= 12
    assert all(low - 1e-6 * width <= tick <= low + width + 1e-6 * width for tick in found)


def test_clean() -> None:
    assert clean("a\x00b\ud800c\u202ed\n") == "a\ufffdb?c\ufffdd\n"
