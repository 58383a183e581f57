"""What attention_pooling is worth: a few words of a long text tell and the mean drowns them; in short texts of which
every word counts there is less to win."""

from typing import Any

from melior.proofs import long_texts
from melior.proofs._base import Case, Proof

SCRATCH: dict[str, Any] = {
    "text_encoder": {
        "width": 32, "depth": 1, "heads": 2, "vocabulary": 3000, "longest": 200, "epochs": 10, "batch_rows": 16,
        "learning_rate": 0.005,
    }
}  # fmt: skip

PROOF = Proof(
    question=5,
    paper="Lin et al., A Structured Self-attentive Sentence Embedding, ICLR 2017",
    helps=(
        Case(
            "the department of a review among 60 words of manual pages; an encoder from scratch",
            lambda seed: long_texts.hidden(seed, rows=600, words=60, late=False),
            model=SCRATCH,
            methods=("attention_pooling",),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "the department of a review alone; an encoder from scratch",
            lambda seed: long_texts.reviews(seed, rows=600),
            model=SCRATCH,
            methods=("attention_pooling",),
            seeds=3,
        ),
    ),
)
