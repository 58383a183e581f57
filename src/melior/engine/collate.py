"""The micro-batches of a step, collated: those of this rank."""

from dataclasses import replace

from melior.engine.order import Order, parts
from melior.engine.parallel.mesh import Mesh
from melior.engine.problem import Batch, Rows, Source


def micro_batches(source: Source, order: Order, step: int, at_once: int, mesh: Mesh) -> list[Batch]:
    """As many on every rank, for all ranks meet in every pass: where this one has no rows, one row of the step stands
    in for them, in a batch that says it has none."""

    def collated(rows: Rows) -> Batch:
        if len(rows):
            return source.batch(rows)
        return replace(source.batch(order.step(step)[:1]), rows=0, tokens=0, padding=0)

    cut = parts(order.step(step), order.lengths, at_once, mesh.rank, mesh.ranks)
    return [collated(rows) for rows in cut if len(rows) or mesh.ranks > 1]
