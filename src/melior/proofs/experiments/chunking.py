"""What chunking is worth: a text is longer than the encoder reads and what tells stands behind; where the beginning
tells, the rest can only blur it."""

from collections.abc import Callable
from typing import Any

from melior.proofs import long_texts
from melior.proofs._base import Case, Given, Proof
from melior.proofs.sources import minilm_folder, minilm_path

WHAT = "MiniLM, frozen, 64 tokens at once"


MODEL: dict[str, Any] = {"text_encoder": {"source": minilm_path(), "tuning": "frozen", "longest": 64}}


def fetched(make: Callable[[int], Given]) -> Callable[[int], Given]:
    """Rows for a seed, and the encoder fetched the first time."""

    def given(seed: int) -> Given:
        minilm_folder()
        return make(seed)

    return given


PROOF = Proof(
    question=5,
    paper="Pappagari et al., Hierarchical Transformers for Long Document Classification, ASRU 2019",
    helps=(
        Case(
            f"the department of a review behind 100 words of a manual page; {WHAT}",
            fetched(lambda seed: long_texts.hidden(seed, rows=300, words=100)),
            model=MODEL,
            methods=({"chunking": {"windows": 8}},),
        ),
        Case(
            f"the department behind 100 words of a manual page, the largest number over the windows; {WHAT}",
            fetched(lambda seed: long_texts.hidden(seed, rows=300, words=100)),
            model=MODEL,
            methods=({"chunking": {"windows": 8, "pooling": "max"}},),
        ),
        Case(
            f"reviews of more than 350 letters, recommended or not; {WHAT}",
            fetched(lambda seed: long_texts.recommended(seed, rows=300)),
            model=MODEL,
            methods=("chunking",),
        ),
    ),
    does_not=(
        Case(
            f"manual pages, 256 words of each: the beginning tells the section; {WHAT}",
            fetched(lambda seed: long_texts.pages(seed, rows=300, words=256)),
            model=MODEL,
            methods=("chunking",),
        ),
    ),
)
