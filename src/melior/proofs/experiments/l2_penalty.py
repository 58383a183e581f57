"""What l2_penalty is worth: weights that few rows support stay small; with rows enough the usual amount is right."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=1,
    paper="Hoerl and Kennard, Ridge Regression, Technometrics 1970; Loshchilov and Hutter, Decoupled Weight Decay "
    "Regularization, ICLR 2019",
    helps=(
        Case(
            "breast cancer beside 500 columns of noise",
            lambda seed: data.faulty("breast_cancer", "500 irrelevant columns", seed),
            methods=({"l2_penalty": {"strength": 30}},),
            metric="log_loss",
        ),
        Case(
            "digits, 100 training rows, a network",
            lambda seed: data.plain("digits", seed, rows=100),
            model={"tabular_network": {"weight_decay": 0.0, "epochs": 30}},
            methods=({"l2_penalty": {"strength": 3}},),
            metric="log_loss",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "mixed, 2,100 rows of ten columns",
            lambda seed: data.plain("mixed 3000", seed),
            methods=({"l2_penalty": {"strength": 30}},),
            metric="log_loss",
        ),
    ),
)
