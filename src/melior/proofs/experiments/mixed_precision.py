"""What mixed_precision is worth: products in a short type, in rows per second. It helps on hardware with matrix units;
on a processor without them short types are slower, and `auto` keeps float32 there."""

from melior.methods.mixed_precision import MixedPrecision
from melior.proofs._base import Case, Proof
from melior.proofs.speed import rows_per_second


def as_the_hardware_likes(seed: int, changed: bool) -> float:
    """256 rows a step through four layers of 1,024 units, in what `auto` takes, beside float32."""
    precision = MixedPrecision().precision if changed else "float32"
    return rows_per_second(1, width=1024, layers=4, rows=256, steps=16, seed=seed, precision=precision)


def bfloat16(seed: int, changed: bool) -> float:
    """The same in bfloat16, asked for."""
    precision = "bfloat16" if changed else "float32"
    return rows_per_second(1, width=1024, layers=4, rows=256, steps=16, seed=seed, precision=precision)


def small(seed: int, changed: bool) -> float:
    """32 rows a step through two layers of 64 units, where products are little of the work."""
    precision = "bfloat16" if changed else "float32"
    return rows_per_second(1, width=64, layers=2, rows=32, steps=100, seed=seed, precision=precision)


PROOF = Proof(
    question=16,
    paper="Micikevicius et al., Mixed Precision Training, ICLR 2018",
    helps=(
        Case("four layers of 1,024 units, auto", figure=as_the_hardware_likes, unit="rows a second"),
        Case("four layers of 1,024 units, bfloat16", figure=bfloat16, unit="rows a second"),
    ),
    does_not=(Case("two layers of 64 units, bfloat16", figure=small, unit="rows a second"),),
)
