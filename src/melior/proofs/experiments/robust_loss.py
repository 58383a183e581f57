"""What robust_loss is worth: wrong labels pull less on a network; with right labels bounded losses can only lose."""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain

NETWORK = {
    "tabular_network": {"dropout": 0.0, "weight_decay": 0.01, "epochs": 30, "batch_rows": 32}
}  # nothing else that resists
RESISTS = {"tabular_network": {"epochs": 30, "batch_rows": 32}}


def digits(seed: int) -> Given:
    return faulty("digits", "wrong labels 40%", seed, share=0.5)


def table(seed: int) -> Given:
    return faulty("mixed 1500 of 4", "wrong labels 30%", seed)


def right(seed: int) -> Given:
    return plain("digits", seed, share=0.5)


PROOF = Proof(
    question=21,
    paper="Zhang and Sabuncu, NeurIPS 2018; Wang et al., ICCV 2019",
    helps=(
        Case("digits, 40 % wrong, generalized", digits, NETWORK, ("robust_loss",), metric="accuracy", seeds=3),
        Case("digits, 40 % wrong, symmetric", digits, NETWORK, ({"robust_loss": {"kind": "symmetric"}},),
             metric="accuracy", seeds=3),
        Case("digits, 40 % wrong, generalized, a network that resists already", digits, RESISTS,
             ("robust_loss",), metric="accuracy", seeds=3),
        Case("mixed table, 30 % wrong, generalized", table, NETWORK, ("robust_loss",), metric="accuracy", seeds=3),
    ),
    does_not=(
        Case("digits, labels right, generalized", right, NETWORK, ("robust_loss",), metric="accuracy", seeds=3),
        Case("digits, labels right, symmetric", right, NETWORK, ({"robust_loss": {"kind": "symmetric"}},),
             metric="accuracy", seeds=3),
    ),
)  # fmt: skip
