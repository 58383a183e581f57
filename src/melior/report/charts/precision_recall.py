"""Precision-recall curves: how often an answer is right, against how many rows of the class are caught."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from melior.report.charts._plane import across, plane, up
from melior.report.charts._svg import element, finite, line, title
from melior.report.numbers import percent, score

POINTS = 24  # marks that show their numbers, a curve
MOST = 12  # curves


def area(curve: Mapping[str, Any]) -> float:
    """Average precision, the sum over thresholds of recall gained times precision there; nan without points."""
    x, y = np.array(finite(curve["recall"])), np.array(finite(curve["precision"]))
    inside = ~(np.isnan(x) | np.isnan(y))
    return float((np.diff(x[inside]) * y[inside][1:]).sum()) if inside.sum() > 1 else float("nan")


def draw(curves: Sequence[Mapping[str, Any]], areas: Mapping[str, float] | None = None) -> str:
    """The curves of some classes (`PrecisionRecallCurve.to_dict`), the hardest class on top and marked.

    areas: the average precision of each class, where it was measured; otherwise it is taken from the curve.
    """
    known = {str(curve["label"]): area(curve) for curve in curves}
    known |= {label: value for label, value in (areas or {}).items() if label in known}
    drawn = sorted(
        (curve for curve in curves if not np.isnan(known[str(curve["label"])])), key=lambda c: known[str(c["label"])]
    )
    marks = []
    for place, curve in reversed(list(enumerate(drawn[:MOST]))):
        label = str(curve["label"])
        x = [across(value) for value in finite(curve["recall"])]
        y = [up(value) for value in finite(curve["precision"])]
        name = title(f"{label}: average precision {score(known[label])}")
        kind = "curve first" if place == 0 else "curve"
        marks.append(element("g", line(x, y, class_="near"), line(x, y, class_=kind), name, class_="lines"))
        if place == 0:
            marks += _points(curve)
    hardest = f", the lowest for {drawn[0]['label']}" if len(drawn) > 1 else ""
    seen = f"average precision {score(known[str(drawn[0]['label'])])}{hardest}" if drawn else "no curve could be drawn"
    return plane(f"Precision-recall curve: {seen}", "right when it says so", "caught", *marks)


def _points(curve: Mapping[str, Any]) -> list[str]:
    x, y = finite(curve["recall"]), finite(curve["precision"])
    limits = finite(curve.get("thresholds") or [None] * len(x))
    found = []
    for place in np.unique(np.linspace(0, len(x) - 1, min(POINTS, len(x))).astype(int)):
        if np.isnan(x[place]) or np.isnan(y[place]):
            continue
        told = f"catches {percent(x[place])} of its rows, and {percent(y[place])} of what it says is right"
        limit = "" if np.isnan(limits[place]) else f"from probability {limits[place]:.2f} on: "
        found.append(element("circle", title(limit + told), cx=across(x[place]), cy=up(y[place]), r=7, class_="spot"))
    return found
