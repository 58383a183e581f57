"""What model_parallel is worth: a network cut over two processes, by its layers or inside its matrices, beside one
process. It is for networks that do not fit into one device: each holds a part. Time it does not save here."""

from functools import partial
from typing import Any

from melior.proofs._base import Case, Proof
from melior.proofs.speed import memory_of_a_process, rows_per_second


def speed(seed: int, shared: dict[str, Any] | None, width: int, rows: int) -> float:
    own = {} if shared is None else {"parallel": shared}
    return rows_per_second(1 if shared is None else 2, width=width, layers=6, rows=rows, steps=20, seed=seed, **own)


def memory(seed: int, changed: bool, *, layout: dict[str, Any]) -> float:
    """Of one process, for 64 rows a step through six layers of 2,048 units: 25 million weights."""
    own = {"parallel": layout} if changed else {}
    return memory_of_a_process(2 if changed else 1, width=2048, layers=6, rows=64, steps=8, seed=seed, **own)


def by_layers(seed: int, changed: bool) -> float:
    """256 rows a step through six layers of 768 units, three on either process."""
    return speed(seed, {"data": 1, "pipeline": 2} if changed else None, 768, 256)


def inside_matrices(seed: int, changed: bool) -> float:
    """The same with half of each matrix on either process."""
    return speed(seed, {"data": 1, "tensor": 2} if changed else None, 768, 256)


def small(seed: int, changed: bool) -> float:
    """16 rows a step through six layers of 64 units."""
    return speed(seed, {"data": 1, "pipeline": 2} if changed else None, 64, 16)


PROOF = Proof(
    question=3,
    paper="Shoeybi et al., Megatron-LM, 2019; Narayanan et al., PipeDream, SOSP 2019",
    helps=(
        Case(
            "six layers of 2,048 units, cut by layers over 2 processes: memory of one",
            figure=partial(memory, layout={"data": 1, "pipeline": 2}),
            unit="MiB",
            smaller_is_better=True,
        ),
        Case(
            "six layers of 2,048 units, matrices cut over 2 processes: memory of one",
            figure=partial(memory, layout={"data": 1, "tensor": 2}),
            unit="MiB",
            smaller_is_better=True,
        ),
    ),
    does_not=(
        Case("six layers of 768 units, cut by layers over 2 processes", figure=by_layers, unit="rows a second"),
        Case("six layers of 768 units, matrices cut over 2 processes", figure=inside_matrices, unit="rows a second"),
        Case("six layers of 64 units, cut by layers over 2 processes", figure=small, unit="rows a second"),
    ),
)
