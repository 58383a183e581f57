"""The forest plot: what each candidate changed, with its interval, beside the line of no change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from melior.report.charts._svg import chart, element, said, shortened, ticks, title
from melior.report.numbers import MINUS, seconds, signed

MOST = 40  # lines
WIDE = (30.0, 66.0)  # where the plot lies, in per cent of the width
NARROW = (1.0, 99.0)


@dataclass(frozen=True)
class Line:
    """One candidate. group: lines of one group stand together under its name."""

    name: str
    effect: float
    low: float
    high: float
    verdict: str
    seconds: float = 0.0
    group: str = ""
    told: str = ""


@dataclass(frozen=True)
class Scale:
    """Effects to per cent of the width."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)


def ends(lines: Sequence[Line]) -> tuple[float, float]:
    """The ends of the scale, zero inside. One hopeless candidate must not flatten all others: it is cut off."""
    known = [line for line in lines if math.isfinite(line.effect)]
    lows = sorted(line.low if math.isfinite(line.low) else line.effect for line in known)
    highs = [line.high if math.isfinite(line.high) else line.effect for line in known]
    if not known:
        return -0.01, 0.01
    high = max(max(highs), 0.0)
    low = min(min(lows), 0.0)
    reach = max(1.5 * high, -2 * lows[len(lows) // 2], 0.01)
    low = max(low, -reach)
    room = 0.04 * max(high - low, 0.002)
    return low - room, high + room


def draw(lines: Sequence[Line], *, narrow: bool = False) -> str:
    """One line a candidate, the largest effect first. narrow: the name stands above its interval, for phones.

    Widths are in per cent, so that letters keep their size on every screen.
    """
    shown = sorted((line for line in lines if math.isfinite(line.effect)), key=lambda line: -line.effect)[:MOST]
    scale = Scale(*ends(shown), *(NARROW if narrow else WIDE))
    step = 46.0 if narrow else 32.0
    marks: list[str] = []
    y = 6.0
    for group in dict.fromkeys(line.group for line in lines):
        inside = [line for line in shown if line.group == group]
        if group and inside:
            y += 14 if marks else 0
            marks.append(element("text", said(group), x=0, y=y + 16, class_="group"))
            y += 30
        for line in inside:
            marks.append(_line(line, scale, y, step, narrow=narrow))
            y += step
    axis = [_zero(scale, y)]
    for tick in ticks(scale.low, scale.high, 4 if narrow else 6):
        x = scale(tick)
        axis.append(element("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=6, y2=y, class_="grid"))
        anchor = "start" if x < 6 else "end" if x > 94 else "middle"
        axis.append(
            element(
                "text",
                said(f"{tick:+g}".replace("-", MINUS) if tick else "0"),
                x=f"{x:.2f}%",
                y=y + 18,
                text_anchor=anchor,
                class_="tick",
            )
        )
    middle = f"{scale(0):.2f}%"
    worse = element("text", said("← worse"), x=middle, y=y + 38, dx=-10, text_anchor="end", class_="name")
    better = element("text", said("better →"), x=middle, y=y + 38, dx=10, class_="name")
    sides = [worse if scale(0) > scale.left + 8 else "", better if scale(0) < scale.right - 8 else ""]
    best = f"; the largest is {shown[0].name} with {signed(shown[0].effect)}" if shown else ""
    label = f"Effects of {len(shown)} candidates with their 95 % intervals{best}"
    kind = "chart forest narrow" if narrow else "chart forest wide"
    return chart(label, *axis[1:], axis[0], *marks, *sides, width="100%", height=f"{y + 46:.0f}", class_=kind)


def shape(verdict: str) -> str:
    """The mark of a verdict, around (0, 0): a filled diamond, a hollow circle, a cross."""
    if verdict == "accepted":
        return element("path", d="M0-6.5L6.5 0L0 6.5L-6.5 0Z", class_="accepted")
    if verdict == "rejected":
        return element("path", d="M-4.5-4.5L4.5 4.5M-4.5 4.5L4.5-4.5", class_="rejected")
    return element("circle", r=4.6, class_="undecided")


def _line(line: Line, scale: Scale, y: float, step: float, *, narrow: bool) -> str:
    middle = y + (31.0 if narrow else step / 2)
    text = y + (15.0 if narrow else step / 2 + 4.5)
    sure = math.isfinite(line.low) and math.isfinite(line.high)
    off = (6.0 if narrow else 2.5) * (sure and line.low < scale.low)  # it goes on beyond the left end
    between = f" [{signed(line.low)}, {signed(line.high)}]" if sure else ""
    inside = [
        element("rect", x=0, y=y, width="100%", height=step, class_="spot"),
        element("text", said(shortened(line.name, 30 if narrow else 34)), x=0, y=text, class_="label"),
    ]
    if narrow:
        inside.append(
            element("text", said(signed(line.effect) + between), x="100%", y=text, text_anchor="end", class_="value")
        )
    else:
        inside.append(
            element("text", said(signed(line.effect)), x="75%", y=text, text_anchor="end", class_="value strong")
        )
        inside.append(element("text", said(between.strip()), x="76%", y=text, class_="value"))
        inside.append(element("text", said(seconds(line.seconds)), x="100%", y=text, text_anchor="end", class_="value"))
    if sure:
        first, last = scale(line.low), scale(line.high)
        ends = {"x1": f"{first:.2f}%", "x2": f"{max(last, first + off):.2f}%"}
        inside.append(element("line", **ends, y1=middle, y2=middle, class_=f"bar {line.verdict}"))
        if off:
            arrow = element("path", d="M5-4L0 0L5 4", class_=f"bar {line.verdict}")
            inside.append(element("svg", arrow, x=f"{first:.2f}%", y=middle, class_="at"))
    place = max(scale(line.effect), scale.left + off)
    inside.append(element("svg", shape(line.verdict), x=f"{place:.2f}%", y=middle, class_="at"))
    told = line.told or f"{line.name}: {signed(line.effect)}{between}, {line.verdict}"
    return element("g", *inside, title(told), class_="line")


def _zero(scale: Scale, y: float) -> str:
    x = f"{scale(0):.2f}%"
    return element("line", x1=x, x2=x, y1=0, y2=y + 4, class_="zero")
