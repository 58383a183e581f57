"""The rows in two dimensions: near each other where they are alike, marked where a finding names them."""

from collections.abc import Mapping
from math import isnan
from typing import Any

from melior.report.charts._svg import chart, element, finite, title
from melior.report.numbers import count

WIDTH, HEIGHT = 640.0, 400.0
EDGE = 10.0
KINDS = 6  # symptoms with a colour of their own; the rest share the last


def draw(found: Mapping[str, Any]) -> tuple[str, list[str]]:
    """`found`: x, y, row, symptom, told, each one entry a row. The map, and the symptoms in the order of their marks
    (the n-th has the class `kind-n`); an empty chart where nothing can be drawn."""
    x, y = finite(found.get("x") or []), finite(found.get("y") or [])
    symptoms, rows, told = (list(found.get(key) or []) for key in ("symptom", "row", "told"))
    if not x or not len(x) == len(y) == len(symptoms) == len(rows) == len(told):
        return "", []
    often: dict[str, int] = {}
    for symptom in symptoms:
        if symptom:
            often[symptom] = often.get(symptom, 0) + 1
    order = sorted(often, key=lambda name: (-often[name], name))
    across, up = _scale(x, WIDTH), _scale(y, HEIGHT)
    marks = []
    for place in sorted(range(len(x)), key=lambda place: bool(symptoms[place])):  # the named ones on top
        if isnan(x[place]) or isnan(y[place]):
            continue
        name = symptoms[place]
        kind = f"row kind-{min(order.index(name), KINDS - 1) + 1}" if name else "row"
        hover = title(f"row {count(int(rows[place]) + 1)}: {told[place]}")
        spot = {"cx": across(x[place]), "cy": HEIGHT - up(y[place])}
        marks.append(element("circle", hover, **spot, r=4.0 if name else 2.4, class_=kind))
    frame = element("rect", x=0.5, y=0.5, width=WIDTH - 1, height=HEIGHT - 1, rx=6.0, class_="frame")
    label = "A map of the rows; those near each other are alike"
    return chart(label, frame, *marks, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", class_="chart rowmap"), order


def _scale(values: list[float], length: float):  # type: ignore[no-untyped-def]
    known = sorted(value for value in values if not isnan(value))
    low, high = (known[0], known[-1]) if known else (0.0, 1.0)
    spread = high - low or 1.0
    return lambda value: EDGE + (value - low) / spread * (length - 2 * EDGE)
