"""What transfer_learning is worth: with few reviews a text encoder that has read much other text knows more than one
that begins from nothing, and than the words alone tell; with many reviews the words tell as much."""

import numpy as np

from melior.proofs import data
from melior.proofs._base import Case, Given, Proof
from melior.proofs.sources import minilm_folder, minilm_path

ENCODER = {"text_encoder": {"longest": 96}}
PRETRAINED = {"transfer_learning": {"source": minilm_path()}}


def reviews(seed: int, rows: int, *, scored: int = 400) -> Given:
    """So many reviews to learn from, and others to score; their texts alone."""
    minilm_folder()  # fetched the first time
    given = data.plain("reviews", seed, rows=rows)
    others = [name for name in given.train.features() if name not in given.train.of_kind("text")]
    test = given.test.take(np.arange(min(scored, given.test.rows)))
    return Given(given.train.without_columns(others), test.without_columns(others))


PROOF = Proof(
    question=10,
    paper="Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018; Reimers and Gurevych, Sentence-BERT, 2019",
    helps=(
        Case(
            "120 reviews, an encoder from nothing beside a pretrained one",
            lambda seed: reviews(seed, 120),
            model=ENCODER,
            methods=(PRETRAINED,),
            metric="roc_auc",
            seeds=3,
        ),
        Case(
            "120 reviews, words alone beside a pretrained encoder",
            lambda seed: reviews(seed, 120),
            model=ENCODER,
            baseline_model="linear",
            methods=(PRETRAINED,),
            metric="roc_auc",
            seeds=5,
        ),
    ),
    does_not=(
        Case(
            "1,200 reviews, words alone beside a pretrained encoder",
            lambda seed: reviews(seed, 1200),
            model=ENCODER,
            baseline_model="linear",
            methods=(PRETRAINED,),
            metric="roc_auc",
            seeds=3,
        ),
    ),
)
