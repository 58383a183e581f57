"""What calibration is worth: probabilities of a model that is too sure, or that learned from rows made equal, become
what they say; those of a logistic regression are right already."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=9,
    paper="Platt, Probabilistic Outputs for Support Vector Machines, 1999; Guo et al., On Calibration, ICML 2017",
    helps=(
        Case("mixed, trees", lambda seed: data.plain("mixed 600", seed), model="trees", methods=("calibration",),
             metric="log_loss"),
        Case("reviews, trees", lambda seed: data.plain("reviews", seed), model="trees", methods=("calibration",),
             metric="log_loss"),
        Case("mixed, 1 of 25 rare, after class weights", lambda seed: data.rare("mixed 3000", 0.04, seed),
             base=("class_weights",), methods=("calibration",), metric="log_loss"),
    ),
    does_not=(
        Case("mixed, linear", lambda seed: data.plain("mixed 3000", seed), methods=("calibration",), metric="log_loss"),
        Case("breast cancer", lambda seed: data.plain("breast_cancer", seed), methods=("calibration",),
             metric="log_loss"),
    ),
)  # fmt: skip
