"""What dimension_reduction is worth: of many columns that say nearly the same a few directions are left; but what
varies most need not be what tells the answers apart, and noise varies too."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=14,
    paper="Pearson, On Lines and Planes of Closest Fit, 1901; Hotelling 1933",
    helps=(
        Case(
            "breast cancer, 40 training rows of 30 columns that measure ten things",
            lambda seed: data.plain("breast_cancer", seed, rows=40),
            methods=({"dimension_reduction": {"dimensions": 5}},),
        ),
        Case(
            "digits, 150 training rows, trees",
            lambda seed: data.plain("digits", seed, rows=150),
            model="trees",
            methods=({"dimension_reduction": {"dimensions": 20}},),
        ),
    ),
    does_not=(
        Case(
            "wine beside 500 columns of noise",
            lambda seed: data.faulty("wine", "500 irrelevant columns", seed),
            methods=({"dimension_reduction": {"dimensions": 5}},),
        ),
    ),
)
