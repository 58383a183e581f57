"""What sparse_dropout is worth: with few rows a model leans on the few terms that happened to tell classes apart; left
out now and then, others have to be learned too. With rows enough there is little to gain."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.sparse_rows import messages, of, sections

PROOF = Proof(
    question=7,
    paper="Wager, Wang, Liang, Dropout Training as Adaptive Regularization, NeurIPS 2013",
    helps=(
        Case(
            "messages of five programs, 150 training rows, hardly a penalty",
            lambda seed: of(messages(), seed, training=150),
            model={"linear": {"c": 100.0}},
            methods=({"sparse_dropout": {"rate": 0.5, "copies": 10}},),
        ),
        Case(
            "paragraphs of manual pages, 200 training rows, hardly a penalty",
            lambda seed: of(sections(), seed, training=200),
            model={"linear": {"c": 100.0}},
            methods=({"sparse_dropout": {"rate": 0.5, "copies": 10}},),
        ),
    ),
    does_not=(
        Case(
            "messages of five programs, all rows",
            lambda seed: of(messages(), seed),
            methods=({"sparse_dropout": {"rate": 0.5, "copies": 3}},),
        ),
        Case(
            "mixed of four classes, trees",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model="trees",
            methods=("sparse_dropout",),
        ),
    ),
)
