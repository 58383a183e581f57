"""What undersampling is worth: fewer rows of the common class let the rare one be heard, and a fit costs less; which
rows are dropped matters, and where there are few rows every one that is dropped is missed."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=25,
    paper="Mani and Zhang, kNN Approach to Unbalanced Data Distributions, 2003; Tomek, Two Modifications of CNN, 1976",
    helps=(
        Case(
            "mixed, 1 of 25 rare, 5 common rows for each rare one",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            methods=({"undersampling": {"ratio": 0.2}},),
        ),
        Case(
            "reviews, 1 of 20 not recommended, 5 common rows for each rare one",
            lambda seed: data.rare("reviews", 0.05, seed),
            methods=({"undersampling": {"ratio": 0.2}},),
        ),
        Case(
            "mixed, 1 of 25 rare, rows that surround the rare ones, by recall",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            methods=({"undersampling": {"kind": "near_miss", "version": 3}},),
            metric="macro_recall",
        ),
    ),
    does_not=(
        Case(
            "mixed, 1 of 25 rare, only the rows closest to the rare ones, trees",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=({"undersampling": {"kind": "near_miss"}},),
        ),
        Case(
            "breast cancer, 1 of 10 of one kind, by ranks",
            lambda seed: data.rare("breast_cancer", 0.1, seed),
            methods=("undersampling",),
            metric="roc_auc",
        ),
    ),
)
