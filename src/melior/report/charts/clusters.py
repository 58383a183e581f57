"""Copies as clusters of dots: a dot is a row, a cluster are rows that are the same or nearly so."""

import math
from collections.abc import Sequence

from melior.report.charts._svg import chart, element, title
from melior.report.numbers import count

WIDTH = 640.0
STEP, GAP, RADIUS = 9.0, 10.0, 3.2
MOST_DOTS = 100  # of one cluster; a larger one says how many there are


def draw(clusters: Sequence[Sequence[int]]) -> str:
    """`clusters`: row numbers of each cluster, the largest first; the first of a cluster is the row that is kept."""
    clusters = [list(one) for one in clusters if len(one) > 1]
    if not clusters:
        return ""
    marks, x, y, tallest = [], 0.0, 0.0, 0.0
    for cluster in clusters:
        shown = min(len(cluster), MOST_DOTS)
        side = math.ceil(math.sqrt(shown))
        wide, tall = side * STEP, math.ceil(shown / side) * STEP
        if x + wide > WIDTH and x > 0:
            x, y, tallest = 0.0, y + tallest + GAP, 0.0
        dots = [
            element("circle", cx=x + (n % side + 0.5) * STEP, cy=y + (n // side + 0.5) * STEP, r=RADIUS,
                    class_="kept" if n == 0 else "copy")
            for n in range(shown)
        ]  # fmt: skip
        names = ", ".join(count(row + 1) for row in cluster[:12]) + (" …" if len(cluster) > 12 else "")
        whole = element("rect", x=x, y=y, width=wide, height=tall, class_="spot")
        marks.append(element("g", *dots, whole, title(f"{count(len(cluster))} rows: {names}"), class_="cluster"))
        x, tallest = x + wide + GAP, max(tallest, tall)
    height = y + tallest
    label = f"{count(len(clusters))} clusters of copies"
    return chart(label, *marks, viewBox=f"0 0 {WIDTH:g} {height:g}", class_="chart clusters")
