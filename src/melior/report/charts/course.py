"""How numbers went over the steps of a training: losses, the rate, the speed, gradients layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np

from melior.report.charts._svg import chart, element, finite, line, said, ticks, title
from melior.report.numbers import count, number

WIDTH, HEIGHT = 340.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 10.0, 10.0, 40.0
POINTS = 160  # of a line; more are averaged, so that the file stays small and noise does not hide the course
SPOTS = 32  # places of a line that tell their numbers
LEAST = 1e-12  # of what is drawn by decades


@dataclass(frozen=True)
class Series:
    """One line: a name, steps and values (None where unknown); kind: first (strong), last (warm), or empty (thin);
    dots: draws each point."""

    name: str
    steps: Sequence[float]
    values: Sequence[float | None]
    kind: str = ""
    dots: bool = False
    told: bool = True
    marks: Sequence[int] = field(default_factory=tuple)  # places that are marked


def draw(label: str, beside: str, series: Sequence[Series], *, decades: bool = False, zero: bool = False) -> str:
    """The chart, or nothing where fewer than two points are known. decades: upwards by powers of ten; zero: from 0."""
    drawn = [(one, *thinned(one, decades)) for one in series]
    drawn = [(one, x, y) for one, x, y in drawn if np.isfinite(y).any()]
    if not drawn:
        return ""
    every = np.concatenate([y for _, _, y in drawn])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    low = min(low, 0.0) if zero else low
    if high - low < 1e-12:
        low, high = low - max(abs(low), 1e-6) / 2, high + max(abs(high), 1e-6) / 2
    last = max(float(x[-1]) for _, x, _ in drawn)
    first = min(float(x[0]) for _, x, _ in drawn)
    if last <= first:
        return ""

    def across(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks, spots = [], []
    for one, x, y in sorted(drawn, key=lambda item: ("", "last", "first").index(item[0].kind)):
        places = [across(float(step)) for step in x], [nan if isnan(value) else up(float(value)) for value in y]
        curve = line(*places, class_=f"curve {one.kind}".strip())
        near = line(*places, class_="near")
        dots = [
            element("circle", cx=a, cy=b, r=5.0 if at in one.marks else 2.5, class_=f"dot {one.kind}".strip())
            for at, (a, b) in enumerate(zip(*places, strict=True))
            if one.dots and not isnan(b)
        ]
        marks.append(element("g", near, curve, *dots, title(one.name), class_="lines"))
        if one.told:
            spots += _spots(one, x, y, *places, decades)
    return chart(
        label, *_grid(low, high, first, last, across, up, decades), *_names(beside), *marks, *spots,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", class_="chart plane course",
    )  # fmt: skip


def thinned(one: Series, decades: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, neighbours averaged where there are many; values in powers of ten where wanted."""
    x, y = np.array(finite(one.steps)), np.array(finite(one.values))
    x, y = x[~np.isnan(x)], y[~np.isnan(x)]
    if decades:
        with np.errstate(invalid="ignore"):
            y = np.log10(np.where(y >= 0, np.maximum(y, LEAST), nan))
    if len(x) <= POINTS or one.dots:
        return x, y
    known = ~np.isnan(y)
    pieces = np.array_split(np.arange(len(x)), POINTS)
    means = [float(y[p][known[p]].mean()) if known[p].any() else nan for p in pieces]
    return np.array([float(x[p[-1]]) for p in pieces]), np.array(means)


def _spots(one: Series, x: np.ndarray, y: np.ndarray, across: list[float], up: list[float], decades: bool) -> list[str]:
    """Invisible places that tell their numbers."""
    places = np.arange(len(x)) if one.dots else np.unique(np.linspace(0, len(x) - 1, min(SPOTS, len(x))).astype(int))
    return [
        element(
            "circle",
            title(f"{one.name}, step {count(int(x[at]))}: {number(10 ** float(y[at]) if decades else float(y[at]))}"),
            cx=across[at],
            cy=up[at],
            r=7,
            class_="spot",
        )
        for at in places
        if not isnan(up[at])
    ]


def _grid(low: float, high: float, first: float, last: float, across, up, decades: bool) -> list[str]:  # type: ignore[no-untyped-def]
    marks = []
    heights = [float(v) for v in range(int(np.ceil(low)), int(np.floor(high)) + 1)] if decades else ticks(low, high, 4)
    if decades and len(heights) > 6:
        heights = heights[:: -(-len(heights) // 6)]
    if len(heights) < 2:
        heights = [low, high]
    for value in heights:
        y = up(value)
        marks.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        text = number(10**value if decades else value)
        if decades and abs(value) > 3 and value == round(value):
            text = f"1e{value:.0f}"
        marks.append(element("text", said(text), x=LEFT - 6, y=y + 4, text_anchor="end", class_="tick"))
    base = HEIGHT - BOTTOM
    marks.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="axis"))
    places = [step for step in ticks(first, last, 6) if step == round(step)]
    for step in places or [first, last]:
        x = across(step)
        anchor = "end" if x > WIDTH - RIGHT - 12 else "middle"
        marks.append(element("text", said(count(int(step))), x=x, y=base + 16, text_anchor=anchor, class_="tick"))
    return marks


def _names(beside: str) -> list[str]:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return [
        element("text", said("step"), x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="name"),
        element("text", said(beside), x=11, y=middle, transform=f"rotate(-90 11 {middle:g})", text_anchor="middle",
                class_="name"),
    ]  # fmt: skip
