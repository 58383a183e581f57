"""What weighted_loss is worth: rare classes in a network's loss; of no use where classes are even, or ranks are asked.

A loss for unequal classes moves where a network draws the line between them, to where each class is found as often. By
macro F1 that can be too far, since what is wrongly called rare counts there too; where only the order of the scores
counts (ROC-AUC), or all classes are as frequent, there is nothing to move.
"""

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import given, plain
from melior.proofs.planting import imbalance
from melior.proofs.tables import mixed, split

NETWORK = {"tabular_network": {"epochs": 20}}


def rare(seed: int) -> Given:
    """Two classes, one of them 1 of 30 in training and test rows alike."""
    thinned = imbalance(mixed(8000, 2, seed, "mixed, 1 of 30"), 1 / 30, seed, rare="class 1").faulty
    return given(*split(thinned, 0.7, seed))


def long_tail(seed: int) -> Given:
    """Ten handwritten digits, one of them a twentieth as frequent as the others."""
    from melior.proofs.tables import SETS

    thinned = imbalance(SETS["digits"](seed), 0.006, seed).faulty
    return given(*split(thinned, 0.5, seed))


ADJUSTED = ({"weighted_loss": {"kind": "logit_adjusted"}},)

PROOF = Proof(
    question=13,
    paper="Lin et al., ICCV 2017; Cui et al., CVPR 2019; Menon et al., ICLR 2021",
    helps=(
        Case("mixed table, 1 row of 30, logits adjusted", rare, NETWORK, ADJUSTED, metric="balanced_accuracy", seeds=3),
        Case("mixed table, 1 row of 30, balanced weights", rare, NETWORK,
             ({"weighted_loss": {"kind": "class_balanced"}},), metric="balanced_accuracy", seeds=3),
        Case("mixed table, 1 row of 30, focal", rare, NETWORK, ("weighted_loss",), seeds=3),
        Case("digits, one class rare, logits adjusted", long_tail, NETWORK, ADJUSTED, seeds=3),
    ),
    does_not=(
        Case("mixed table, 1 row of 30, logits adjusted, by macro F1", rare, NETWORK, ADJUSTED, seeds=3),
        Case("digits, classes even, focal", lambda seed: plain("digits", seed, share=0.5), NETWORK, ("weighted_loss",),
             metric="accuracy", seeds=3),
        Case("mixed table, 1 row of 30, only the order counts", rare, NETWORK, ADJUSTED, metric="roc_auc", seeds=3),
    ),
)  # fmt: skip
