"""What feature_attention is worth: columns that matter together, and for some rows only, can be attended to; on few
rows of columns that are alike it has more to learn than it can."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=14,
    paper="Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021",
    helps=(
        Case(
            "mixed, 2,100 rows, two columns matter together",
            lambda seed: data.plain("mixed 3000", seed),
            model={"tabular_network": {"epochs": 30}},
            methods=({"feature_attention": {"width": 32}},),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "breast cancer",
            lambda seed: data.plain("breast_cancer", seed),
            model={"tabular_network": {"epochs": 30}},
            methods=({"feature_attention": {"width": 32}},),
            seeds=3,
        ),
    ),
)
