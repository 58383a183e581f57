"""What balanced_ensemble is worth: many fits on balanced rows hear the rare class and still see nearly all of the
common one, so the mean of the recalls rises; for macro F1 the rare class is answered too often, and ranks stay."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=25,
    paper="Liu et al., Exploratory Undersampling, IEEE SMC B 2009; Seiffert et al., RUSBoost, IEEE SMC A 2010",
    helps=(
        Case(
            "mixed, 1 of 25 rare, trees, by recall",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=("balanced_ensemble",),
            metric="macro_recall",
        ),
        Case(
            "mixed, 1 of 25 rare, boosting on balanced rows, by recall",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=({"balanced_ensemble": {"kind": "rus_boost"}},),
            metric="macro_recall",
        ),
        Case(
            "reviews, 1 of 20 not recommended",
            lambda seed: data.rare("reviews", 0.05, seed),
            methods=("balanced_ensemble",),
        ),
    ),
    does_not=(
        Case(
            "mixed, 1 of 25 rare, trees, by macro F1",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=("balanced_ensemble",),
        ),
        Case(
            "breast cancer as it is, trees",
            lambda seed: data.plain("breast_cancer", seed),
            model="trees",
            methods=({"balanced_ensemble": {"kind": "easy_ensemble", "members": 5, "rounds": 3}},),
        ),
    ),
)
