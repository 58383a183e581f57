"""The outcome on one line: what was believed, what the plain recipe scores, what the improved one scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from melior.report.charts._svg import chart, element, said, ticks, title
from melior.report.numbers import score

LEFT, RIGHT = 16.0, 97.0  # where the scale lies, in per cent of the width
STEP = 30.0


@dataclass(frozen=True)
class Mark:
    """One score. kind: believed, before or after; the ends are nan where there is no interval."""

    name: str
    value: float
    low: float
    high: float
    kind: str


def draw(marks: Sequence[Mark]) -> str:
    """The scores under each other on one scale, with their intervals."""
    shown = [mark for mark in marks if math.isfinite(mark.value)]
    known = [end for mark in shown for end in (mark.value, mark.low, mark.high) if math.isfinite(end)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.01
    low, high = low - room, high + room

    def place(value: float) -> str:
        return f"{LEFT + (value - low) / (high - low) * (RIGHT - LEFT):.2f}%"

    bottom = STEP * len(shown) + 4
    parts = []
    for tick in ticks(low, high, 5):
        parts.append(element("line", x1=place(tick), x2=place(tick), y1=0, y2=bottom, class_="grid"))
        parts.append(
            element("text", said(f"{tick:g}"), x=place(tick), y=bottom + 16, text_anchor="middle", class_="tick")
        )
    for number, mark in enumerate(shown):
        y = STEP * number + STEP / 2 + 2
        sure = math.isfinite(mark.low) and math.isfinite(mark.high)
        between = f", 95 % interval {score(mark.low)} to {score(mark.high)}" if sure else ""
        inside = [
            title(f"{mark.name}: {score(mark.value)}{between}"),
            element("rect", x=0, y=y - STEP / 2, width="100%", height=STEP, class_="spot"),
            element("text", said(mark.name), x=0, y=y + 4.5, class_="label"),
        ]
        if sure:
            inside.append(
                element("line", x1=place(mark.low), x2=place(mark.high), y1=y, y2=y, class_=f"bar {mark.kind}")
            )
        inside.append(element("circle", cx=place(mark.value), cy=y, r=5.5, class_=f"dot {mark.kind}"))
        parts.append(element("g", *inside))
    label = "; ".join(f"{mark.name} {score(mark.value)}" for mark in shown) or "no score"
    return chart(label, *parts, width="100%", height=f"{bottom + 22:.0f}", class_="chart outcome")
