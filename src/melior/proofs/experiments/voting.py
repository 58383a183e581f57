"""What voting is worth: families that err on different rows answer better together; where one of them is much the best,
the others can only disturb it."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=23,
    paper="Kuncheva, Combining Pattern Classifiers, Wiley 2014",
    helps=(
        Case("mixed columns, 3,000 rows", lambda seed: data.plain("mixed 3000", seed), "trees", ("voting",)),
        Case("mixed columns of 4 classes", lambda seed: data.plain("mixed 1500 of 4", seed), "trees", ("voting",)),
    ),
    does_not=(
        Case("digits, linear", lambda seed: data.plain("digits", seed, share=0.3), "linear",
             ({"voting": {"kind": "hard"}},)),
        Case("wine, linear", lambda seed: data.plain("wine", seed), "linear", ("voting",)),
    ),
)  # fmt: skip
