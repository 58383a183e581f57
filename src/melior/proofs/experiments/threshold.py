"""What threshold is worth: the border between the classes where the metric is best, which for a rare class is not one
half; for a metric of accuracy, or equal classes, one half is right already."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=9,
    paper="Narasimhan et al., Consistent Multiclass Algorithms for Complex Performance Measures, ICML 2015",
    helps=(
        Case("reviews, 1 of 20 not recommended", lambda seed: data.rare("reviews", 0.05, seed), methods=("threshold",)),
        Case("mixed, 1 of 25 rare", lambda seed: data.rare("mixed 3000", 0.04, seed), methods=("threshold",)),
        Case("mixed, 1 of 25 rare, trees", lambda seed: data.rare("mixed 3000", 0.04, seed), model="trees",
             methods=("threshold",)),
    ),
    does_not=(
        Case("mixed, classes of about one size", lambda seed: data.plain("mixed 600", seed), methods=("threshold",)),
        Case("digits, ten classes of one size, by accuracy", lambda seed: data.plain("digits", seed), metric="accuracy",
             methods=("threshold",)),
    ),
)  # fmt: skip
