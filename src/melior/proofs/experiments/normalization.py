"""What normalization is worth: skewed columns speak to families that weigh their values; trees look at the order
alone."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.planting import Fault, times_1000

GROSS = Fault("wrong unit x1000 2%", "wrong unit", 0.02, times_1000)

PROOF = Proof(
    question=13,
    paper="Yeo and Johnson, A New Family of Power Transformations, Biometrika 2000",
    helps=(
        Case(
            "breast cancer, 60 training rows of skewed columns",
            lambda seed: data.plain("breast_cancer", seed, rows=60),
            methods=("normalization",),
        ),
        Case(
            "mixed, one value in fifty a thousand times too large",
            lambda seed: data.faulty("mixed 3000", GROSS, seed),
            methods=({"normalization": {"kind": "quantile"}},),
        ),
    ),
    does_not=(
        Case(
            "breast cancer, trees",
            lambda seed: data.plain("breast_cancer", seed),
            model="trees",
            methods=("normalization",),
        ),
    ),
)
