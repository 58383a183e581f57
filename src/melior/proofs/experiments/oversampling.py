"""What oversampling is worth: a rare class is heard when more of its rows are trained on, as copies, as rows between
neighbours, or between texts as the family reads them. A class made as large as the others is heard too often for macro
F1, though not for the mean of the recalls; ranks have little to gain, equal classes nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=9,
    paper="Chawla et al., SMOTE: Synthetic Minority Over-sampling Technique, JAIR 2002",
    helps=(
        Case(
            "mixed, 1 of 25 rare, rows between neighbours until 1 of 5 is rare",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            methods=({"oversampling": {"kind": "smote", "ratio": 0.25}},),
        ),
        Case(
            "reviews, 1 of 20 not recommended, rows between what is read of the texts",
            lambda seed: data.rare("reviews", 0.05, seed),
            methods=({"oversampling": {"kind": "embedded", "ratio": 0.3}},),
        ),
        Case(
            "breast cancer, 1 of 10 of one kind, copies until all are equal, by recall",
            lambda seed: data.rare("breast_cancer", 0.1, seed),
            methods=("oversampling",),
            metric="macro_recall",
        ),
    ),
    does_not=(
        Case(
            "mixed, 1 of 25 rare, rows between neighbours until all are equal",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            methods=({"oversampling": {"kind": "smote"}},),
        ),
        Case(
            "mixed, 1 of 25 rare, by ranks, trees",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=({"oversampling": {"kind": "smote"}},),
            metric="roc_auc",
        ),
        Case("digits, ten classes of one size", lambda seed: data.plain("digits", seed), methods=("oversampling",)),
    ),
)
