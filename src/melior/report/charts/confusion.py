"""The confusion table: who is taken for whom, as counts, with the share of the row's class as the shade."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from melior.report.charts._svg import chart, element, finite, said, shortened, title
from melior.report.numbers import count, percent

MOST = 14  # classes
LABEL = 20  # letters
ABOVE = 30


def chosen(counts: np.ndarray[Any, Any], most: int = MOST) -> list[int]:
    """The classes to draw, in their order: all, or those that are taken for others and others for them most."""
    mistaken = counts - np.diag(np.diag(counts))
    order = np.argsort(-(mistaken.sum(axis=0) + mistaken.sum(axis=1)), kind="stable")[:most]
    return sorted(int(place) for place in order)


def draw(confusion: Mapping[str, Any], most: int = MOST) -> str:
    """The table (`Confusion.to_dict`); with more classes than `most`, the part that is confused most."""
    classes = [str(label) for label in confusion["classes"]]
    rows = [finite(row) for row in confusion["counts"]]
    if not classes or [len(row) for row in rows] != [len(classes)] * len(classes):
        return chart("Confusion table: there is nothing to draw", viewBox="0 0 300 10", class_="chart")
    counts = np.maximum(np.nan_to_num(np.array(rows, dtype=float)), 0)
    totals = counts.sum(axis=1, keepdims=True)
    rates = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    places = chosen(counts, most)
    size = max(40, min(96, 400 // len(places)))
    letters = max(len(shortened(classes[place], LABEL)) for place in places)
    left = 24 + min(6.8 * letters, 136)
    slanted = 7 * letters > size
    top = ABOVE + (min(4.8 * letters, 92) if slanted else 14)
    marks = [
        element("text", said("answered"), x=left, y=14.0, class_="name"),
        element(
            "text",
            said("true"),
            x=12.0,
            y=top + 4,
            class_="name",
            transform=f"rotate(-90 12 {top + 4:g})",
            text_anchor="end",
        ),
    ]
    for number, place in enumerate(places):
        middle = (number + 0.5) * size
        name = [title(classes[place]), said(shortened(classes[place], LABEL))]
        marks.append(element("text", *name, x=left - 8, y=top + middle + 4, text_anchor="end", class_="tick"))
        x, y = left + middle, top - 8
        slant = {"transform": f"rotate(-42 {x:.1f} {y:.1f})", "text_anchor": "start"} if slanted else {}
        marks.append(element("text", *name, x=x, y=y, class_="tick", **({"text_anchor": "middle"} | slant)))
    for down, true in enumerate(places):
        for right, answered in enumerate(places):
            marks.append(_cell(classes, counts, rates, true, answered, left + right * size, top + down * size, size))
    wide = left + size * len(places) + (top - ABOVE if slanted else 4)
    high = top + size * len(places) + 4
    right_ones = float(np.trace(counts) / counts.sum()) if counts.sum() > 0 else 0.0
    told = f"{percent(right_ones)} of the rows are answered right"
    label = f"Confusion table of {len(places)} of {len(classes)} classes: {told}"
    return chart(
        label, *marks, viewBox=f"0 0 {wide:.0f} {high:.0f}", class_="chart confusion", style=f"width:{wide:.0f}px"
    )


def _cell(
    classes: list[str],
    counts: np.ndarray[Any, Any],
    rates: np.ndarray[Any, Any],
    true: int,
    answered: int,
    x: float,
    y: float,
    size: int,
) -> str:
    rate, rows = float(rates[true, answered]), float(counts[true, answered])
    kind = "right" if true == answered else "wrong"
    how = "answered right" if true == answered else f"answered {classes[answered]}"
    inside = [
        title(f"{classes[true]}: {count(rows)} rows ({percent(rate)}) {how}"),
        element("rect", x=x, y=y, width=float(size), height=float(size), class_="under"),
        element(
            "rect", x=x + 1, y=y + 1, width=size - 2.0, height=size - 2.0, class_=kind, fill_opacity=f"{rate**0.7:.3f}"
        ),
    ]
    if rows > 0:
        deep = " deep" if rate > 0.68 else ""
        lower = y + size / 2 + (0 if size >= 56 else 4.5)
        inside.append(
            element("text", said(count(rows)), x=x + size / 2, y=lower, text_anchor="middle", class_=f"value{deep}")
        )
        if size >= 56:
            inside.append(
                element(
                    "text",
                    said(percent(rate)),
                    x=x + size / 2,
                    y=lower + 16,
                    text_anchor="middle",
                    class_=f"share{deep}",
                )
            )
    return element("g", *inside, class_="cell")
