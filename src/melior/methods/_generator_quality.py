"""How good generated rows are: like real ones, unlike each other, and no copies."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from melior.data.table import Floats, Table
from melior.methods._rows import mixed_space

NEAREST = 5
MOST_ROWS = 2000  # of either kind, drawn where there are more
FOLDS = 5


@dataclass(frozen=True)
class Quality:
    """What generated rows of one class look like beside its real ones.

    real, made     rows that were compared
    told_apart     ROC-AUC of a classifier that tells them apart, on rows that it did not see; 0.5 is good, 1 is bad.
                   nan below 10 rows of either kind
    columns        column -> how far its values differ: for numbers the largest distance of the two distribution
                   functions (Kolmogorov-Smirnov), for categories half the sum of the differences of their shares; 0..1
    distinct       share of generated rows that are no repeats of another one
    coverage       share of real rows that have a generated one as near as their 5th nearest real one; about 1 is good
    copy_distance  median distance of a generated row to the nearest real one, over that of a real row to the nearest
                   other real one: near 1 is good, near 0 means copies
    """

    real: int
    made: int
    told_apart: float
    columns: dict[str, float]
    distinct: float
    coverage: float
    copy_distance: float

    def said(self) -> str:
        """One sentence for people."""
        worst = max(self.columns.items(), key=lambda item: item[1], default=None)
        apart = (
            "too few to say whether they can be told apart"
            if np.isnan(self.told_apart)
            else (f"a classifier tells them from real ones with ROC-AUC {self.told_apart:.2f} (0.5: it cannot)")
        )
        column = f", the column that differs most is {worst[0]} ({worst[1]:.2f} of 1)" if worst else ""
        return (
            f"{apart}{column}, {self.distinct:.0%} are distinct, {self.coverage:.0%} of the real rows have one nearby, "
            f"and they lie {self.copy_distance:.2f} times as far from the nearest real row as real rows from each other"
        )


def generator_quality(real: Table, made: Table, *, seed: int = 0) -> Quality:
    """Compares generated rows with the real ones of the same class by their numbers, categories and images.

    Coverage: Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020. Telling apart:
    Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017.
    """
    random = np.random.default_rng([seed, 68])
    real, made = (
        table if table.rows <= MOST_ROWS else table.take(np.sort(random.choice(table.rows, MOST_ROWS, replace=False)))
        for table in (real, made)
    )
    both = real.joined(made)
    parts = [mixed_space(both)]
    for name in both.of_kind("image"):
        from melior.features.images import ImageDimensions

        block = ImageDimensions(name, dimensions=16, scale=1.0).fit(both, seed)
        parts.append(np.asarray(block.transform(both))[:, : len(block.axes)])
    space = np.concatenate(parts, axis=1)
    there, new = space[: real.rows], space[real.rows :]
    told = _told_apart(there, new, seed) if min(len(there), len(new)) >= 2 * FOLDS else float("nan")
    distinct = len(np.unique(np.round(new, 9), axis=0)) / max(len(new), 1)
    return Quality(real.rows, made.rows, told, _columns(real, made), distinct, *coverage_and_distance(there, new))


def coverage_and_distance(real: Floats, made: Floats, k: int = NEAREST) -> tuple[float, float]:
    """Coverage and copy distance (see `Quality`) of points (rows, dimensions) in one space."""
    from sklearn.neighbors import NearestNeighbors

    if len(real) < 2 or not len(made):
        return float("nan"), float("nan")
    among = NearestNeighbors(n_neighbors=min(k, len(real) - 1)).fit(real)
    own = among.kneighbors()[0]
    to_made = NearestNeighbors(n_neighbors=1).fit(made).kneighbors(real)[0][:, 0]
    to_real = among.kneighbors(made, n_neighbors=1)[0][:, 0]
    usual = float(np.median(own[:, 0]))
    copy = float(np.median(to_real)) / usual if usual > 0 else float("nan")
    return float(np.mean(to_made <= own[:, -1])), copy


def _told_apart(real: Floats, made: Floats, seed: int) -> float:
    import lightgbm
    from sklearn.metrics import roc_auc_score

    points = np.concatenate([real, made])
    truth = np.repeat([0, 1], [len(real), len(made)])
    fold = np.empty(len(truth), dtype=np.int64)
    random = np.random.default_rng([seed, 69])
    for kind in (0, 1):
        inside = random.permutation(np.flatnonzero(truth == kind))
        fold[inside] = np.arange(len(inside)) % FOLDS
    settings = {
        "objective": "binary",
        "num_leaves": 7,
        "min_data_in_leaf": 5,
        "is_unbalance": True,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "verbosity": -1,
    }
    scores = np.empty(len(truth))
    for number in range(FOLDS):
        outside = fold == number
        data = lightgbm.Dataset(points[~outside], truth[~outside], params={"verbosity": -1})
        scores[outside] = np.asarray(lightgbm.train(settings, data, 50).predict(points[outside], num_threads=1))
    # by fold, since the folds' scores have no common scale
    return float(np.mean([roc_auc_score(truth[fold == n], scores[fold == n]) for n in range(FOLDS)]))


def _columns(real: Table, made: Table) -> dict[str, float]:
    from scipy.stats import ks_2samp

    found: dict[str, float] = {}
    for name in real.of_kind("number"):
        one, other = (v[np.isfinite(v)] for v in (real.numbers(name), made.numbers(name)))
        if len(one) and len(other):
            found[name] = float(ks_2samp(one, other).statistic)
    for name in real.of_kind("category", "language"):
        before, after = _shares(real.column(name)), _shares(made.column(name))
        found[name] = sum(abs(before.get(v, 0.0) - after.get(v, 0.0)) for v in {*before, *after}) / 2
    return found


def _shares(values: pl.Series) -> dict[str | None, float]:
    return dict(values.rename("value").value_counts(name="share", normalize=True).iter_rows())
