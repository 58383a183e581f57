"""What class_weights is worth: a rare class is heard where all rows count alike, and macro F1 asks for it; where the
classes are equally frequent there is nothing to do."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.planting import Fault, imbalance

RARE = Fault("imbalance 1:50", "imbalance", 0.02, imbalance)

PROOF = Proof(
    question=9,
    paper="King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 2001",
    helps=(
        Case(
            "reviews, 1 of 50 not recommended",
            lambda seed: data.faulty("reviews", RARE, seed),
            methods=("class_weights",),
        ),
        Case(
            "breast cancer, 1 of 50 of one kind",
            lambda seed: data.faulty("breast_cancer", RARE, seed),
            methods=("class_weights",),
        ),
    ),
    does_not=(
        Case("digits, ten classes of one size", lambda seed: data.plain("digits", seed), methods=("class_weights",)),
    ),
)
