"""Bytes that a rank sends in a step of training, part by part, and the seconds that a step takes, from plain numbers.

Rings: an all-reduce sends 2 (n - 1) / n of its bytes, an all-gather and a reduce-scatter (n - 1) / n each (Patarasuk
and Yuan, Bandwidth Optimal All-reduce Algorithms, 2009). Shards are gathered in the forward and again in the backward
pass, so they send half as much again as copies (Rajbhandari et al., ZeRO, SC 2020, section 7). Tensor ranks sum
four times a layer (Shoeybi et al., 2019), six with checkpointing. A pipeline waits the share (p - 1) / (m + p - 1) of
its time (Narayanan et al., 2021, https://arxiv.org/abs/2104.04473).
"""

from dataclasses import dataclass
from math import ceil, log2

from melior.engine.plan.memory import BUCKET, Cut, Stage, stages
from melior.engine.plan.sizes import FLOAT, Cluster, Sizes
from melior.layout import Layout

BACKWARD = 2 / 3  # of the work of a step: behind it gradients that are ready go over the network
UPDATED = 7  # numbers that AdamW reads and writes for each weight: four read, three written

SENT = ("gradients", "gathers", "tensor", "borders", "averages")
OVERLAPS = (
    "What overlaps: with copies, sums of gradients go on behind the backward pass but for the last bucket; with "
    "shards, all but the first gather go on behind computing. Sums of tensor ranks, borders of a pipeline, averages of "
    "local steps overlap with nothing; nor do sums of gradients over the data ranks where there are tensor ranks or a "
    "pipeline. On CPUs nothing overlaps, for the same cores compute and send."
)


def sent(sizes: Sizes, layout: Layout, rows: Cut, stage: Stage) -> dict[str, float]:
    """Bytes that a rank of this stage sends in a step, by part (see SENT)."""
    data, tensor, held = int(layout.data), layout.tensor, stage.held
    others = (data - 1) / data
    found = dict.fromkeys(SENT, 0.0)
    if layout.local_steps:
        found["averages"] = 2 * others * FLOAT * held.trained / layout.local_steps
    elif layout.sharded:
        blocks = sum(one.all for one in stage.blocks)
        found["gathers"] = rows.pieces * others * FLOAT * (2 * blocks + stage.outside.all)
        found["gradients"] = others * FLOAT * held.trained
    else:
        found["gradients"] = 2 * others * FLOAT * held.trained
    if tensor > 1:
        once = 2 * (tensor - 1) / tensor * sizes.cast * sizes.row_states
        found["tensor"] = rows.rows * len(stage.blocks) * _sums(sizes) * once
    if stage.of > 1:  # states to the next stage, their gradients to the one before
        neighbours = (stage.number < stage.of - 1) + (stage.number > 0)
        found["borders"] = rows.rows * neighbours * FLOAT * sizes.row_states
        if stage.number in (0, stage.of - 1):  # gradients of what both ends hold, to the first, and their sum back
            found["borders"] += FLOAT * sizes.tied.trained
    return found


def _sums(sizes: Sizes) -> int:
    """Of tensor ranks, in a block for each piece."""
    return 6 if sizes.checkpointing else 4


@dataclass(frozen=True)
class Link:
    """Between ranks of one axis: bytes a second of each rank, one way, and seconds of a message."""

    speed: float
    latency: float


def link(cluster: Cluster, layout: Layout, axis: str) -> Link:
    """Between the ranks of an axis; the slowest of it counts. What leaves a machine is shared by the groups on it that
    reach over its border."""
    data = int(layout.data)
    apart, many = {"tensor": (1, layout.tensor), "data": (layout.tensor, data),
                   "pipeline": (layout.tensor * data, layout.pipeline)}[axis]  # fmt: skip
    inside = min(cluster.per_machine, cluster.ranks)
    if apart * many <= inside or cluster.machines == 1:
        return Link(cluster.within, cluster.latency)
    return Link(min(cluster.within, cluster.between / min(apart, inside)), cluster.latency_between)


@dataclass(frozen=True)
class Seconds:
    """Of a step. computing: forward and backward passes; updating: the optimiser; sending: what does not overlap with
    computing; waiting: for other stages of the pipeline. all_sending: with what overlaps."""

    computing: float
    updating: float
    sending: float
    waiting: float
    all_sending: float

    @property
    def step(self) -> float:
        return self.computing + self.updating + self.sending + self.waiting

    @property
    def share(self) -> float:
        """Of the step, spent on communication that overlaps with nothing."""
        return self.sending / self.step if self.step else 0.0

    @property
    def bubble(self) -> float:
        """Of the step, spent waiting for other stages."""
        return self.waiting / self.step if self.step else 0.0


def seconds(sizes: Sizes, cluster: Cluster, layout: Layout, rows: Cut) -> Seconds:
    """Of a step, by its slowest stage."""
    every = stages(sizes, layout)
    return max((_of_stage(sizes, cluster, layout, rows, one) for one in every), key=lambda one: one.step)


def _of_stage(sizes: Sizes, cluster: Cluster, layout: Layout, rows: Cut, stage: Stage) -> Seconds:
    share = 1 / (layout.tensor * layout.pipeline)
    work = rows.rows * sizes.passes * sizes.row_flops * share
    computing = work / cluster.flops + rows.pieces * cluster.overhead / layout.pipeline
    dealt = int(layout.data) if layout.sharded else 1
    updating = UPDATED * FLOAT * stage.held.trained / dealt / cluster.memory_speed
    times = _sending(sizes, cluster, layout, rows, stage)
    hidden = cluster.overlap * computing
    gradients, gathers = times["gradients"], times["gathers"]
    each = computing + times["tensor"] + times["borders"]  # of all pieces, as far as other stages wait for it
    if layout.sharded:
        first = gathers / max(rows.pieces * (2 * len(stage.blocks) + 1), 1)
        shown = max(gradients + gathers - hidden, first)
        each += max(gathers - hidden, 0.0)
    elif layout.tensor == 1 and layout.pipeline == 1:
        size = FLOAT * stage.held.trained
        last = gradients * min(1.0, BUCKET / size) if size else 0.0
        shown = max(gradients - BACKWARD * hidden / rows.pieces, last)
    else:
        shown = gradients
    sending = shown + times["tensor"] + times["borders"] + times["averages"]
    waiting = each * (layout.pipeline - 1) / rows.pieces
    return Seconds(computing, updating, sending, waiting, sum(times.values()))


def _sending(sizes: Sizes, cluster: Cluster, layout: Layout, rows: Cut, stage: Stage) -> dict[str, float]:
    """Seconds of all that is sent, by part, as if nothing overlapped. A message costs its latency: of sums as often as
    a tree over the ranks is deep, up and down; of gathers once for each other rank; of borders once."""
    bytes_of = sent(sizes, layout, rows, stage)
    data, tensor, pieces = int(layout.data), layout.tensor, rows.pieces
    along = {axis: link(cluster, layout, axis) for axis in ("data", "tensor", "pipeline")}
    blocks = len(stage.blocks)
    buckets = max(1, ceil(FLOAT * stage.held.trained / BUCKET))

    def taken(part: str, axis: str, messages: float) -> float:
        found = along[axis]
        return bytes_of[part] / found.speed + messages * found.latency if bytes_of[part] else 0.0

    tree = 2 * ceil(log2(max(data, 2)))
    summed = (blocks + 1) * (data - 1) if layout.sharded else buckets * tree
    return {
        "gradients": taken("gradients", "data", summed),
        "gathers": taken("gathers", "data", pieces * (2 * blocks + 1) * (data - 1)),
        "tensor": taken("tensor", "tensor", pieces * blocks * _sums(sizes) * 2 * ceil(log2(max(tensor, 2)))),
        "borders": taken("borders", "pipeline", 2 * pieces),
        "averages": taken("averages", "data", buckets * tree / max(layout.local_steps, 1)),
    }
