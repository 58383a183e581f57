"""What several checks count with: shares, information, calibration, intervals, and how numbers are written."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from melior.data.table import Floats, Labels, Rows, Table

TINY = 1e-12


# ---- words


def count(number: float) -> str:
    """1204 -> '1,204'; 3.5 -> '3.5'."""
    if abs(number - round(number)) < 1e-9 and abs(number) < 1e15:
        return f"{round(number):,}"
    if 1e4 <= abs(number) < 1e15:
        return f"{float(f'{number:.4g}'):,.0f}"
    return f"{number:.4g}"


def share(part: float) -> str:
    """0.0312 -> '3.1 %'; 0.4 -> '40 %'; what is tiny keeps its first digit."""
    hundredths = 100 * part
    if hundredths == 0 or hundredths >= 10:
        return f"{hundredths:.0f} %"
    return f"{hundredths:.1f} %" if hundredths >= 0.1 else f"{hundredths:.1g} %"


def listed(names: list[str], most: int = 3) -> str:
    """'a', 'b' and 4 more."""
    shown = [f"{name!r}" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {count(len(names) - most)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


# ---- shares and information


def entropy(counts: NDArray[Any]) -> float:
    """Entropy in nats of counts or shares."""
    total = np.sum(counts)
    if total <= 0:
        return 0.0
    shares = np.asarray(counts, dtype=np.float64) / total
    return float(-special.xlogy(shares, shares).sum())


def mutual_information(left: NDArray[Any], right: NDArray[Any], *, corrected: bool = True) -> float:
    """Information in nats between two columns of small whole numbers, less its bias of (a-1)(b-1)/2n (Miller 1955)."""
    if not len(left):
        return 0.0
    joint = np.zeros((int(left.max()) + 1, int(right.max()) + 1))
    np.add.at(joint, (left, right), 1.0)
    found = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel())
    if corrected:
        found -= (np.count_nonzero(joint.sum(0)) - 1) * (np.count_nonzero(joint.sum(1)) - 1) / (2 * len(left))
    return max(0.0, found)


def log_losses(scores: Floats, labels: Labels) -> Floats:
    """(rows,) the log loss of each row; a probability of 0 counts as 1 / (2 rows): that much a row can cost."""
    floor = 1.0 / (2 * max(2, len(labels)))
    kept = np.clip(scores, floor, None)
    kept /= kept.sum(axis=1, keepdims=True)
    found: Floats = -np.log(kept[np.arange(len(labels)), labels])
    return found


def explained(scores: Floats, labels: Labels) -> tuple[float, Floats]:
    """Share of the labels' entropy that the scores remove (1 all, 0 nothing), after one temperature was set so that
    an over- or underconfident model is not taken for a weak one; and the log loss of each row."""
    losses = log_losses(tempered(scores, temperature(scores, labels)), labels)
    whole = entropy(np.bincount(labels))
    return (float(1 - losses.mean() / whole) if whole > 0 else 0.0), losses


def tempered(scores: Floats, power: float) -> Floats:
    """Scores to this power, summing to 1 again."""
    logs = power * np.log(np.clip(scores, TINY, None))
    found: Floats = special.softmax(logs, axis=1)
    return found


def temperature(scores: Floats, labels: Labels) -> float:
    """The power that makes the scores most likely; below 1 they were too sure (Guo et al. 2017)."""
    logs = np.log(np.clip(scores, TINY, None))
    picked = np.arange(len(labels))

    def loss(log_power: float) -> float:
        raised = np.exp(log_power) * logs
        return float((special.logsumexp(raised, axis=1) - raised[picked, labels]).mean())

    best = optimize.minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(best.x))


def roc_auc(scores: Floats, labels: Labels) -> float:
    """ROC-AUC; for more classes the mean of each against the rest. 0.5 where a class is missing."""
    if scores.shape[1] == 2:
        return _auc(scores[:, 1], labels == 1)
    found = [_auc(scores[:, k], labels == k) for k in range(scores.shape[1]) if 0 < (labels == k).sum() < len(labels)]
    return float(np.mean(found)) if found else 0.5


def _auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    many = int(positive.sum())
    if many in (0, len(positive)):
        return 0.5
    ranks: Floats = stats.rankdata(scores)
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(positive) - many)))


# ---- intervals and tests


def mean_interval(values: Floats, groups: Rows | None = None, level: float = 0.99) -> tuple[float, float, float]:
    """Mean with its normal interval; rows of one group are taken together (cluster-robust)."""
    mean = float(values.mean())
    centred = values - mean
    if groups is not None:
        _, number = np.unique(groups, return_inverse=True)
        centred = np.bincount(number, weights=centred).astype(np.float64)
    pieces = len(centred)
    if pieces < 2:
        return mean, -np.inf, np.inf
    error = np.sqrt((centred**2).sum() * pieces / (pieces - 1)) / len(values)
    half = float(stats.t.ppf(0.5 + level / 2, pieces - 1) * error)
    return mean, mean - half, mean + half


def permutation_z(
    statistic: Callable[[Labels], float], values: Labels, generator: np.random.Generator, times: int = 99
) -> float:
    """How many standard deviations the statistic lies above its mean over shuffled values."""
    null = np.array([statistic(generator.permutation(values)) for _ in range(times)])
    spread = null.std(ddof=1)
    return float((statistic(values) - null.mean()) / spread) if spread > TINY else 0.0


# ---- columns


def codes(values: NDArray[Any], bins: int = 16) -> Rows:
    """Small whole numbers for a number column: its values where few, else bins of equal counts; missing is a bin."""
    found = np.zeros(len(values), dtype=np.int64)
    known = np.isfinite(values)
    if known.any():
        distinct = np.unique(values[known])
        if len(distinct) <= bins:
            found[known] = 1 + np.searchsorted(distinct, values[known])
        else:
            edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1]))
            found[known] = 1 + np.searchsorted(edges, values[known], side="right")
    return found


def labelled(labels: Labels | None) -> Rows:
    """Positions of the rows with a label."""
    return np.empty(0, dtype=np.int64) if labels is None else np.flatnonzero(labels >= 0)


def answered(table: Table, fewest: int) -> tuple[Rows, Labels] | None:
    """Positions of the labelled rows and their labels; None where there are fewer, or fewer than two classes."""
    rows = labelled(table.labels)
    if table.labels is None or len(rows) < fewest or len(np.unique(table.labels[rows])) < 2:
        return None
    return rows, table.labels[rows]


def full_length(scores: Floats, positions: Rows, rows: int) -> Floats:
    """Scores of some positions as (rows, classes), nan elsewhere."""
    if len(scores) == rows:
        return scores
    found = np.full((rows, scores.shape[1]), np.nan)
    found[positions] = scores
    return found
