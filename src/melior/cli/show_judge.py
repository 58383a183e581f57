"""What `melior judge` shows: the metrics of both, where they differ, and the verdict."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from melior.cli import show

if TYPE_CHECKING:
    from melior.verbs.comparison import Comparison

STYLES = {"b_better": "bold green", "no_worse": "bold green", "a_better": "bold red", "not_proved": "bold yellow"}


def comparison(found: "Comparison") -> None:
    from melior.verbs.comparison import METRIC_HEADINGS, PART_HEADINGS, part_row

    show.out.print(Text.assemble(("A  ", "bold"), found.a, ("\nB  ", "bold"), found.b))
    _table(f"On {found.on}: {found.rows:,} rows", METRIC_HEADINGS, found.metric_rows())
    for said in found.lines():
        show.out.print(Text(said))
    classes = found.shown_classes()
    for title, parts in (("Right answers in each class", classes), ("B is worse where", list(found.slices))):
        if parts:
            _table(title, ("", *PART_HEADINGS), [part_row(one) for one in parts])
    if len(classes) < len(found.classes):
        show.out.print(f"… and {len(found.classes) - len(classes)} more classes (all of them with --json).")
    for note in found.notes:
        show.note(note)
    show.out.print()
    show.out.print(Text(found.said(), style=STYLES.get(found.verdict, "bold")))


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="right" if at else "left", style="bold" if not at else "")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    show.out.print(table)
