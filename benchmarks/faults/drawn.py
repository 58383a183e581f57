"""The share recovered, drawn: a row for each kind of fault, a mark for each tool."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, STEP, TOP = 720, 190, 700, 26, 46
LOW, HIGH = -0.5, 1.5  # what lies outside is drawn at the edge, as an open mark
COLOURS = {
    "melior": "#1b7f5c",
    "lightgbm": "#8a8a8a",
    "flaml": "#b8621b",
    "autogluon": "#2f6db5",
    "cleanlab": "#8b4fa8",
}


def picture(rows: Mapping[str, Mapping[str, float | None]], entrants: Sequence[str]) -> str:
    """An SVG. rows: kind of fault -> entrant -> mean share recovered, None where it was not run."""
    height = TOP + STEP * len(rows) + 30
    marks = []
    for number, entrant in enumerate(entrants):
        at = LEFT + number * 100
        marks.append(f'<circle cx="{at}" cy="14" r="5" fill="{COLOURS[entrant]}"/>')
        marks.append(f'<text x="{at + 10}" y="18">{escape(entrant)}</text>')
    for share in (-0.5, 0.0, 0.5, 1.0, 1.5):
        kind = "zero" if share in (0.0, 1.0) else "grid"
        marks.append(f'<line class="{kind}" x1="{x(share)}" x2="{x(share)}" y1="{TOP - 12}" y2="{height - 26}"/>')
        marks.append(f'<text x="{x(share)}" y="{height - 8}" text-anchor="middle">{share:g}</text>')
    for number, (kind, shares) in enumerate(rows.items()):
        y = TOP + STEP * number + 4
        weight = ' font-weight="600"' if kind == "all" else ""
        marks.append(f'<text x="0" y="{y + 4}"{weight}>{escape(kind)}</text>')
        for entrant in reversed(entrants):  # the first on top
            share = shares.get(entrant)
            if share is None:
                continue
            inside = LOW <= share <= HIGH
            fill = COLOURS[entrant] if inside else "none"
            marks.append(
                f'<circle cx="{x(share)}" cy="{y}" r="5" fill="{fill}" stroke="{COLOURS[entrant]}" stroke-width="1.5">'
                f"<title>{escape(entrant)}: {share:.2f}</title></circle>"
            )
    style = (
        "text{font:13px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}.zero{stroke:#999;stroke-dasharray:3 3}"
        "@media (prefers-color-scheme:dark){text{fill:#bbb}.grid{stroke:#444}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
        f"<style>{style}</style>{''.join(marks)}</svg>\n"
    )


def x(share: float) -> float:
    """The place of a share, at the edge where it lies outside."""
    return round(LEFT + (min(max(share, LOW), HIGH) - LOW) / (HIGH - LOW) * (RIGHT - LEFT), 1)
