"""What label_cleaning is worth: many wrong labels, many features; with right labels it can only throw rows away."""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain

TREES = {"trees": {"rounds": 60}}


def digits(seed: int) -> Given:
    return faulty("digits", "wrong labels 30%", seed)


def reviews(seed: int) -> Given:
    return faulty("reviews", "wrong labels 20%", seed)


def table(seed: int) -> Given:
    return faulty("mixed 3000", "wrong labels 30%", seed)


PROOF = Proof(
    question=21,
    paper="Northcutt et al., JAIR 2021",
    helps=(
        Case("digits, 30 % wrong", digits, "linear", ("label_cleaning",), metric="accuracy"),
        Case("digits, 30 % wrong, dropped only", digits, "linear", ({"label_cleaning": {"action": "drop"}},),
             metric="accuracy"),
        Case("reviews, 20 % wrong", reviews, "linear", ("label_cleaning",)),
        Case("mixed table, 30 % wrong, trees", table, TREES, ({"label_cleaning": {"rounds": 1}},), metric="accuracy"),
    ),
    does_not=(
        Case("digits, labels right", lambda seed: plain("digits", seed), "linear", ("label_cleaning",),
             metric="accuracy"),
        Case("mixed table, labels as they are, trees", lambda seed: plain("mixed 3000", seed), TREES,
             ({"label_cleaning": {"rounds": 1}},), metric="accuracy"),
        Case("reviews, labels as they are", lambda seed: plain("reviews", seed), "linear", ("label_cleaning",)),
    ),
)  # fmt: skip
