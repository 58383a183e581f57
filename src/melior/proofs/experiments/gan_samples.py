"""What gan_samples is worth: rare rows and pictures written by a generator let the rare class be heard; trees that rank
well have little to gain, and classes of about one size nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.pictures import threes_and_eights

PROOF = Proof(
    question=9,
    paper="Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017",
    helps=(
        Case(
            "mixed, 1 of 25 rare, until 1 of 5 is",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            methods=({"gan_samples": {"ratio": 0.25}},),
            seeds=3,
        ),
        Case(
            "breast cancer, 1 of 10 of one kind, until all are equal, by recall",
            lambda seed: data.rare("breast_cancer", 0.1, seed),
            methods=("gan_samples",),
            metric="macro_recall",
            seeds=3,
        ),
        Case(
            "pictures of 3 and 8, 20 of 110 are 3",
            lambda seed: threes_and_eights(seed, 20),
            methods=("gan_samples",),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "mixed, 1 of 25 rare, by ranks, trees",
            lambda seed: data.rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=({"gan_samples": {"ratio": 0.25}},),
            metric="roc_auc",
            seeds=3,
        ),
        Case("wine as it is", lambda seed: data.plain("wine", seed), methods=("gan_samples",), seeds=3),
    ),
)
