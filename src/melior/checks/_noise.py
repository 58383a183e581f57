"""A floor under the disagreement between labels and model: what wrong labels leave, and honest overlap does not.

Where classes overlap, given label and prediction disagree near the boundary, and ever less the surer the model is.
Where labels are wrong, a share of them disagrees however sure the model is. So one model of all classes

    P(true label = k | x) = softmax over k of (a[k] + b sign(s[k]) |s[k]|**g + c v[k])
    P(given label = k | x) = (1 - e[k]) P(true = k | x) + sum over t not k of e[t] w[t, k] P(true = t | x)

is fitted to out-of-fold scores by maximum likelihood: s is the logarithm of the score less its mean over the classes,
e[t] = P(label is not t | t is true), and w[t, k] the share of those that go to k, which is tried in two ways: anywhere,
and where the surest rows with another label went. a, b and g leave the honest part free in place, steepness and tails.
A model that is too simple is surely wrong about whole regions, and that looks like a floor too; there the labels of the
nearest rows side with the given label, so the logarithms of their votes v stand beside the scores.

The null is e = 0. It is held against floors that differ from class to class no more than a normal prior of standard
deviation UNEVEN around their mean allows, so that they count as two parameters: at their boundary the likelihood ratio
is a mixture of 1/4 chi2(0), 1/2 chi2(1) and 1/4 chi2(2) (Self and Liang 1987). A tail of power g well below 1 is nearly
a floor and hides it; on clean generated tables g is mostly between 0.6 and 1.3, so it has a normal prior around 1. The
floors are the anchor point estimate of the noise matrix (Patrini et al. 2017) without choosing anchors.

A small p says that floors explain the labels better, not how likely they are. The odds for floors are at most
1 / (-e p log p) times what they were before (Sellke, Bayarri and Berger 2001), and were PRIOR.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from melior.data.table import Floats, Labels

MOST_ROWS, MOST_CELLS, FEWEST_FITTED = 8_000, 400_000, 1_000  # so few numbers need no more rows
LOG_END = 12.0
SPREADS = {"place": 1.0, "steepness": 2.0, "tail": 0.25, "votes": 3.0}  # standard deviations of the normal priors
UNEVEN = 0.15  # how far floors are expected to differ
MOST_OF_TWO = 0.49  # labels of two classes that are wrong more often cannot be told from labels that are right
FEWEST = 15  # rows of a class, for a floor to be seen
PRIOR = 0.1  # share of tables with wrong labels that a model could see


@dataclass(frozen=True)
class Mixed:
    """The model fitted to one table. missed (classes,) is e; p is that of no floor in any class."""

    place: Floats
    steepness: float
    tail: float
    vote: float
    missed: Floats
    p: float

    def clean(self, scores: Floats, votes: Floats) -> Floats:
        """(rows, classes) P(the true class | scores, votes), both (rows, classes), without the noise."""
        sign, logs = _sides(scores)
        logits = self.place + self.steepness * sign * np.exp(self.tail * logs) + self.vote * _centred(votes)
        found: Floats = special.softmax(logits, axis=1)
        return found


class _Likelihood:
    """Minus the log likelihood, with its priors and its gradient; values are a, log b, g, c, and e (one or all)."""

    def __init__(self, scores: Floats, votes: Floats, given: Labels) -> None:
        self.rows, self.classes = scores.shape
        self.seen = np.bincount(given, minlength=self.classes) >= FEWEST
        self.sign, self.logs = _sides(scores)
        self.votes, self.given = _centred(votes), given
        self.place = np.arange(self.rows), given
        self.goes(_anywhere(self.classes))

    def goes(self, went: Floats) -> None:
        """Sets where labels go that are missed: went (classes, classes), rows of sum 1, nothing on the diagonal."""
        self.went = went[:, self.given].T  # (rows, classes) share of class t's missed labels that get this label

    def __call__(self, values: Floats) -> tuple[float, Floats]:
        k = self.classes
        place, (log_steep, tail, vote), floors = values[:k], values[k : k + 3], values[k + 3 :]
        missed = np.broadcast_to(floors, k) if len(floors) == 1 else floors
        warped = np.exp(log_steep) * self.sign * np.exp(tail * self.logs)
        true = special.softmax(place + warped + vote * self.votes, axis=1)
        by_true = missed * self.went  # of P(given label); the gradient comes from these
        by_true[self.place] = 1 - missed[self.given]
        likely = np.maximum((true * by_true).sum(axis=1), 1e-12)
        by_missed = self.went.copy()
        by_missed[self.place] = -1.0
        by_missed = -(true * by_missed / likely[:, None]).sum(axis=0)
        by_true *= (-1 / likely)[:, None]
        by_logit = true * (by_true - (by_true * true).sum(axis=1, keepdims=True))
        by_shape = [(by_logit * part).sum() for part in (warped, warped * self.logs, self.votes)]
        spread = np.array([*[SPREADS["place"]] * k, SPREADS["steepness"], SPREADS["tail"], SPREADS["votes"]])
        off = (values[: k + 3] - np.array([*[0.0] * (k + 1), 1.0, 0.0])) / spread
        value = -np.log(likely).sum() + 0.5 * (off**2).sum()
        by_floors = np.array([by_missed.sum()])
        if len(floors) > 1:
            apart = np.where(self.seen, floors - floors[self.seen].mean(), 0.0) / UNEVEN
            value += 0.5 * (apart**2).sum()
            by_floors = by_missed + apart / UNEVEN
        return float(value), np.concatenate([by_logit.sum(axis=0), by_shape, by_floors]) + np.concatenate(
            [off / spread, np.zeros(len(floors))]
        )

    def fit(self, start: Floats, most: float) -> optimize.OptimizeResult:
        ends = [(-8.0, 8.0)] * self.classes + [(-4.0, 4.0), (0.3, 1.6), (0.0, 6.0)]
        if len(start) == len(ends) + 1:
            ends.append((0.0, most))
        else:
            ends += [(0.0, most if seen else 0.0) for seen in self.seen]
        return optimize.minimize(self, start, jac=True, method="L-BFGS-B", bounds=ends)


def fit_mixed(
    scores: Floats, votes: Floats, given: Labels, generator: np.random.Generator, weight: float = 1.0
) -> Mixed:
    """scores (rows, classes) out-of-fold probabilities; votes (rows, classes) logit of the class's share among the
    neighbours; given (rows,) the label's number; weight: the part of the log likelihood ratio that counts, 0..1."""
    classes = scores.shape[1]
    most_rows = max(FEWEST_FITTED, min(MOST_ROWS, MOST_CELLS // classes))
    if len(scores) > most_rows:
        picked = generator.choice(len(scores), most_rows, replace=False)
        scores, votes, given = scores[picked], votes[picked], given[picked]
    loss = _Likelihood(scores, votes, given)
    most = MOST_OF_TWO if classes == 2 else 0.9 * (classes - 1) / classes
    plain = np.zeros(classes)
    honest = loss.fit(np.array([*plain, 0.0, 1.0, 0.2, 0.0]), 0.0)
    best = honest
    ways = [_anywhere(classes)] if classes == 2 else [_anywhere(classes), _seen_to_go(scores, given)]
    for went in ways:
        loss.goes(went)
        starts = [np.array([*honest.x[:-1], 0.02]), np.array([*plain, 0.7, 1.0, 0.3, 0.2])]
        alike = min((loss.fit(start, most) for start in starts), key=lambda found: float(found.fun))
        apart = loss.fit(np.array([*alike.x[:-1], *[max(alike.x[-1], 0.01)] * classes]), most)
        best = apart if best is honest else min(best, apart, key=lambda found: float(found.fun))
    ratio = max(0.0, float(2 * weight * (honest.fun - best.fun)))
    p = float(0.5 * stats.chi2.sf(ratio, 1) + 0.25 * stats.chi2.sf(ratio, 2)) if ratio > 0 else 1.0
    place, (log_steep, tail, vote) = best.x[:classes], best.x[classes : classes + 3]
    missed = best.x[classes + 3 :]
    return Mixed(place, float(np.exp(log_steep)), float(tail), float(vote), missed, min(1.0, len(ways) * p))


def _anywhere(classes: int) -> Floats:
    found: Floats = (1 - np.eye(classes)) / (classes - 1)
    return found


def _seen_to_go(scores: Floats, given: Labels) -> Floats:
    """Where labels go in the surer half of the rows of each likeliest class, FEWEST rows more going anywhere: without
    them, five labels that happen to be alike would be taken for a habit."""
    classes = scores.shape[1]
    found = FEWEST * _anywhere(classes)
    likeliest, height = scores.argmax(axis=1), scores.max(axis=1)
    for k in range(classes):
        own = np.flatnonzero(likeliest == k)
        if len(own):
            surer = own[height[own] >= np.median(height[own])]
            found[k] += np.bincount(given[surer], minlength=classes)
    np.fill_diagonal(found, 0.0)
    found /= found.sum(axis=1, keepdims=True)
    return found


def _sides(scores: Floats) -> tuple[Floats, Floats]:
    """Sign and log of the absolute value of each log score less the row's mean."""
    logs = np.log(np.clip(scores, 1e-9, 1.0))
    centred = np.clip(_centred(logs), -LOG_END, LOG_END)
    return np.sign(centred), np.log(np.maximum(np.abs(centred), 1e-12))


def _centred(values: Floats) -> Floats:
    found: Floats = values - values.mean(axis=1, keepdims=True)
    return found


@dataclass(frozen=True)
class Curve:
    """One class against the rest: `missed` is P(label is not it | it is), `false` P(label is it | it is not)."""

    missed: float
    false: float
    p: float


def fit_curve(scores: Floats, votes: Floats, given: Floats, classes: int, generator: np.random.Generator) -> Curve:
    """scores (rows,) out-of-fold probability of the class; votes (rows,) logit of the class's share among neighbours;
    given (rows,) 1 where the label is the class; classes: of the table, which changes nothing for one of them."""
    assert classes >= 2
    two = np.stack([1 - scores, scores], axis=1)
    mixed = fit_mixed(two, np.stack([-votes, votes], axis=1), given.astype(np.int32), generator)
    return Curve(float(mixed.missed[1]), float(mixed.missed[0]), mixed.p)


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
    sure: P(there is a floor), from p and PRIOR; wrong (rows,): P(the given label is wrong) if there is one, 0 where
    there is no label; doubt (rows,): the order in which to look at rows, 0..1: the logit of `wrong` and twice that of
    1 - P(given label) by the model, averaged. Where few labels are wrong the floors are uncertain and the model's own
    doubt ranks better, where many are the floors do; the weights were set on generated tables. weight: the part of the
    evidence that counted."""

    matrix: Floats
    rate: float
    p: float
    sure: float
    wrong: Floats
    doubt: Floats
    weight: float = 1.0


def estimate_noise(
    scores: Floats,
    labels: Labels,
    neighbours: NDArray[np.int64],
    classes: int,
    generator: np.random.Generator,
    *,
    weight: float = 1.0,
) -> Noise | None:
    """The noise matrix, and what it says of each row; None where fewer than two classes have FEWEST rows.

    weight: the part of the evidence that counts, 0..1, below 1 where the model of honest labels is known to be wrong (a
    likelihood to a power: Holmes and Walker 2017).
    """
    rows = np.flatnonzero(labels >= 0)
    given = labels[rows]
    votes = votes_of(neighbours[rows], labels, classes)
    kept = np.clip(scores[rows], 1e-9, 1.0)
    counts = np.bincount(given, minlength=classes)
    if (counts >= FEWEST).sum() < 2:
        return None
    mixed = fit_mixed(kept, votes, given, generator, weight)
    clean = mixed.clean(kept, votes)
    matrix = joined(clean, given, mixed.missed)
    rate = float(clean.mean(axis=0) @ mixed.missed)
    # a floor that was not seen is small, not impossible: one row more in each class, so that every row has its place
    ranking = joined(clean, given, (mixed.missed * counts + 1) / (counts + 2))
    likely = np.einsum("il,li->i", clean, ranking[:, given])
    wrong = np.zeros(len(labels))
    picked = np.arange(len(given))
    wrong[rows] = 1 - clean[picked, given] * ranking[given, given] / np.maximum(likely, 1e-12)
    wrong = np.clip(wrong, 0.0, 1.0)
    doubt = np.zeros(len(labels))
    doubt[rows] = special.expit((_logit(wrong[rows]) + 2 * _logit(1 - kept[picked, given])) / 3)
    return Noise(matrix, rate, mixed.p, sure(mixed.p), wrong, doubt, weight)


def sure(p: float) -> float:
    """P(there is a floor) by the largest odds that this p allows; PRIOR where p is 1 / e or more."""
    odds = PRIOR / (1 - PRIOR)
    if p < np.exp(-1):
        odds /= -np.e * max(p, 1e-300) * np.log(max(p, 1e-300))
    return float(odds / (1 + odds))


def _logit(scores: Floats) -> Floats:
    found: Floats = np.clip(special.logit(np.clip(scores, 1e-9, 1 - 1e-9)), -LOG_END, LOG_END)
    return found


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
