"""What sparse_augmentation is worth: with few texts of a class new ones of its terms say which terms go together; with
rows enough, or where a column's parts belong together, they teach little or what is not so."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.sparse_rows import messages, of, sections

PROOF = Proof(
    question=18,
    paper="Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019",
    helps=(
        Case(
            "messages of five programs, 150 training rows",
            lambda seed: of(messages(), seed, training=150),
            methods=({"sparse_augmentation": {"share": 4}},),
        ),
        Case(
            "paragraphs of manual pages, 200 training rows",
            lambda seed: of(sections(), seed, training=200),
            methods=({"sparse_augmentation": {"share": 4}},),
        ),
    ),
    does_not=(
        Case(
            "messages of five programs, all rows",
            lambda seed: of(messages(), seed),
            methods=("sparse_augmentation",),
        ),
        Case(
            "mixed of four classes, trees",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model="trees",
            methods=("sparse_augmentation",),
        ),
    ),
)
