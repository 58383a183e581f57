"""melior train --plan: the table of layouts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from melior.cli import options as given

if TYPE_CHECKING:
    from melior.layout import Layout
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
    from melior.engine.plan.layouts import MARGIN, gib
    from melior.engine.plan.memory import PARTS, SAID

    cluster, sizes = found.cluster, found.sizes
    weights = sizes.weights
    frozen = f", {weights.frozen:,.0f} frozen" if weights.frozen else ""
    show.out.print(
        f"[bold]{found.family}[/]: {weights.trained:,.0f} weights trained{frozen}, in {len(sizes.blocks)} blocks; "
        f"{found.rows:,} rows, {sizes.rows:,} a step; {cluster.ranks} ranks of {gib(cluster.memory)}. "
        "Nothing is trained."
    )
    unit = "tokens" if sizes.tokens > 1 else "rows"
    waits = any(one.seconds.bubble for one in found.plans)
    layouts = show.Table(title="Layouts", title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    columns = ("layout", "memory", "fits", "sent", "talks", *(["waits"] if waits else []), f"{unit}/s", "times")
    for name in columns:
        layouts.add_column(name, justify="left" if name == "layout" else "right", no_wrap=name == "layout")
    for number, one in enumerate(found.plans):
        speed = one.tokens_per_second if sizes.tokens > 1 else one.rows_per_second
        layouts.add_row(
            f"{'●' if number == found.taken else ' '} {number + 1} {_short(one.layout)}", gib(one.bytes),
            "yes" if one.fits else "no", gib(sum(one.sent.values())), f"{one.seconds.share:.0%}",
            *([f"{one.seconds.bubble:.0%}"] if waits else []), f"{speed:,.0f}", f"{found.times_as_fast(one):.2f}",
            style="green" if number == found.taken else "",
        )  # fmt: skip
    show.out.print(layouts)
    memory = show.Table(title="Memory of the rank that needs most", title_justify="left", title_style="bold")
    memory.add_column("layout")
    for number in range(len(found.plans)):
        memory.add_column(str(number + 1), justify="right", style="green" if number == found.taken else "")
    for part in PARTS:
        if any(one.memory[part] for one in found.plans):
            memory.add_row(part, *(gib(one.memory[part]) if one.memory[part] else "" for one in found.plans))
    memory.add_section()
    memory.add_row("rows at once", *(f"{one.rows.at_once:,} x {one.rows.pieces:,}" for one in found.plans))
    show.out.print(memory)
    show.note(
        f"fits: with {MARGIN:.0%} to spare; sent: by a rank in a step; talks, waits: the share of a step's time that "
        "goes into communication and into waiting for other stages; times: as fast as one rank"
    )
    for sentence in found.why:
        show.out.print(show.Text(sentence, style="bold"))
    for said in found.assumed:
        show.note(said)
    used = [part for part in PARTS if any(one.memory[part] for one in found.plans)]
    show.note("; ".join(f"{part}: {SAID[part]}" for part in used))


def _short(layout: "Layout") -> str:
    """A layout in two words an axis."""
    kind = "averaged" if layout.local_steps else "shards" if layout.sharded else "copies"
    axes = ((kind, layout.data), ("tensor", layout.tensor), ("stages", layout.pipeline))
    return ", ".join(f"{name} {many}" for name, many in axes if many != 1) or "one rank"
