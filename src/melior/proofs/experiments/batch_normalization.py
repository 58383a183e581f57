"""What batch_normalization is worth: through many layers a signal keeps its size, so that they train at all; a shallow
network needs it less."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

DEEP = {"tabular_network": {"depth": 8, "width": 64, "dropout": 0.0, "epochs": 8, "activation": "sigmoid"}}

PROOF = Proof(
    question=14,
    paper="Ioffe and Szegedy, Batch Normalization, ICML 2015",
    helps=(
        Case(
            "mixed of four classes, eight layers of sigmoids",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model=DEEP,
            methods=("batch_normalization",),
            seeds=3,
        ),
        Case(
            "digits, eight layers of sigmoids",
            lambda seed: data.plain("digits", seed, rows=800),
            model=DEEP,
            methods=("batch_normalization",),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "mixed of four classes, two layers",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model={"tabular_network": {"epochs": 8}},
            methods=("batch_normalization",),
            seeds=3,
        ),
        Case(
            "breast cancer, the usual network",
            lambda seed: data.plain("breast_cancer", seed),
            model="tabular_network",
            methods=("batch_normalization",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
