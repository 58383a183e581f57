"""What sparse_dropout is worth: a model that learned without some of what is there does not fall where it is missing
from new rows; where those are as full as the training rows, it holds back more than it brings."""

from melior.proofs._base import Case, Proof
from melior.proofs.sparse_rows import gaps_later, messages, of, sections
from melior.proofs.tables import SETS

PROOF = Proof(
    question=7,
    paper="Globerson and Roweis, Nightmare at Test Time, ICML 2006; Wager, Wang, Liang, Dropout Training as Adaptive "
    "Regularization, NeurIPS 2013",
    helps=(
        Case(
            "mixed of four classes, half of the categories of new rows are missing",
            lambda seed: gaps_later(SETS["mixed 1500 of 4"](seed), seed, share=0.5),
            model="trees",
            methods=({"sparse_dropout": {"rate": 0.5}},),
        ),
        Case(
            "paragraphs of manual pages, half of the words of new rows are missing",
            lambda seed: gaps_later(sections(), seed, share=0.5, training=800),
            methods=({"sparse_dropout": {"rate": 0.3}},),
        ),
    ),
    does_not=(
        Case(
            "messages of five programs, as full as in training",
            lambda seed: of(messages(), seed),
            methods=({"sparse_dropout": {"rate": 0.3}},),
        ),
        Case(
            "messages of five programs, 150 training rows",
            lambda seed: of(messages(), seed, training=150),
            methods=({"sparse_dropout": {"rate": 0.3}},),
        ),
    ),
)
