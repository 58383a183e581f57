"""melior improve --plan: what would be tried."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from melior.improvement.planned import ImprovementPlan


def show_plan(found: "ImprovementPlan") -> None:
    from melior.cli import show
    from melior.progress import time_words

    show.findings(found.findings)
    show.repairs(found.repairs)
    show.begins(found.begins)
    if found.trials:
        table = show.Table(title="What would be tried", title_justify="left", title_style="bold", expand=False)
        table.add_column("", justify="right")
        table.add_column("method", style="bold")
        table.add_column("against", ratio=1)
        table.add_column("all folds", justify="right", no_wrap=True)
        for number, one in enumerate(found.trials, 1):
            table.add_row(str(number), one.name, ", ".join(one.treats) or "on every table", time_words(one.seconds))
        show.out.print(table)
    for out in found.refused:
        show.out.print(show.Text(f"not tried: {out.name}: {out.reason}", style="dim"))
    for first, second in found.pointless:
        show.out.print(show.Text(f"not together: {first} and {second}", style="dim"))
    for said in found.notes:
        show.note(said)
    show.out.print(show.Text(f"model: {found.family}", style="dim"))
    rows = found.rows
    said = (
        f"{found.metric} on {rows['development']:,} rows in {found.folds} folds, {time_words(found.baseline)} for the "
        f"plain recipe; {rows['sealed']:,} rows stay sealed until the end."
    )
    show.out.print(show.Text(said, style="dim"))
    show.out.print()
    show.out.print(show.Text(found.said(), style="bold"))
