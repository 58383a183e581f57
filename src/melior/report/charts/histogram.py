"""A column's values as bars: all rows, and on top of them those that a finding names."""

from collections.abc import Mapping
from math import isnan
from typing import Any

from melior.report.charts._svg import chart, element, finite, said, title
from melior.report.numbers import count, number

WIDTH, HEIGHT = 300.0, 118.0
BOTTOM = 22.0
SMALLEST = 1.5  # height of a bar that holds a row at all: one value among thousands must be seen


def draw(found: Mapping[str, Any]) -> str:
    """`found`: column, edges (bins + 1), rows (bins), named (bins). Empty where there is nothing to draw."""
    edges = finite(found.get("edges") or [])
    rows, named = finite(found.get("rows") or []), finite(found.get("named") or [])
    if len(edges) != len(rows) + 1 or len(named) != len(rows) or not rows or any(map(isnan, [*edges, *rows, *named])):
        return ""
    most = max(rows) or 1.0
    wide = WIDTH / len(rows)
    tall = HEIGHT - BOTTOM - 4
    marks = []
    for place, (all_rows, own) in enumerate(zip(rows, named, strict=True)):
        if not all_rows:
            continue
        between = f"{number(edges[place])} to {number(edges[place + 1])}: {count(int(all_rows))} rows"
        hover = title(between + (f", {count(int(own))} of them named" if own else ""))
        bars = [_bar(place * wide, wide, all_rows / most * tall, "all")]
        if own:
            bars.append(_bar(place * wide, wide, max(own / most * tall, 2 * SMALLEST), "named"))
        whole = element("rect", x=place * wide, y=0.0, width=wide, height=HEIGHT - BOTTOM, class_="spot")
        marks.append(element("g", *bars, whole, hover, class_="bin"))
    base = HEIGHT - BOTTOM
    marks.append(element("line", x1=0.0, x2=WIDTH, y1=base, y2=base, class_="axis"))
    for x, value, anchor in ((0.0, edges[0], "start"), (WIDTH, edges[-1], "end")):
        marks.append(element("text", said(number(value)), x=x, y=HEIGHT - 6, text_anchor=anchor, class_="tick"))
    label = f"How often each value of {found.get('column')} occurs"
    return chart(label, *marks, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", class_="chart histogram")


def _bar(x: float, wide: float, tall: float, kind: str) -> str:
    tall = max(tall, SMALLEST)
    return element("rect", x=x + 0.5, y=HEIGHT - BOTTOM - tall, width=max(wide - 1, 0.8), height=tall, class_=kind)
