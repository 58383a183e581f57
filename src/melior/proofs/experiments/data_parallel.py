"""What data_parallel is worth: two processes with half of the rows of a step each, beside one with all of them. It is
for steps that are long beside the gradients that are sent; where steps are short it does not help."""

from melior.proofs._base import Case, Proof
from melior.proofs.speed import rows_per_second


def long_steps(seed: int, changed: bool) -> float:
    """512 rows a step through four layers of 512 units."""
    shared = {"parallel": {"data": 2}} if changed else {}
    return rows_per_second(2 if changed else 1, width=512, layers=4, rows=512, steps=24, seed=seed, **shared)


def now_and_then(seed: int, changed: bool) -> float:
    """The same, weights averaged every eighth step in place of gradients at each."""
    shared = {"parallel": {"data": 2, "local_steps": 8}} if changed else {}
    return rows_per_second(2 if changed else 1, width=512, layers=4, rows=512, steps=32, seed=seed, **shared)


def short_steps(seed: int, changed: bool) -> float:
    """16 rows a step through two layers of 512 units."""
    shared = {"parallel": {"data": 2}} if changed else {}
    return rows_per_second(2 if changed else 1, width=512, layers=2, rows=16, steps=60, seed=seed, **shared)


PROOF = Proof(
    question=16,
    paper="Li et al., PyTorch Distributed: Experiences on Accelerating Data Parallel Training, VLDB 2020; McMahan et "
    "al., Communication-Efficient Learning, AISTATS 2017",
    helps=(
        Case("512 rows a step, 1 process beside 2", figure=long_steps, unit="rows a second"),
        Case(
            "512 rows a step, 1 process beside 2 that average every 8 steps", figure=now_and_then, unit="rows a second"
        ),
    ),
    does_not=(Case("16 rows a step, 1 process beside 2", figure=short_steps, unit="rows a second"),),
)
