"""A training planned on paper: what each rank holds, sends and takes under a layout, and which layout to take.

Pure functions of plain numbers (sizes.py), for machines that are there or not. Formulas with their sources stand
in memory.py and time.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from melior.engine.plan.memory import BUCKET, PARTS, Cut, cut, memory, stages
from melior.engine.plan.sizes import FLOAT, Cluster, Part, Sizes
from melior.engine.plan.time import BACKWARD, Seconds, seconds, sent
from melior.layout import Layout

MARGIN = 0.2  # of a device's memory that a plan leaves free, for what it does not count (see memory.py)
MOST_RANKS = 65_536  # that are thought of when nothing fits
GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """What a layout comes to.

    memory   bytes by part of the rank that needs the most, see memory.PARTS
    sent     bytes that a rank sends in a step, by part, see time.SENT
    seconds  of a step
    fits     whether the memory stays within that of a device, less the margin
    """

    layout: Layout
    ranks: int
    rows: Cut
    memory: dict[str, float]
    sent: dict[str, float]
    seconds: Seconds
    fits: bool
    step_rows: int
    tokens: float

    @property
    def bytes(self) -> float:
        return sum(self.memory.values())

    @property
    def rows_per_second(self) -> float:
        return self.step_rows / self.seconds.step

    @property
    def tokens_per_second(self) -> float:
        return self.rows_per_second * self.tokens

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        return {
            "layout": self.layout.model_dump(mode="json"),
            "said": str(self.layout),
            "ranks": self.ranks,
            "fits": self.fits,
            "rows_at_once": self.rows.at_once,
            "micro_batches": self.rows.pieces,
            "memory": self.memory,
            "memory_total": self.bytes,
            "sent_per_step": self.sent,
            "seconds_per_step": self.seconds.step,
            "communication": self.seconds.share,
            "bubble": self.seconds.bubble,
            "rows_per_second": self.rows_per_second,
            "tokens_per_second": self.tokens_per_second,
        }


def plan(sizes: Sizes, cluster: Cluster, layout: Layout) -> Plan:
    """What this layout comes to; ValueError where it does not make so many ranks. Where the micro-batch is open, it is
    the largest that fits, halved from the rows of a rank."""
    layout = layout.fits(cluster.ranks)
    # adapters beside frozen matrices stay whole under tensor ranks: their training is not refused
    if sizes.whole_matrices and _deals_out(layout) and (layout.sharded or not sizes.weights.frozen):
        raise ValueError("optimizer: adafactor needs whole matrices, so train.parallel can name no shards or tensor")
    allowed = (1 - MARGIN) * cluster.memory
    every = stages(sizes, layout)

    def held(rows: Cut) -> dict[str, float]:
        return max((memory(sizes, layout, rows, one) for one in every), key=lambda parts: sum(parts.values()))

    rows = cut(sizes, layout)
    parts = held(rows)
    while sum(parts.values()) > allowed and rows.at_once > 1 and sizes.micro_batch is None and layout.pipeline == 1:
        rows = cut(sizes, layout, -(-rows.at_once // 2))
        parts = held(rows)
    assert set(parts) == set(PARTS)
    most = max((sent(sizes, layout, rows, one) for one in every), key=lambda found: sum(found.values()))
    fits = sum(parts.values()) <= allowed
    taken = seconds(sizes, cluster, layout, rows)
    return Plan(layout, cluster.ranks, rows, parts, most, taken, fits, sizes.rows, sizes.tokens)


def considered(sizes: Sizes, cluster: Cluster) -> list[list[Plan]]:
    """The layouts that can be chosen, rung by rung: copies; shards; tensor ranks within a machine, with copies or
    shards; a pipeline with or without them, with copies or shards of its stages, in its usual micro-batches or smaller
    ones. Tensor ranks divide the heads, stages the blocks, and there are no more data ranks than rows in a step. An
    optimiser that looks at whole matrices has neither shards nor tensor ranks."""
    found: list[list[Plan]] = []
    for rung in _rungs(sizes, cluster):
        plans = [plan(sizes, cluster, one) for one in rung if _possible(sizes, cluster, one)]
        if plans:
            found.append(plans)
    return found


def _rungs(sizes: Sizes, cluster: Cluster) -> Iterator[list[Layout]]:
    ranks = cluster.ranks
    yield [Layout()]
    if ranks == 1:
        return
    yield [Layout(sharded=True)]
    inside = min(ranks, cluster.per_machine)
    shares = [n for n in range(2, inside + 1) if sizes.heads and sizes.heads % n == 0 and inside % n == 0]
    yield [Layout(tensor=n, sharded=sharded) for n in shares for sharded in (False, True)]
    cuts = [n for n in range(2, len(sizes.blocks) + 1) if len(sizes.blocks) % n == 0]
    yield [
        Layout(tensor=n, pipeline=cut, pieces=pieces, sharded=sharded)
        for cut in cuts
        for n in (1, *shares)
        for sharded in (False, True)
        for pieces in _pieces(sizes, ranks, n * cut, cut)
    ]


def _pieces(sizes: Sizes, ranks: int, per_copy: int, stages: int) -> list[int | None]:
    """Numbers of micro-batches to think of: the usual one, and more of fewer rows each, down to a row: they hold less
    and wait less."""
    rows = -(-sizes.rows // max(ranks // per_copy, 1))
    more: list[int | None] = [times * stages for times in (8, 32) if times * stages < rows]
    return [None, *more, *([rows] if rows > 4 * stages else [])]


def _possible(sizes: Sizes, cluster: Cluster, layout: Layout) -> bool:
    if sizes.whole_matrices and _deals_out(layout):
        return False
    data, left = divmod(cluster.ranks, layout.ranks_per_copy)
    return data > 0 and left == 0 and data <= sizes.rows and not (layout.sharded and data == 1)


def _deals_out(layout: Layout) -> bool:
    return layout.sharded or layout.tensor > 1


def choose(sizes: Sizes, cluster: Cluster) -> tuple[Layout, tuple[str, ...]]:
    """The layout to take, and one or two sentences why: copies where they fit, else shards, else tensor ranks, else a
    pipeline; of several that fit, the one whose step takes least, so that sends and waits least. Where nothing fits it
    is the one that needs the least memory, and a sentence says what it would take."""
    rungs = considered(sizes, cluster)
    if not rungs:
        if sizes.whole_matrices and considered(replace(sizes, whole_matrices=False), cluster):
            raise ValueError(f"adafactor needs whole matrices, and {cluster.ranks} ranks can only share them")
        raise ValueError(
            f"{cluster.ranks} ranks cannot share steps of {sizes.rows} rows: give fewer ranks or more rows"
        )
    for number, rung in enumerate(rungs):
        fitting = [one for one in rung if one.fits]
        if fitting:
            best = min(fitting, key=lambda one: one.seconds.step)
            before = [one for before in rungs[:number] for one in before]
            return best.layout, (*_why(best, cluster, before, fitting), *_whole(sizes, cluster))
    least = min((one for rung in rungs for one in rung), key=lambda one: one.bytes)
    return least.layout, (
        f"Nothing fits: the least is {gib(least.bytes)} a rank ({least.layout}), and {gib(cluster.memory)} less a "
        f"margin of {MARGIN:.0%} are there.",
        needed(sizes, cluster, least),
        *_whole(sizes, cluster),
    )


def _whole(sizes: Sizes, cluster: Cluster) -> tuple[str, ...]:
    if not sizes.whole_matrices or cluster.ranks == 1:
        return ()
    return ("Shards and tensor ranks are not thought of: optimizer: adafactor needs whole matrices.",)


def _why(best: Plan, cluster: Cluster, before: list[Plan], fitting: list[Plan]) -> tuple[str, ...]:
    room = f"the {gib(cluster.memory)} of a rank, with a margin of {MARGIN:.0%}"
    share = f"about {best.seconds.share:.0%} of the time goes into communication"
    waits = f" and {best.seconds.bubble:.0%} into waiting for other stages" if best.seconds.bubble else ""
    if best.ranks == 1:
        return (f"There is one rank, and {gib(best.bytes)} fit into {room}.",)
    if not before:
        return (f"Copies of all weights fit into {room} ({gib(best.bytes)}), and send least: {share}.",)
    least = min(before, key=lambda one: one.bytes)
    others = ", ".join(dict.fromkeys(_kind(one.layout) for one in before))
    first = f"{others[0].upper()}{others[1:]} would need at least {gib(least.bytes)} a rank and do not fit into {room}."
    fastest = " and is the fastest that does" if len(fitting) > 1 else ""
    return first, f"{best.layout} needs {gib(best.bytes)}{fastest}: {share}{waits}."


def _kind(layout: Layout) -> str:
    if layout.pipeline > 1:
        return "a pipeline"
    if layout.tensor > 1:
        return "tensor ranks"
    return "shards" if layout.sharded else "copies"


def needed(sizes: Sizes, cluster: Cluster, least: Plan) -> str:
    """What it would take where nothing fits: more memory, or more ranks like these."""
    memory_of_each = least.bytes / (1 - MARGIN)
    said = f"It needs {cluster.ranks} ranks of {gib(memory_of_each)} each"
    ranks = cluster.ranks
    while ranks < MOST_RANKS:
        ranks = 2 * ranks if ranks % 2 == 0 or ranks == 1 else ranks + 1
        more = cluster.of(ranks)
        if any(one.fits for rung in considered(sizes, more) for one in rung):
            return f"{said}, or {ranks} ranks of {gib(cluster.memory)}."
    cheaper = "" if sizes.checkpointing else ", with activations computed again (checkpointing: true)"
    return f"{said}; more ranks do not make it fit: take shorter rows or a smaller model{cheaper}."


def times_as_fast(step: float, trained: float, cluster: Cluster, fixed: float = 0.0) -> float:
    """How many times as fast copies on the cluster's ranks are as one process whose step takes `step` seconds: rows are
    shared, and gradients summed. fixed: the share of a step that does not shrink with its rows, 0..1.

    >>> from melior.engine.plan.sizes import Cluster
    >>> fast = Cluster(ranks=2, per_machine=2, memory=1, flops=1, within=1e30, between=1, latency=0)
    >>> times_as_fast(1.0, 1e6, fast), round(times_as_fast(1.0, 1e6, fast, fixed=0.5), 2)
    (2.0, 1.33)
    """
    alone = Sizes((), Part(trained=trained), Part(), rows=cluster.ranks, row_flops=0.0, row_activations=0.0)
    layout = Layout(data=cluster.ranks)
    own = step * (fixed + (1 - fixed) / cluster.ranks)
    sending = seconds(alone, cluster, layout, cut(alone, layout)).all_sending
    hidden = cluster.overlap * own * BACKWARD
    last = sending * min(1.0, BUCKET / (FLOAT * trained)) if trained else 0.0
    return step / (own + max(sending - hidden, last))


def gib(number: float) -> str:
    """Bytes as people read them.

    >>> gib(3 * 2**30), gib(5e6), gib(2000), gib(120e12)
    ('3.0 GiB', '4.8 MiB', '2.0 KiB', '111,759 GiB')
    """
    if number < 2**20:
        return f"{number / 2**10:,.1f} KiB"
    if number < GIB:
        return f"{number / 2**20:,.1f} MiB"
    return f"{number / GIB:,.1f} GiB" if number < 1000 * GIB else f"{number / GIB:,.0f} GiB"
