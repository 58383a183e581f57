"""What learning_rate_schedule is worth: with few passes over the rows, small steps at the end settle what large ones
found; beside the falling rate that is usual here another shape of it brings nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=16,
    paper="Smith and Topin, Super-Convergence, 2018; Loshchilov and Hutter, SGDR, ICLR 2017",
    helps=(
        Case(
            "digits of 8 by 8, four passes, a large constant rate beside one cycle",
            lambda seed: data.plain("digits", seed),
            model={"tabular_network": {"epochs": 4, "schedule": "constant", "learning_rate": 0.01}},
            methods=("learning_rate_schedule",),
            metric="log_loss",
            seeds=3,
        ),
        Case(
            "four classes of mixed columns, eight passes, a large constant rate beside one cycle",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model={"tabular_network": {"epochs": 8, "schedule": "constant", "learning_rate": 0.01}},
            methods=("learning_rate_schedule",),
            metric="log_loss",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, four passes, the usual cosine beside one cycle",
            lambda seed: data.plain("digits", seed),
            model={"tabular_network": {"epochs": 4, "learning_rate": 0.01}},
            methods=("learning_rate_schedule",),
            metric="log_loss",
            seeds=3,
        ),
    ),
)
