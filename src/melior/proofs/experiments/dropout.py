"""What dropout is worth: with few rows a wide network leans on what only they have; with many rows, and a network that
is small beside them, there is nothing to hold back."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=1,
    paper="Srivastava et al., Dropout, JMLR 2014",
    helps=(
        Case(
            "digits of 8 by 8, 150 rows, without dropout beside 0.3",
            lambda seed: data.plain("digits", seed, rows=150),
            model={"tabular_network": {"dropout": 0.0, "width": 256}},
            methods=("dropout",),
            metric="log_loss",
            seeds=5,
        ),
        Case(
            "two classes of mixed columns, 400 rows, without dropout beside 0.3",
            lambda seed: data.plain("mixed 600", seed),
            model={"tabular_network": {"dropout": 0.0, "width": 256}},
            methods=("dropout",),
            metric="log_loss",
            seeds=5,
        ),
    ),
    does_not=(
        Case(
            "two classes of mixed columns, 2,100 rows, eight units a layer",
            lambda seed: data.plain("mixed 3000", seed),
            model={"tabular_network": {"dropout": 0.0, "width": 8}},
            methods=("dropout",),
            metric="log_loss",
            seeds=3,
        ),
    ),
)
