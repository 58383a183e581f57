"""Bytes that a rank holds while a step of training goes on, part by part, computed from plain numbers.

Weights, gradients and the optimiser's state, and what dealing them out saves: Rajbhandari et al., ZeRO, SC 2020; ours
are its stages 0 (copies) and 3 (sharded). Activations: Korthikanti et al., 2022. What is not counted: the libraries
themselves, rows in memory, copies of the state that a CPU keeps to go back to, and the losses of the allocator; the
margin of `layouts` is for these.
"""

from dataclasses import dataclass
from functools import cached_property

from melior.engine.plan.sizes import FLOAT, STATE, Part, Sizes, together
from melior.layout import Layout

BUCKET = 25 * 2**20  # bytes that go through one collective (see spread.py)
CELLS = 2**24  # logits made at once (see networks/losses.py)
SHARED_ACTIVATIONS = 24 / 34  # of those of a layer that tensor ranks share; 10 of 34 each holds (Korthikanti 2022)

PARTS = (
    "weights", "gradients", "optimizer", "averages", "casts", "activations", "working", "logits", "gathered", "buffers",
)  # fmt: skip
SAID = {
    "weights": "trained and frozen, float32",
    "gradients": "float32; where shards are trained in several micro-batches, whole until the last",
    "optimizer": "its state",
    "averages": "the moving average, or what local steps average with",
    "casts": "copies of matrices in the short type, which autocast keeps until the backward pass",
    "activations": "kept for the backward pass",
    "working": "gradients of activations, of a block at a time",
    "logits": "of a language model, with their float32 copy and gradient",
    "gathered": "weights of shards that are whole for a while: two blocks, and what stands outside of them",
    "buffers": "what goes in and comes out of the network",
}


@dataclass(frozen=True)
class Stage:
    """What one stage of a pipeline has; the whole network where there is one stage."""

    blocks: tuple[Part, ...]
    outside: Part
    number: int = 0
    of: int = 1

    @cached_property
    def held(self) -> Part:
        return together((*self.blocks, self.outside))

    @cached_property
    def largest(self) -> Part:
        """The block with the most weights; what stands outside where there are none."""
        return max(self.blocks, key=lambda one: one.all, default=self.outside)


def stages(sizes: Sizes, layout: Layout) -> list[Stage]:
    """The network cut into stages of as many blocks each as can be, for one of the tensor ranks of each."""
    count, many = layout.pipeline, len(sizes.blocks)
    cuts = [round(number * many / count) for number in range(count + 1)]
    found = []
    for number in range(count):
        ends = [sizes.before] if number == 0 else []
        ends += [sizes.after, *([sizes.tied] if number else [])] if number == count - 1 else []
        blocks = tuple(one.share(layout.tensor) for one in sizes.blocks[cuts[number] : cuts[number + 1]])
        found.append(Stage(blocks, together(one.share(layout.tensor) for one in ends), number, count))
    return found


@dataclass(frozen=True)
class Cut:
    """How the rows of a step are cut. rows: of a rank; at_once: of a micro-batch; pieces: micro-batches of a step."""

    rows: int
    at_once: int
    pieces: int


def cut(sizes: Sizes, layout: Layout, at_once: int | None = None) -> Cut:
    """layout: with its number of data ranks."""
    rows = -(-sizes.rows // int(layout.data))
    if layout.pipeline > 1:
        at_once = max(1, -(-rows // (layout.pieces or 4 * layout.pipeline)))
    at_once = max(1, min(rows, at_once or sizes.micro_batch or rows))
    return Cut(rows, at_once, -(-rows // at_once))


def dealt_out(trained: float, optimizer: str, ranks: int) -> float:
    """Bytes of weights, gradients and the optimiser's state that each rank holds of shards (Rajbhandari et al. 2020).

    >>> f"{dealt_out(7.5e9, 'adamw', 1) / 1e9:.0f} GB, {dealt_out(7.5e9, 'adamw', 64) / 1e9:.1f} GB"
    '120 GB, 1.9 GB'
    """
    return trained * (2 * FLOAT + STATE[optimizer]) / ranks


def in_flight(layout: Layout, stage: Stage, pieces: int) -> int:
    """Micro-batches whose activations a stage holds at once: of all in GPipe (Huang et al., 2019); under 1F1B of as
    many as there are stages from here to the last (Narayanan et al., PipeDream, SOSP 2019)."""
    return pieces if layout.schedule == "gpipe" else min(stage.of - stage.number, pieces)


def memory(sizes: Sizes, layout: Layout, rows: Cut, stage: Stage) -> dict[str, float]:
    """Bytes by part (see PARTS) of a rank of this stage."""
    held, data = stage.held, int(layout.data)
    dealt = data if layout.sharded else 1
    many = max(len(sizes.blocks), 1)
    whole_gradients = layout.sharded and rows.pieces > 1  # they are dealt out after the last micro-batch only
    local = (1 + bool(layout.outer_momentum)) * bool(layout.local_steps)  # where they were last, and their velocity
    kept = 1 - SHARED_ACTIVATIONS * (1 - 1 / layout.tensor)
    block_activations = sizes.row_activations * kept / many
    flying = in_flight(layout, stage, rows.pieces) if layout.pipeline > 1 else 1
    own = len(stage.blocks) if sizes.blocks else 1
    if sizes.checkpointing:
        activations = flying * own * FLOAT * sizes.row_states + block_activations
    else:
        activations = flying * own * block_activations
    cast_blocks = stage.largest.matrices if sizes.checkpointing else sum(one.matrices for one in stage.blocks)
    last = stage.number == stage.of - 1
    cells = min(rows.at_once * sizes.row_logits, CELLS) if last else 0.0
    head = sizes.row_logits * sizes.row_states / sizes.tokens**2 if last else 0.0  # vocabulary x width
    largest, outside = stage.largest, stage.outside
    most_trained = max(largest.trained, outside.trained)
    buffers = gathered = 0.0
    if layout.sharded and data > 1:
        gathered = FLOAT * (2 * largest.all * bool(stage.blocks) + outside.all)
        buffers = FLOAT * (max(largest.all, outside.all) + 2 * most_trained)
    elif data > 1 and (layout.tensor > 1 or layout.pipeline > 1):
        buffers = 2.0 * min(BUCKET, FLOAT * held.trained)
    return {
        "weights": (FLOAT * held.trained + sizes.frozen_bytes * held.frozen) / dealt,
        "gradients": FLOAT * held.trained / (1 if whole_gradients else dealt),
        "optimizer": held.state / dealt,
        "averages": FLOAT * held.trained * (sizes.average + local) / dealt,
        "casts": sizes.cast * (cast_blocks + head) if sizes.cast < FLOAT else 0.0,
        "activations": rows.at_once * activations,
        "working": rows.at_once * block_activations,
        "logits": cells * (sizes.cast + 2 * FLOAT),
        "gathered": gathered,
        "buffers": buffers,
    }
