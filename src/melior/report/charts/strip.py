"""A strip inside a table: the interval of a score, and of the score before, on a scale that the table shares."""

import math
from collections.abc import Mapping
from typing import Any

from melior.report.charts._svg import chart, element, finite
from melior.report.numbers import score

WIDTH, HEIGHT = 132.0, 20.0


def draw(after: Mapping[str, Any], before: Mapping[str, Any] | None, low: float, high: float) -> str:
    """Two intervals (value, low, high) above each other; low, high: the ends of the scale."""
    marks, told = [], []
    spread = high - low if math.isfinite(high - low) and high > low else 1.0

    def place(value: float) -> float:
        return 4 + min(max((value - low) / spread, 0.0), 1.0) * (WIDTH - 8)

    for kind, found, y in (("before", before, 5.0), ("after", after, 14.0 if before else 10.0)):
        if not found:
            continue
        value, first, last = finite([found.get("value"), found.get("low"), found.get("high")])
        if math.isnan(value):
            continue
        if not (math.isnan(first) or math.isnan(last)):
            marks.append(element("line", x1=place(first), x2=place(last), y1=y, y2=y, class_=f"bar {kind}"))
        marks.append(element("circle", cx=place(value), cy=y, r=3.2, class_=f"dot {kind}"))
        told.append(f"{kind} {score(value)}")
    rail = element("line", x1=0, x2=WIDTH, y1=HEIGHT, y2=HEIGHT, class_="grid")
    label = ", ".join(told) or "not defined"
    return chart(
        label, rail, *marks, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", width=WIDTH, height=HEIGHT, class_="chart strip"
    )
