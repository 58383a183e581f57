"""What text_augmentation is worth: few texts in more words, where a network of words or trees over a few dimensions
must learn from them; a linear model of many terms already knows what it can from as many rows, and many rows
need none."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

# five times as many rows for a fifth of the epochs: as many steps on either side
WORDS = {"tabular_network": {"texts": "words", "epochs": 12, "batch_rows": 16, "longest": 80, "width": 64, "depth": 1}}
PLAIN = {"tabular_network": {**WORDS["tabular_network"], "epochs": 60}}
MORE = ({"text_augmentation": {"copies": 4}},)

PROOF = Proof(
    question=17,
    paper="Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019",
    helps=(
        Case(
            "300 reviews, a network of words",
            lambda seed: data.plain("reviews", seed, rows=300),
            model=WORDS,
            methods=MORE,
            baseline_model=PLAIN,
            seeds=3,
        ),
        Case("300 reviews, trees", lambda seed: data.plain("reviews", seed, rows=300), model="trees", methods=MORE),
    ),
    does_not=(
        Case("300 reviews, linear", lambda seed: data.plain("reviews", seed, rows=300), methods=MORE),
        Case(
            "2,000 reviews, linear",
            lambda seed: data.plain("reviews", seed, rows=2000),
            methods=("text_augmentation",),
        ),
    ),
)
