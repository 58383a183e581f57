"""melior train --plan: the table of layouts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from melior.cli import options as given

if TYPE_CHECKING:
    from melior.verbs.plan import Planned


def show_plan(json: Path | None, source: str, **asked: Any) -> None:
    """Plans and shows; asked: see `melior.verbs.plan.plan_training`."""
    from melior.cli import show
    from melior.verbs.plan import plan_training

    with show.progress() as progress:
        found = plan_training(source, **asked, progress=progress)
    given.write_json(json, found.to_dict())
    _show(found)


def _show(found: "Planned") -> None:
    from melior.cli import show
    from melior.engine.parallel_plan import MARGIN, gib
    from melior.engine.plan_memory import PARTS, SAID

    cluster, sizes = found.cluster, found.sizes
    weights = sizes.weights
    frozen = f", {weights.frozen:,.0f} frozen" if weights.frozen else ""
    show.out.print(
        f"[bold]{found.family}[/]: {weights.trained:,.0f} weights trained{frozen}, in {len(sizes.blocks)} blocks; "
        f"{found.rows:,} rows, {sizes.rows:,} a step; {cluster.ranks} ranks of {gib(cluster.memory)}. "
        "Nothing is trained."
    )
    table = show.Table(title="The plan of each layout, for the rank that needs most", title_justify="left",
                       title_style="bold")  # fmt: skip
    table.add_column("", no_wrap=True)
    for number, one in enumerate(found.plans):
        mark = "● " if number == found.taken else ""
        table.add_column(
            show.Text(f"{mark}{one.layout}", style="green" if number == found.taken else ""), justify="right"
        )
    for part in PARTS:
        if any(one.memory[part] for one in found.plans):
            table.add_row(part, *(gib(one.memory[part]) if one.memory[part] else "" for one in found.plans))
    table.add_section()
    table.add_row("memory", *(gib(one.bytes) for one in found.plans))
    table.add_row(f"fits, with {MARGIN:.0%} to spare", *("yes" if one.fits else "no" for one in found.plans))
    table.add_row("rows at once", *(f"{one.rows.at_once:,} x {one.rows.pieces:,}" for one in found.plans))
    table.add_row("sent a step", *(gib(sum(one.sent.values())) for one in found.plans))
    table.add_row("communication", *(f"{one.seconds.share:.1%}" for one in found.plans))
    if any(one.seconds.bubble for one in found.plans):
        table.add_row("waiting for stages", *(f"{one.seconds.bubble:.1%}" for one in found.plans))
    unit = "tokens a second" if sizes.tokens > 1 else "rows a second"
    fast = [one.tokens_per_second if sizes.tokens > 1 else one.rows_per_second for one in found.plans]
    table.add_row(unit, *(f"{one:,.0f}" for one in fast))
    times = [found.times_as_fast(one) for one in found.plans]
    table.add_row("times as fast as one rank", *(f"{one:.2f}" for one in times))
    show.out.print(table)
    for sentence in found.why:
        show.out.print(show.Text(sentence, style="bold"))
    for said in found.assumed:
        show.note(said)
    used = [part for part in PARTS if any(one.memory[part] for one in found.plans)]
    show.note("; ".join(f"{part}: {SAID[part]}" for part in used))
