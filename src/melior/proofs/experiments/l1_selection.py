"""What l1_selection is worth: columns that say nothing are dropped before a family is misled by them; where nearly
every column says something, dropping some can only lose."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=7,
    paper="Ng, Feature Selection, L1 vs. L2 Regularization, and Rotational Invariance, ICML 2004",
    helps=(
        Case(
            "breast cancer beside 500 columns of noise",
            lambda seed: data.faulty("breast_cancer", "500 irrelevant columns", seed),
            methods=("l1_selection",),
        ),
        Case(
            "wine beside 500 columns of noise, trees",
            lambda seed: data.faulty("wine", "500 irrelevant columns", seed),
            model="trees",
            methods=("l1_selection",),
        ),
    ),
    does_not=(
        Case("digits, where most pixels matter", lambda seed: data.plain("digits", seed), methods=("l1_selection",)),
        Case("mixed, ten columns", lambda seed: data.plain("mixed 3000", seed), methods=("l1_selection",)),
    ),
)
