"""What dynamic_weights is worth: networks that learn wrong labels by heart; of right labels it leaves out hard rows."""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain

NETWORK = {
    "tabular_network": {"dropout": 0.0, "weight_decay": 0.01, "epochs": 30, "batch_rows": 32}
}  # nothing else that resists
TOGETHER = ({"dynamic_weights": {"kind": "co_teaching", "rate": 0.4}},)


def digits(seed: int) -> Given:
    return faulty("digits", "wrong labels 40%", seed, share=0.5)


def table(seed: int) -> Given:
    return faulty("mixed 1500 of 4", "wrong labels 30%", seed)


def right(seed: int) -> Given:
    return plain("digits", seed, share=0.5)


PROOF = Proof(
    question=21,
    paper="Han et al., NeurIPS 2018; Shen and Sanghavi, ICML 2019",
    helps=(
        Case("digits, 40 % wrong, the rate known", digits, NETWORK, ({"dynamic_weights": {"rate": 0.4}},),
             metric="accuracy", seeds=3),
        Case("digits, 40 % wrong, the rate estimated", digits, NETWORK, ("dynamic_weights",), metric="accuracy",
             seeds=3),
        Case("digits, 40 % wrong, two networks", digits, NETWORK, TOGETHER, metric="accuracy", seeds=3),
        Case("digits, 40 % wrong, linear", digits, "linear", ("dynamic_weights",), metric="accuracy"),
        Case("mixed table, 30 % wrong, the rate known", table, NETWORK, ({"dynamic_weights": {"rate": 0.3}},),
             metric="accuracy", seeds=3),
    ),
    does_not=(
        Case("digits, labels right", right, NETWORK, ("dynamic_weights",), metric="accuracy", seeds=3),
        Case("digits, labels right, two networks, 4 of 10 left out", right, NETWORK, TOGETHER, metric="accuracy",
             seeds=3),
        Case("reviews, labels as they are, linear", lambda seed: plain("reviews", seed), "linear",
             ("dynamic_weights",)),
    ),
)  # fmt: skip
