"""What learning_rate_adjustment is worth: at a rate far too high a deep network learns nothing, and a range test finds
one that works; where the usual rate is right already it brings nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._networks import plain_layers

PROOF = Proof(
    question=15,
    paper="Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017",
    helps=(
        Case(
            "digits of 8 by 8, sixteen layers at 300 times the usual rate; found by a range test",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(16, activation="relu", learning_rate=0.3),
            methods=("learning_rate_adjustment",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "digits of 8 by 8, sixteen layers at 300 times the usual rate; divided by 300",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(16, activation="relu", learning_rate=0.3),
            methods=({"learning_rate_adjustment": {"factor": 0.0033}},),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, two layers at the usual rate",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(2, activation="relu"),
            methods=("learning_rate_adjustment",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "breast cancer, the usual network",
            lambda seed: data.plain("breast_cancer", seed),
            model="tabular_network",
            methods=("learning_rate_adjustment",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
