"""The square from 0 to 1 in which ROC, precision-recall and reliability curves are drawn."""

from melior.report.charts._svg import chart, element, line, said

SIZE = 300
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 42


def across(value: float) -> float:
    """Where a share from 0 to 1 lies, from left to right."""
    return LEFT + min(max(value, 0.0), 1.0) * (SIZE - LEFT - RIGHT)


def up(value: float) -> float:
    """Where a share from 0 to 1 lies, from the bottom up."""
    return SIZE - BOTTOM - min(max(value, 0.0), 1.0) * (SIZE - TOP - BOTTOM)


def plane(label: str, beside: str, below: str, *marks: str, diagonal: bool = False) -> str:
    """The chart: grid, names of the axes, and the marks on top."""
    grid = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = across(share), up(share)
        kind = "axis" if share == 0 else "grid"
        grid.append(element("line", x1=x, x2=x, y1=up(0), y2=up(1), class_=kind))
        grid.append(element("line", x1=across(0), x2=across(1), y1=y, y2=y, class_=kind))
        if share in (0.0, 0.5, 1.0):
            name = f"{share:g}"
            anchor = "end" if share == 1 else "middle"
            grid.append(element("text", said(name), x=x, y=up(0) + 16, text_anchor=anchor, class_="tick"))
            grid.append(element("text", said(name), x=LEFT - 7, y=y + 4, text_anchor="end", class_="tick"))
    if diagonal:
        grid.append(line([across(0), across(1)], [up(0), up(1)], class_="reference"))
    middle = (up(0) + up(1)) / 2
    names = [
        element("text", said(below), x=(across(0) + across(1)) / 2, y=SIZE - 8, text_anchor="middle", class_="name"),
        element(
            "text",
            said(beside),
            x=11,
            y=middle,
            text_anchor="middle",
            class_="name",
            transform=f"rotate(-90 11 {middle:g})",
        ),
    ]
    return chart(label, *grid, *names, *marks, viewBox=f"0 0 {SIZE} {SIZE}", class_="chart plane")
