"""What few_shot_head is worth: what a pretrained encoder knows of language, where a class has ten texts; with hundreds
of them terms and a linear model come near."""

import numpy as np

from melior.proofs import data
from melior.proofs._base import Case, Given, Proof
from melior.proofs.sources import minilm_folder, minilm_path
from melior.proofs.tables import SETS, split

FROZEN = {"text_encoder": {"source": minilm_path(), "tuning": "frozen", "longest": 96}}


def few(seed: int, rows: int) -> Given:
    """So many reviews to train on, half of either answer, and 300 to score on."""
    minilm_folder()  # fetched on the first call
    train, test = split(SETS["reviews"](seed), 0.5, seed)
    each = [np.flatnonzero(train.labels == name)[: rows // 2] for name in np.unique(train.labels)]
    return data.given(train.take(np.concatenate(each)), test.take(np.arange(300)))


PROOF = Proof(
    question=23,
    paper="Snell, Swersky and Zemel, Prototypical Networks for Few-shot Learning, NeurIPS 2017",
    helps=(
        Case("reviews, 10 of each class, against linear", lambda seed: few(seed, 20), FROZEN, ("few_shot_head",),
             baseline_model="linear"),
        Case("reviews, 5 of each class, against its own logistic regression", lambda seed: few(seed, 10), FROZEN,
             ("few_shot_head",)),
    ),
    does_not=(
        Case("reviews, 200 of each class, against linear", lambda seed: few(seed, 400), FROZEN, ("few_shot_head",),
             baseline_model="linear"),
    ),
)  # fmt: skip
