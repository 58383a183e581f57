"""What deduplication is worth: a few rows that stand in the file many times shout down the rest; where each row stands
once, nothing is taken out."""

import numpy as np

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.planting import Fault, Planted
from melior.proofs.tables import Rows


def shouting(rows: Rows, strength: float, seed: int) -> Planted:
    """A share `strength` of the rows of the commonest class stands twenty times, as a form that was sent again and
    again."""
    random = np.random.default_rng([seed, 301])
    names, counts = np.unique(rows.labels, return_counts=True)
    own = np.flatnonzero(rows.labels == names[counts.argmax()])
    picked = random.choice(own, max(1, round(strength * len(own))), replace=False)
    order = random.permutation(np.concatenate([np.arange(len(rows.labels)), np.repeat(picked, 19)]))
    return Planted(rows.take(order), rows, ("duplicate_rows",))


def wrong_and_sent_again(rows: Rows, strength: float, seed: int) -> Planted:
    """The same where the rows that stand twenty times have another answer than they should."""
    planted = shouting(rows, strength, seed)
    keys = planted.faulty.frame.hash_rows().to_numpy()
    known, counts = np.unique(keys, return_counts=True)
    many = np.isin(keys, known[counts > 10])
    names = np.unique(rows.labels)
    labels = planted.faulty.labels.copy()
    labels[many] = names[(np.searchsorted(names, labels[many]) + 1) % len(names)]
    return Planted(Rows(rows.name, planted.faulty.frame, labels, rows.texts), rows, ("duplicate_rows",))


SHOUTING = Fault("5 % of a class twenty times", "copies", 0.05, shouting)
WRONG = Fault("3 % of a class twenty times, with a wrong answer", "copies", 0.03, wrong_and_sent_again)

PROOF = Proof(
    question=23,
    paper="Lee et al., Deduplicating Training Data Makes Language Models Better, ACL 2022",
    helps=(
        Case("mixed columns, copies", lambda seed: data.faulty("mixed 3000", SHOUTING, seed),
             methods=("deduplication",)),
        Case("mixed columns, copies with a wrong answer", lambda seed: data.faulty("mixed 3000", WRONG, seed),
             methods=("deduplication",)),
        Case("reviews, copies with a wrong answer", lambda seed: data.faulty("reviews", WRONG, seed, share=0.3),
             methods=("deduplication",)),
    ),
    does_not=(
        Case("mixed columns, no copies", lambda seed: data.plain("mixed 3000", seed), methods=("deduplication",)),
        Case("wine, no copies", lambda seed: data.plain("wine", seed), methods=({"deduplication": {"near": True}},)),
    ),
)  # fmt: skip
