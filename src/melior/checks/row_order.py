"""Row order: the place of a row in its file tells its answer."""

import numpy as np
from scipy import special

from melior.checks._base import Check, Context
from melior.checks._statistics import codes, count, entropy, labelled, mutual_information, permutation_z, roc_auc, share
from melior.checks.target_leakage import shares_by
from melior.findings import Finding

FALSE_RATE = 1e-4
MATTERS = 0.1  # of the answer's entropy
BLOCKS = 20
MILDEST = 0.2


class RowOrder(Check):
    """Compares how often neighbouring rows of the file carry the same answer with shuffled answers.

    Named only where the place explains a tenth of the answer. A sorted file is harmless as long as folds are drawn at
    random and no column holds the row's number, so this is a hint: severity is at most 0.2, `certain` is False, and
    no column is named.
    """

    symptoms = frozenset({"target_leakage"})
    cost = "pass"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        rows = labelled(table.labels)
        if table.labels is None or len(rows) < 50 or (table.images is not None and table.images.listed):
            return []  # the files of a folder stand in order of their paths because they were read so
        labels = table.labels[rows[np.argsort(table.row_ids[rows], kind="stable")]]
        whole = entropy(np.bincount(labels))
        if whole == 0:
            return []
        z = permutation_z(
            lambda values: float((values[1:] == values[:-1]).mean()), labels, np.random.default_rng(context.seed)
        )
        place = codes(np.arange(len(labels), dtype=np.float64), min(BLOCKS, len(labels) // 10))
        explains = mutual_information(place, labels) / whole
        p = float(special.ndtr(-z))
        if p > FALSE_RATE or explains < MATTERS:
            return []
        area = roc_auc(shares_by(place, labels, len(table.classes)), labels)
        finding = Finding(
            symptom="target_leakage",
            severity=MILDEST * min(1.0, explains),
            message=(
                f"The rows are sorted: their place in the file explains {share(explains)} of {table.target!r}. Draw "
                f"folds at random or by group, never by place, and keep row numbers out of the columns."
            ),
            measured={"explains": explains, "roc_auc_of_place": area, "z": z, "same_as_next": _same(labels)},
            threshold=FALSE_RATE,
            threshold_from=f"equal neighbours among {count(len(labels))} rows against shuffled answers",
            certain=False,
        )
        return [finding]


def _same(labels: np.ndarray[tuple[int], np.dtype[np.int32]]) -> float:
    return float((labels[1:] == labels[:-1]).mean())
