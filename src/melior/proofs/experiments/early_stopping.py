"""What early_stopping is worth: many rounds on wrong labels learn them by heart, and a held-out part says when that
begins; on clean rows more rounds do no harm, and a part of the rows is spent for nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

LONG = {"trees": {"rounds": 400}}

PROOF = Proof(
    question=1,
    paper="Prechelt, Early Stopping: But When?, 1998",
    helps=(
        Case(
            "breast cancer, 30 % wrong labels",
            lambda seed: data.faulty("breast_cancer", "wrong labels 30%", seed),
            LONG,
            ("early_stopping",),
        ),
        Case(
            "mixed columns, 30 % wrong labels",
            lambda seed: data.faulty("mixed 3000", "wrong labels 30%", seed),
            LONG,
            ("early_stopping",),
        ),
    ),
    does_not=(
        Case(
            "digits, clean",
            lambda seed: data.plain("digits", seed, share=0.3),
            {"trees": {"rounds": 60}},
            ("early_stopping",),
        ),
        Case("wine, clean", lambda seed: data.plain("wine", seed), "trees", ("early_stopping",)),
    ),
)
