"""Precision-recall curves: how often an answer is right, against how many rows of the class are caught."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np

from melior.report.charts._plane import MOST, Curve, lines, plane
from melior.report.charts._svg import finite, shares
from melior.report.numbers import percent, score


def area(curve: Mapping[str, Any]) -> float:
    """Average precision, the sum over thresholds of recall gained times precision there; nan without points."""
    x, y = np.array(shares(curve["recall"])), np.array(shares(curve["precision"]))
    inside = ~(np.isnan(x) | np.isnan(y))
    return float((np.diff(x[inside]) * y[inside][1:]).sum()) if inside.sum() > 1 else float("nan")


def draw(curves: Sequence[Mapping[str, Any]], areas: Mapping[str, float] | None = None) -> str:
    """The curves of some classes (`PrecisionRecallCurve.to_dict`), the hardest class on top and marked.

    areas: the average precision of each class, where it was measured; otherwise it is taken from the curve.
    """
    measured = [(area(curve), curve) for curve in curves]
    known = [((areas or {}).get(str(curve["label"]), own), curve) for own, curve in measured if not isnan(own)]
    known.sort(key=lambda pair: pair[0])
    drawn = [_curve(curve, value) for value, curve in known[:MOST]]
    hardest = f", the lowest for {drawn[0].label}" if len(drawn) > 1 else ""
    seen = f"average precision {score(known[0][0])}{hardest}" if drawn else "no curve could be drawn"
    return plane(f"Precision-recall curve: {seen}", "right when it says so", "caught", *lines(drawn))


def _curve(curve: Mapping[str, Any], value: float) -> Curve:
    label = str(curve["label"])
    x, y = shares(curve["recall"]), shares(curve["precision"])
    limits = finite(curve.get("thresholds") or [None] * len(x))
    told = [
        ("" if isnan(limit) else f"from probability {limit:.2f} on: ")
        + f"catches {percent(caught)} of its rows, and {percent(right)} of what it says is right"
        for caught, right, limit in zip(x, y, limits, strict=False)
    ]
    return Curve(label, x, y, f"{label}: average precision {score(value)}", told)
