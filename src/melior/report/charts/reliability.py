"""The reliability curve: whether of the rows given 0.8, eight in ten are really so."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from melior.report.charts._plane import MOST, Curve, across, lines, plane, up
from melior.report.charts._svg import element, finite, shares, title
from melior.report.numbers import count, percent


def gap(curve: Mapping[str, Any]) -> float:
    """Mean distance from the diagonal, each bin by its rows; nan without points."""
    claimed, observed = (np.array(shares(curve[key])) for key in ("claimed", "observed"))
    rows = np.array(finite(curve["rows"]))
    inside = ~(np.isnan(claimed) | np.isnan(observed) | np.isnan(rows))
    if not inside.any() or rows[inside].sum() <= 0:
        return float("nan")
    return float(np.average(np.abs(claimed - observed)[inside], weights=rows[inside]))


def draw(curves: Sequence[Mapping[str, Any]]) -> str:
    """Bins of claimed probability with the share that was so and its interval (`ReliabilityCurve.to_dict`).

    The curve of the likeliest class (label None), else the first, has its points marked; others are thin lines.
    """
    usable = [curve for curve in curves if not np.isnan(gap(curve))]
    usable.sort(key=lambda curve: curve.get("label") is not None)
    drawn = [_curve(curve) for curve in usable[:MOST]]
    bins = _bins(usable[0]) if usable else []
    seen = f"claims are off by {percent(gap(usable[0]))} on average" if usable else "no curve could be drawn"
    return plane(
        f"Reliability curve: {seen}", "share that was so", "probability claimed", *lines(drawn), *bins, diagonal=True
    )


def _curve(curve: Mapping[str, Any]) -> Curve:
    whose = "the class it answers" if curve.get("label") is None else str(curve["label"])
    told = f"{whose}: {percent(gap(curve))} off on average"
    return Curve(whose, shares(curve["claimed"]), shares(curve["observed"]), told)


def _bins(curve: Mapping[str, Any]) -> list[str]:
    columns = [*(shares(curve[key]) for key in ("claimed", "observed", "low", "high")), finite(curve["rows"])]
    found = []
    for claimed, observed, low, high, rows in zip(*columns, strict=False):
        if np.isnan(claimed) or np.isnan(observed):
            continue
        x, inside = across(claimed), []
        if not (np.isnan(low) or np.isnan(high)):
            inside.append(element("line", x1=x, x2=x, y1=up(low), y2=up(high), class_="whisker"))
        inside.append(element("circle", cx=x, cy=up(observed), r=3, class_="dot"))
        inside.append(element("circle", cx=x, cy=up(observed), r=8, class_="spot"))
        told = f"{count(rows)} rows were given {percent(claimed)} on average; {percent(observed)} were so"
        between = "" if np.isnan(low) or np.isnan(high) else f" (between {percent(low)} and {percent(high)})"
        found.append(element("g", *inside, title(told + between)))
    return found
