"""What feature_weights is worth: among many terms or columns of no use, those that say something of the answer are held
back less; where all columns say something, nothing is gained."""

from functools import partial

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.planting import Fault, irrelevant_columns

NOISE = Fault("60 columns of noise", "irrelevant columns", 60, partial(irrelevant_columns, training=300))

PROOF = Proof(
    question=13,
    paper="Debole and Sebastiani, Supervised Term Weighting for Automated Text Categorization, SAC 2003",
    helps=(
        Case(
            "mixed, 60 columns of noise beside 300 rows",
            lambda seed: data.faulty("mixed 3000", NOISE, seed),
            methods=("feature_weights",),
        ),
        Case(
            "breast cancer, 60 columns of noise",
            lambda seed: data.faulty("breast_cancer", NOISE, seed),
            methods=({"feature_weights": {"kind": "variance"}},),
        ),
        Case("reviews", lambda seed: data.plain("reviews", seed), methods=("feature_weights",)),
    ),
    does_not=(
        Case("digits", lambda seed: data.plain("digits", seed), methods=("feature_weights",)),
        Case("wine", lambda seed: data.plain("wine", seed), methods=("feature_weights",)),
    ),
)
