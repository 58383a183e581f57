"""What bagging is worth: trees that learn chance from few rows are steadier together; a linear model has little of its
own to average away."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

FEW = {"trees": {"rounds": 40}}

PROOF = Proof(
    question=1,
    paper="Breiman, Bagging Predictors, Machine Learning 1996",
    helps=(
        Case(
            "mixed columns of 4 classes, 400 rows",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=400),
            FEW,
            ("bagging",),
        ),
        Case(
            "breast cancer, 20 % wrong labels",
            lambda seed: data.faulty("breast_cancer", "wrong labels 20%", seed),
            FEW,
            ("bagging",),
        ),
    ),
    does_not=(
        Case("mixed columns, linear", lambda seed: data.plain("mixed 600", seed), "linear", ("bagging",)),
        Case("500 reviews, linear", lambda seed: data.plain("reviews", seed, rows=500), "linear", ("bagging",)),
    ),
)
