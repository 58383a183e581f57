"""What sparse_coding is worth: codes in learnt patterns are no straight function of the features, so a linear model can
draw other borders with them; in place of terms that say it plainly they lose what the terms said."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.sparse_rows import messages, of

PROOF = Proof(
    question=18,
    paper="Mairal et al., Online Dictionary Learning for Sparse Coding, ICML 2009",
    helps=(
        Case(
            "digits, linear on 200 patterns",
            lambda seed: data.plain("digits", seed, rows=1000),
            methods=({"sparse_coding": {"atoms": 200}},),
        ),
        Case(
            "digits, linear on 75 patterns of 300 training rows",
            lambda seed: data.plain("digits", seed, rows=300),
            methods=({"sparse_coding": {"atoms": 75}},),
        ),
    ),
    does_not=(
        Case(
            "mixed of four classes, patterns beside the columns",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            methods=({"sparse_coding": {"beside": True}},),
        ),
        Case(
            "messages of five programs, patterns in place of terms",
            lambda seed: of(messages(), seed),
            methods=("sparse_coding",),
        ),
        Case(
            "digits, sparse components",
            lambda seed: data.plain("digits", seed, rows=1000),
            methods=({"sparse_coding": {"kind": "sparse_pca"}},),
        ),
    ),
)
