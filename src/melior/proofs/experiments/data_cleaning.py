"""What data_cleaning is worth: values in another unit pull a linear model far off; trees only ask whether a value is
above another, and clean columns need no cleaning."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=12,
    paper="Dixon, Simplified Estimation from Censored Normal Samples, Annals of Mathematical Statistics 1960",
    helps=(
        Case(
            "breast cancer, a column x1000 in 10 %",
            lambda seed: data.faulty("breast_cancer", "wrong unit x1000 10%", seed),
            methods=("data_cleaning",),
        ),
        Case(
            "mixed columns, a column x1000 in 10 %",
            lambda seed: data.faulty("mixed 3000", "wrong unit x1000 10%", seed),
            methods=("data_cleaning",),
        ),
        Case(
            "wine, a column x2.54 in 10 %",
            lambda seed: data.faulty("wine", "wrong unit x2.54 10%", seed),
            methods=("data_cleaning",),
        ),
    ),
    does_not=(
        Case(
            "breast cancer, a column x1000 in 10 %, trees",
            lambda seed: data.faulty("breast_cancer", "wrong unit x1000 10%", seed),
            "trees",
            ("data_cleaning",),
        ),
        Case("mixed columns, clean", lambda seed: data.plain("mixed 3000", seed), methods=("data_cleaning",)),
    ),
)
