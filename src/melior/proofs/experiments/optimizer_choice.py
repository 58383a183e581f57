"""What optimizer_choice is worth: how far a training comes in few passes over the rows, with orthogonal steps (muon)
beside AdamW; with as many passes as are usual both come to the same."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=16,
    paper="Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024; Liu et al., Muon is Scalable "
    "for LLM Training, 2025",
    helps=(
        Case(
            "digits of 8 by 8, two passes",
            lambda seed: data.plain("digits", seed),
            model={"tabular_network": {"epochs": 2}},
            methods=("optimizer_choice",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "four classes of mixed columns, two passes",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model={"tabular_network": {"epochs": 2}},
            methods=("optimizer_choice",),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, as many passes as are usual",
            lambda seed: data.plain("digits", seed),
            model="tabular_network",
            methods=("optimizer_choice",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "breast cancer, the usual network",
            lambda seed: data.plain("breast_cancer", seed),
            model="tabular_network",
            methods=("optimizer_choice",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
