"""What boosting is worth: a family too simple for the rows becomes richer, fit by fit; wrong labels are the rows that
it turns to most."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

STUMPS = {"trees": {"rounds": 5, "leaves": 4}}

PROOF = Proof(
    question=1,
    paper="Zhu et al., Multi-class AdaBoost, Statistics and Its Interface 2009",
    helps=(
        Case("mixed columns, small trees", lambda seed: data.plain("mixed 3000", seed), STUMPS, ("boosting",)),
        Case("breast cancer, small trees", lambda seed: data.plain("breast_cancer", seed), STUMPS, ("boosting",)),
    ),
    does_not=(
        Case(
            "breast cancer, 30 % wrong labels, whole trees",
            lambda seed: data.faulty("breast_cancer", "wrong labels 30%", seed),
            {"trees": {"rounds": 40}},
            ("boosting",),
        ),
        Case("wine, linear", lambda seed: data.plain("wine", seed), "linear", ("boosting",)),
    ),
)
