"""What noise_correction is worth: wrong labels that follow a pattern of classes; right labels need no correction."""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain

NETWORK = {"tabular_network": {"epochs": 15, "batch_rows": 32, "dropout": 0.0, "weight_decay": 0.01}}
ROUNDS = {"rounds": 1, "second": "linear"}
FORWARD, BACKWARD = (({"noise_correction": {"kind": kind, **ROUNDS}},) for kind in ("forward", "backward"))


def one_class(seed: int) -> Given:
    return faulty("digits", "wrong labels of one class 40%", seed, share=0.5)


def many(seed: int) -> Given:
    return faulty("digits", "wrong labels 30%", seed, share=0.5)


def reviews(seed: int) -> Given:
    return faulty("reviews", "wrong labels 20%", seed)


PROOF = Proof(
    question=21,
    paper="Patrini et al., CVPR 2017",
    helps=(
        Case("digits, 30 % wrong, rows", many, "linear", ("noise_correction",), metric="accuracy"),
        Case("reviews, 20 % wrong, rows", reviews, "linear", ("noise_correction",)),
        Case("digits, 40 % of one class wrong, forward", one_class, NETWORK, FORWARD, metric="accuracy", seeds=3),
        Case("digits, 30 % wrong, forward", many, NETWORK, FORWARD, metric="accuracy", seeds=3),
        Case("digits, 30 % wrong, backward", many, NETWORK, BACKWARD, metric="accuracy", seeds=3),
    ),
    does_not=(
        Case("digits, labels right, rows", lambda seed: plain("digits", seed), "linear", ("noise_correction",),
             metric="accuracy"),
        Case("breast cancer, labels right, rows, trees", lambda seed: plain("breast_cancer", seed),
             {"trees": {"rounds": 60}}, ({"noise_correction": {"rounds": 1}},)),
        Case("digits, labels right, forward", lambda seed: plain("digits", seed, share=0.5), NETWORK, FORWARD,
             metric="accuracy", seeds=3),
    ),
)  # fmt: skip
