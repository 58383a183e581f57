"""What joint_training is worth: rare languages beside a frequent one, scored alike; not where all are as frequent."""

from functools import partial

from melior.proofs import languages
from melior.proofs._base import Case, Given, Proof

SCORED = ("de", "fr", "es")


def uneven(seed: int, *, told: bool = True) -> Given:
    return languages.given({"de": 500, "fr": 40, "es": 20}, SCORED, seed, told=told)


def even(seed: int) -> Given:
    return languages.given({"de": 150, "fr": 150, "es": 150}, SCORED, seed)


def apart(seed: int) -> Given:
    """Languages without a letter in common: nothing is learned from one for the other."""
    return languages.given({"ja": 400, "zh": 40}, ("ja", "zh"), seed)


PROOF = Proof(
    question=4,
    paper="Conneau et al., Unsupervised Cross-lingual Representation Learning at Scale, ACL 2020",
    helps=(
        Case("manual pages: 500 German, 40 French, 20 Spanish, scored alike", uneven, "linear", ("joint_training",)),
        Case(
            "manual pages: 500 German, 40 French, 20 Spanish, rows repeated, languages read off the texts",
            partial(uneven, told=False),
            "linear",
            ({"joint_training": {"kind": "sample"}},),
        ),
        Case("manual pages: 400 Japanese, 40 Chinese, scored alike", apart, "linear", ("joint_training",)),
    ),
    does_not=(
        Case("manual pages: 150 of each language", even, "linear", ("joint_training",)),
        Case("manual pages: 500 German, 40 French, 20 Spanish, trees", uneven, "trees", ("joint_training",)),
    ),
)
