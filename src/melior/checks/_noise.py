"""A floor under the disagreement between labels and model: what wrong labels leave, and honest overlap does not.

Where classes overlap, given label and prediction disagree near the boundary, and ever less the surer the model is.
Where labels are wrong, a share of them disagrees however sure the model is. So for each class a curve

    P(given label = k | score s) = f + (1 - e - f) sigmoid(a + b sign(s) |s|**g + c v)        s = logit of the score

is fitted to out-of-fold scores by maximum likelihood: e = P(label is not k | k is true), f = P(label is k | k is not
true); a, b and g leave the honest part free in place, steepness and tails. A model that is too simple is surely wrong
about whole regions, and that looks like a floor too; there the labels of the nearest rows side with the given label, so
their vote v stands beside the score as + c v. The null is e = f = 0. The likelihood
ratio of two parameters at their boundary is a mixture of 1/4 chi2(0), 1/2 chi2(1) and 1/4 chi2(2) (Self and Liang
1987). The floors are the anchor point estimate of the noise matrix (Patrini et al. 2017) without choosing anchors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from melior.data.table import Floats, Labels

MOST_ROWS = 8_000  # a curve of five numbers needs no more
LOGIT_END = 12.0
PULL = 1e-3
UNEVEN = 0.15  # of two classes: how far their floors are expected to differ (standard deviation of a normal prior)
FEWEST = 15  # rows of a class, for a curve of its own


@dataclass(frozen=True)
class Curve:
    """Fitted for one class. `missed` is e, `false` is f; p is that of e = f = 0."""

    missed: float
    false: float
    place: float
    steepness: float
    tail: float
    vote: float
    likelihood_ratio: float
    p: float

    def clean(self, scores: Floats, votes: Floats) -> Floats:
        """P(the true class is this | score, votes), without the noise."""
        warped = np.sign(_logit(scores)) * np.abs(_logit(scores)) ** self.tail
        found: Floats = special.expit(self.place + self.steepness * warped + self.vote * votes)
        return found


def _logit(scores: Floats) -> Floats:
    found: Floats = np.clip(special.logit(np.clip(scores, 1e-9, 1 - 1e-9)), -LOGIT_END, LOGIT_END)
    return found


def fit_curve(scores: Floats, votes: Floats, given: Floats, classes: int, generator: np.random.Generator) -> Curve:
    """scores (rows,) out-of-fold probability of the class; votes (rows,) logit of the class's share among neighbours;
    given (rows,) 1 where the label is the class; classes, how many there are, which bounds the floors: labels that are
    wrong so often that the curve would fall cannot be told from labels that are right."""
    if len(scores) > MOST_ROWS:
        picked = generator.choice(len(scores), MOST_ROWS, replace=False)
        scores, votes, given = scores[picked], votes[picked], given[picked]
    logits = _logit(scores)
    sign, logs = np.sign(logits), np.log(np.maximum(np.abs(logits), 1e-12))

    def loss(values: Floats) -> tuple[float, Floats]:
        place, log_steep, tail, vote, missed, false = values
        steep, warped = np.exp(log_steep), sign * np.exp(tail * logs)
        inner = special.expit(place + steep * warped + vote * votes)
        p = np.clip(false + (1 - missed - false) * inner, 1e-10, 1 - 1e-10)
        value = -(given * np.log(p) + (1 - given) * np.log1p(-p)).sum()
        by_p = (p - given) / (p * (1 - p))
        by_inner = by_p * (1 - missed - false) * inner * (1 - inner)
        by_steep = (by_inner * steep * warped).sum()
        by_tail = (by_inner * steep * warped * logs).sum()
        by_floors = [-(by_p * inner).sum(), (by_p * (1 - inner)).sum()]
        gradient = np.array([by_inner.sum(), by_steep, by_tail, (by_inner * votes).sum(), *by_floors])
        # a weak pull to the scores as they are keeps separable classes from running to infinity
        pull = np.array([place, log_steep, tail - 1.0, vote, 0.0, 0.0])
        uneven = (missed - false) / UNEVEN if classes == 2 else 0.0
        gradient[4:] += np.array([1.0, -1.0]) * uneven / UNEVEN
        return float(value + PULL * (pull**2).sum() + 0.5 * uneven**2), gradient + 2 * PULL * pull

    def fit(start: tuple[float, ...], most: tuple[float, float]) -> optimize.OptimizeResult:
        ends = [(-15.0, 15.0), (-4.0, 4.0), (0.3, 1.5), (0.0, 5.0), (0.0, most[0]), (0.0, most[1])]
        return optimize.minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=ends)

    most = (0.49, 0.49) if classes == 2 else (0.6, 0.38)
    honest = fit((0.0, 0.0, 1.0, 0.2, 0.0, 0.0), (0.0, 0.0))
    starts = [(*honest.x[:4], 0.01, 0.01), (0.0, 0.5, 1.0, 0.3, 0.1, 0.05), (0.0, 1.5, 0.7, 0.0, 0.2, 0.2)]
    best = min((fit(start, most) for start in starts), key=lambda found: float(found.fun))
    ratio = max(0.0, float(2 * (honest.fun - best.fun)))
    p = float(0.5 * stats.chi2.sf(ratio, 1) + 0.25 * stats.chi2.sf(ratio, 2)) if ratio > 0 else 1.0
    place, log_steep, tail, vote, missed, false = (float(value) for value in best.x)
    return Curve(missed, false, place, float(np.exp(log_steep)), tail, vote, ratio, p)


def votes_of(neighbours: NDArray[np.int64], labels: Labels, classes: int) -> Floats:
    """(rows, classes) logit of each class's share among the labelled neighbours, half a vote added to each side."""
    theirs = labels[neighbours]  # (rows, k)
    known = (theirs >= 0).sum(axis=1)
    counts = np.stack([(theirs == k).sum(axis=1) for k in range(classes)], axis=1)
    found: Floats = np.log((counts + 0.5) / (known[:, None] - counts + 0.5 * (classes - 1)))
    return found


@dataclass(frozen=True)
class Noise:
    """matrix (classes, classes): P(given g | true t) in row t; rate: share of wrong labels; p that there is no floor;
    wrong (rows,): P(the given label is wrong), 0 where there is no label; doubt (rows,): the order in which to look at
    rows, 0..1: the logit of `wrong` and twice that of 1 - P(given label) by the model, averaged. Where few labels are
    wrong the floors are uncertain and the model's own doubt ranks better, where many are the floors do; the weights
    were set on generated tables."""

    matrix: Floats
    rate: float
    p: float
    wrong: Floats
    doubt: Floats


def estimate_noise(
    scores: Floats, labels: Labels, neighbours: NDArray[np.int64], classes: int, generator: np.random.Generator
) -> Noise | None:
    """Curves of all classes with at least FEWEST rows, joined to one noise matrix; None where no class has so many."""
    rows = np.flatnonzero(labels >= 0)
    given = labels[rows]
    votes = votes_of(neighbours[rows], labels, classes)
    kept = np.clip(scores[rows], 1e-9, 1.0)
    counts = np.bincount(given, minlength=classes)
    fitted = [k for k in range(classes) if counts[k] >= FEWEST and counts[k] <= len(rows) - FEWEST]
    if classes == 2:
        fitted = fitted[-1:]
    if not fitted:
        return None
    curves = {
        k: fit_curve(kept[:, k], votes[:, k], (given == k).astype(np.float64), classes, generator) for k in fitted
    }
    clean = kept.copy()  # (rows, classes) P(true class), noise taken out
    missed = np.zeros(classes)
    for k, curve in curves.items():
        clean[:, k] = curve.clean(kept[:, k], votes[:, k])
        missed[k] = curve.missed
    if classes == 2:
        k = fitted[0]
        clean[:, 1 - k] = 1 - clean[:, k]
        missed[1 - k] = curves[k].false
    clean /= clean.sum(axis=1, keepdims=True)
    matrix = joined(clean, given, missed)
    rate = float(clean.mean(axis=0) @ missed)
    # a floor that was not seen is small, not impossible: one row more in each class, so that every row has its place
    ranking = joined(clean, given, (missed * counts + 1) / (counts + 2))
    likely = np.einsum("il,li->i", clean, ranking[:, given])
    wrong = np.zeros(len(labels))
    picked = np.arange(len(given))
    wrong[rows] = 1 - clean[picked, given] * ranking[given, given] / np.maximum(likely, 1e-12)
    wrong = np.clip(wrong, 0.0, 1.0)
    doubt = np.zeros(len(labels))
    doubt[rows] = special.expit((_logit(wrong[rows]) + 2 * _logit(1 - kept[picked, given])) / 3)
    return Noise(matrix, rate, together([curve.p for curve in curves.values()]), wrong, doubt)


def together(values: list[float]) -> float:
    """One p for several that depend on each other (Cauchy combination, Liu and Xie 2020)."""
    mean = np.mean(np.tan((0.5 - np.clip(values, 1e-15, 0.99)) * np.pi))
    return float(stats.cauchy.sf(mean))


def joined(clean: Floats, given: Labels, missed: Floats) -> Floats:
    """The noise matrix with this share missed in each class. Where the missed go comes from the regression of the
    given labels on the clean probabilities: E[given = g | x] = sum over t of P(t | x) P(g | t)."""
    classes = clean.shape[1]
    onehot = np.eye(classes)[given]
    went = np.linalg.lstsq(clean.T @ clean + 1e-6 * np.eye(classes), clean.T @ onehot, rcond=None)[0]
    went = np.maximum(went, 0.0) + 1e-6
    np.fill_diagonal(went, 0.0)
    matrix: Floats = missed[:, None] * went / went.sum(axis=1, keepdims=True)
    np.fill_diagonal(matrix, 1 - missed)
    return matrix
