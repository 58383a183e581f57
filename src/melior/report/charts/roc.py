"""ROC curves: how many rows of a class are caught, and how many false alarms that costs, at every threshold."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np

from melior.report.charts._plane import MOST, Curve, lines, plane
from melior.report.charts._svg import finite, shares
from melior.report.numbers import percent, score


def area(curve: Mapping[str, Any]) -> float:
    """Area under a curve by trapezoids; nan without points."""
    x, y = np.array(shares(curve["false_positive_rate"])), np.array(shares(curve["true_positive_rate"]))
    inside = ~(np.isnan(x) | np.isnan(y))
    return float(np.trapezoid(y[inside], x[inside])) if inside.sum() > 1 else float("nan")


def draw(curves: Sequence[Mapping[str, Any]], areas: Mapping[str, float] | None = None) -> str:
    """The curves of some classes (`RocCurve.to_dict`), the hardest class on top and marked.

    areas: the area under the curve of each class, where it was measured; otherwise it is taken from the curve.
    """
    measured = [(area(curve), curve) for curve in curves]
    known = [((areas or {}).get(str(curve["label"]), own), curve) for own, curve in measured if not isnan(own)]
    known.sort(key=lambda pair: pair[0])
    drawn = [_curve(curve, value) for value, curve in known[:MOST]]
    hardest = f", the lowest for {drawn[0].label}" if len(drawn) > 1 else ""
    seen = f"area {score(known[0][0])}{hardest}" if drawn else "no curve could be drawn"
    return plane(f"ROC curve: {seen}", "caught", "false alarms", *lines(drawn), diagonal=True)


def _curve(curve: Mapping[str, Any], value: float) -> Curve:
    label = str(curve["label"])
    x, y = shares(curve["false_positive_rate"]), shares(curve["true_positive_rate"])
    limits = finite(curve.get("thresholds") or [None] * len(x))
    told = [
        ("" if isnan(limit) else f"from probability {limit:.2f} on: ")
        + f"catches {percent(right)} of its rows with {percent(wrong)} false alarms"
        for wrong, right, limit in zip(x, y, limits, strict=False)
    ]
    return Curve(label, x, y, f"{label}: area {score(value)}", told)
