"""What l1_penalty is worth: weights of columns that say nothing become zero; where all columns say something it only
costs."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=1,
    paper="Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996",
    helps=(
        Case(
            "breast cancer beside 500 columns of noise",
            lambda seed: data.faulty("breast_cancer", "500 irrelevant columns", seed),
            methods=({"l1_penalty": {"strength": 5}},),
        ),
        Case(
            "wine beside 500 columns of noise",
            lambda seed: data.faulty("wine", "500 irrelevant columns", seed),
            methods=({"l1_penalty": {"strength": 5}},),
        ),
    ),
    does_not=(
        Case(
            "mixed, ten columns of which nine say something",
            lambda seed: data.plain("mixed 3000", seed),
            methods=({"l1_penalty": {"strength": 5}},),
        ),
        Case(
            "digits, trees",
            lambda seed: data.plain("digits", seed, rows=600),
            model="trees",
            methods=({"l1_penalty": {"strength": 5}},),
        ),
    ),
)
