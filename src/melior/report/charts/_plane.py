"""The square from 0 to 1 in which ROC, precision-recall and reliability curves are drawn, and the curves in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from melior.report.charts._svg import chart, element, line, said, title

SIZE = 300
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 42
MOST = 12  # curves
SPOTS = 24  # places of a curve that show their numbers


@dataclass(frozen=True)
class Curve:
    """A line of shares from 0 to 1, with what hovering over the line and over its places tells."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    name: str
    told: Sequence[str] = ()


def across(value: float) -> float:
    """Where a share from 0 to 1 lies, from left to right."""
    return LEFT + min(max(value, 0.0), 1.0) * (SIZE - LEFT - RIGHT)


def up(value: float) -> float:
    """Where a share from 0 to 1 lies, from the bottom up."""
    return SIZE - BOTTOM - min(max(value, 0.0), 1.0) * (SIZE - TOP - BOTTOM)


def lines(curves: Sequence[Curve]) -> list[str]:
    """The first curves, the very first on top and marked."""
    marks = []
    for place, curve in reversed(list(enumerate(curves[:MOST]))):
        x = [value if isnan(value) else across(value) for value in curve.x]
        y = [value if isnan(value) else up(value) for value in curve.y]
        drawn = line(x, y, class_="curve" if place else "curve first")
        marks.append(element("g", line(x, y, class_="near"), drawn, title(curve.name), class_="lines"))
    return [*marks, *(_spots(curves[0]) if curves else [])]


def _spots(curve: Curve) -> list[str]:
    """Invisible places on the curve that tell their numbers."""
    places = np.unique(np.linspace(0, len(curve.told) - 1, min(SPOTS, len(curve.told))).astype(int))
    return [
        element("circle", title(curve.told[at]), cx=across(curve.x[at]), cy=up(curve.y[at]), r=7, class_="spot")
        for at in places
        if not (isnan(curve.x[at]) or isnan(curve.y[at]))
    ]


def plane(label: str, beside: str, below: str, *marks: str, diagonal: bool = False) -> str:
    """The chart: grid, names of the axes, and the marks on top."""
    grid = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = across(share), up(share)
        kind = "axis" if share == 0 else "grid"
        grid.append(element("line", x1=x, x2=x, y1=up(0), y2=up(1), class_=kind))
        grid.append(element("line", x1=across(0), x2=across(1), y1=y, y2=y, class_=kind))
        if share in (0.0, 0.5, 1.0):
            name, anchor = said(f"{share:g}"), "end" if share == 1 else "middle"
            grid.append(element("text", name, x=x, y=up(0) + 16, text_anchor=anchor, class_="tick"))
            grid.append(element("text", name, x=LEFT - 7, y=y + 4, text_anchor="end", class_="tick"))
    if diagonal:
        grid.append(line([across(0), across(1)], [up(0), up(1)], class_="reference"))
    middle = (up(0) + up(1)) / 2
    turned = {"x": 11, "y": middle, "transform": f"rotate(-90 11 {middle:g})"}
    names = [
        element("text", said(below), x=(across(0) + across(1)) / 2, y=SIZE - 8, text_anchor="middle", class_="name"),
        element("text", said(beside), **turned, text_anchor="middle", class_="name"),
    ]
    return chart(label, *grid, *names, *marks, viewBox=f"0 0 {SIZE} {SIZE}", class_="chart plane")
