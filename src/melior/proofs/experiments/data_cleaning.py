"""What data_cleaning is worth: values in another unit or beyond belief in the training rows; on clean rows nothing."""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain
from melior.proofs.planting import FAULTS

BROKEN = {fault.name: fault for fault in FAULTS}


def thousandfold(name: str, seed: int) -> Given:
    return faulty(name, BROKEN["wrong unit x1000 10%"], seed)


PROOF = Proof(
    question=12,
    paper="Dixon, Annals of Mathematical Statistics 1960",
    helps=(
        Case("mixed table, 1 value of 10 a thousandfold, linear", lambda seed: thousandfold("mixed 3000", seed),
             "linear", ("data_cleaning",), metric="accuracy"),
        Case("breast cancer, 1 value of 10 a thousandfold, linear", lambda seed: thousandfold("breast_cancer", seed),
             "linear", ("data_cleaning",), metric="accuracy"),
        Case("wine, 1 value of 10 a thousandfold, linear", lambda seed: thousandfold("wine", seed), "linear",
             ("data_cleaning",), metric="accuracy"),
    ),
    does_not=(
        Case("mixed table, 1 value of 10 a thousandfold, trees", lambda seed: thousandfold("mixed 3000", seed),
             {"trees": {"rounds": 60}}, ("data_cleaning",), metric="accuracy"),
        Case("breast cancer, values as they are", lambda seed: plain("breast_cancer", seed), "linear",
             ("data_cleaning",), metric="accuracy"),
    ),
)  # fmt: skip
