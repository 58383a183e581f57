"""What anomaly_detection is worth: rows whose values each occur and together do not are told by their neighbours and
not by any column alone; a single value far out is told by plain z-scores too."""

import numpy as np
from sklearn.metrics import roc_auc_score

from melior.checks._unusual import NEIGHBOURS, unusual
from melior.data.table import Floats
from melior.features.neighbours import nearest
from melior.proofs._base import Case, Proof
from melior.proofs.tables import SETS

SHARE = 0.03


def planted(name: str, kind: str, seed: int) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Standardised numbers of a clean set with 3 % of planted rows, and which those are. mixtures: each value from
    another row; far: one value six spreads out."""
    random = np.random.default_rng([seed, 304])
    rows = SETS[name](seed)
    values = np.asarray(rows.frame.select(rows.numbers()).to_numpy(), dtype=np.float64)
    values = values[random.permutation(len(values))[:1200]]
    values = values[:, values.std(axis=0) > 0]
    clean = (values - values.mean(axis=0)) / values.std(axis=0)
    odd = np.zeros(len(clean), dtype=bool)
    odd[random.choice(len(clean), round(SHARE * len(clean)), replace=False)] = True
    made = clean.copy()
    if kind == "mixtures":
        for column in range(made.shape[1]):
            made[odd, column] = clean[random.integers(0, len(clean), odd.sum()), column]
    else:
        made[np.flatnonzero(odd), random.integers(0, made.shape[1], odd.sum())] = 6 * random.choice([-1, 1], odd.sum())
    return (made - made.mean(axis=0)) / made.std(axis=0), odd


def auroc(seed: int, changed: bool, *, name: str = "digits", kind: str = "mixtures") -> float:
    """How well planted rows are put before the others: by the audit's score with the change, without it by the largest
    absolute z-score of a row."""
    values, odd = planted(name, kind, seed)
    scores = unusual(values, *nearest(values, NEIGHBOURS), seed=seed) if changed else np.abs(values).max(axis=1)
    return float(roc_auc_score(odd, scores))


PROOF = Proof(
    question=12,
    paper="Breunig et al., LOF: Identifying Density-Based Local Outliers, SIGMOD 2000",
    helps=(
        Case("digits, rows mixed of others", figure=auroc, unit="AUROC"),
        Case("breast cancer, rows mixed of others",
             figure=lambda seed, changed: auroc(seed, changed, name="breast_cancer"), unit="AUROC"),
        Case("wine, rows mixed of others", figure=lambda seed, changed: auroc(seed, changed, name="wine"),
             unit="AUROC"),
    ),
    does_not=(
        Case("mixed columns, one value far out",
             figure=lambda seed, changed: auroc(seed, changed, name="mixed 3000", kind="far"), unit="AUROC"),
    ),
)  # fmt: skip
