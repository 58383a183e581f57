"""What stacking is worth: families that err on different rows, weighted by how right they are on rows they did not see;
where the recipe's family is the best by far, there is nothing to add."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

PROOF = Proof(
    question=23,
    paper="Wolpert, Stacked Generalization, Neural Networks 1992",
    helps=(
        Case("mixed columns, 3,000 rows", lambda seed: data.plain("mixed 3000", seed), "trees", ("stacking",)),
        Case("mixed columns of 4 classes", lambda seed: data.plain("mixed 1500 of 4", seed), "trees", ("stacking",)),
        Case("2,000 reviews", lambda seed: data.plain("reviews", seed, rows=2000), "trees", ("stacking",)),
    ),
    does_not=(
        Case("wine, linear", lambda seed: data.plain("wine", seed), "linear", ("stacking",)),
        Case("breast cancer, linear", lambda seed: data.plain("breast_cancer", seed), "linear", ("stacking",)),
    ),
)
