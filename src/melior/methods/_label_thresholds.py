"""Thresholds of labels: where a row may have several, the probability from which each of them is answered."""

import numpy as np
from scipy.special import expit, logit

from melior.data.table import Floats, Labels
from melior.metrics.labels import CountMetric

MOST_CUTS = 512  # of one label
SHRINKS = (0.0, 0.25, 0.5, 0.75, 1.0)
TINY = 1e-9


def best_thresholds(margins: Floats, labels: Labels, weights: Floats, metric: CountMetric, rounds: int = 3) -> Floats:
    """(labels,) borders on the margins (rows, labels), the logarithms of the odds, that maximise a metric of counts.

    Labels are taken in turn, the others staying as they are: exact where the metric is a mean over labels, coordinate
    ascent from 0 where it pools them, until a round changes nothing. weights (rows,). A label without a row that has
    it, or without one that has it not, keeps 0. Lewis, Evaluating and Optimizing Autonomous Text Classification
    Systems, SIGIR 1995; Lipton, Elkan and Narayanaswamy, Optimal Thresholding of Classifiers to Maximize F1, 2014.
    """
    borders = np.zeros(margins.shape[1])
    counts = np.stack([_counts(margins[:, k] >= 0, labels[:, k], weights) for k in range(len(borders))])
    for _ in range(rounds):
        before = borders.copy()
        for label in range(len(borders)):
            others = counts.sum(axis=0) - counts[label]
            borders[label] = _best(margins[:, label], labels[:, label], weights, metric, label, others)
            counts[label] = _counts(margins[:, label] >= borders[label], labels[:, label], weights)
        if np.allclose(borders, before):
            break
    return borders


def _best(margins: Floats, labels: Labels, weights: Floats, metric: CountMetric, label: int, others: Floats) -> float:
    """The border of one label; of equally good stretches between two rows the longest, and the middle of it."""
    if labels.min(initial=1) == labels.max(initial=0):
        return 0.0
    order = np.argsort(-margins, kind="stable")
    ordered = margins[order]
    ends = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])  # rows above each cut
    if len(ends) > MOST_CUTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_CUTS).round().astype(np.int64))]
    right = np.concatenate([[0.0], np.cumsum((weights * labels)[order])])[ends]
    answered = np.concatenate([[0.0], np.cumsum(weights[order])])[ends]
    support = np.full(len(ends), (weights * labels).sum())
    values = metric.gain(1.0) * metric.of_label(label, right, answered, support, others)
    best = np.flatnonzero(values >= values.max() - 1e-12)
    high = np.concatenate([[ordered[0] + 2.0], ordered])[ends]
    low = np.concatenate([ordered, [ordered[-1] - 2.0]])[ends]
    chosen = best[np.argmax(high[best] - low[best])]
    return float((low[chosen] + high[chosen]) / 2)


def _counts(answers: np.ndarray, labels: Labels, weights: Floats) -> Floats:
    """(3,) weights of the rows right, of those answered so, and of those that are so."""
    return np.array([weights @ (answers & (labels > 0)), weights @ answers, weights @ labels], dtype=np.float64)


def steady_thresholds(
    scores: Floats, labels: Labels, weights: Floats, metric: CountMetric, resamples: int, seed: int
) -> Floats:
    """(labels,) thresholds that hold on other rows: the mean over bootstrap resamples of the best borders, times the
    shrinkage (0, 1/4, 1/2, 3/4 or 1) that is best on the rows that a resample left out. One half where nothing is to
    gain. scores, labels (rows, labels).

    Breiman, Bagging Predictors, Machine Learning 1996, for averaging an unsteady choice.
    """
    margins = logit(np.clip(scores, TINY, 1 - TINY))
    random = np.random.default_rng([seed, 91])
    rows = len(margins)
    found, gains = np.zeros((resamples, margins.shape[1])), np.zeros((resamples, len(SHRINKS)))
    for number in range(resamples):
        drawn = np.bincount(random.integers(0, rows, rows), minlength=rows)
        inside, outside = np.flatnonzero(drawn), np.flatnonzero(drawn == 0)
        found[number] = best_thresholds(margins[inside], labels[inside], (weights * drawn)[inside], metric)
        truth, weight = labels[outside], weights[outside]
        for position, shrink in enumerate(SHRINKS):
            answers = margins[outside] >= shrink * found[number]
            counts = [weight @ (answers * truth), weight @ answers, weight @ truth]
            gains[number, position] = metric.gain(1.0) * float(metric.from_counts(*counts))
    left_out = np.nan_to_num(gains).mean(axis=0)
    return np.asarray(expit(SHRINKS[int(left_out.argmax())] * found.mean(axis=0)), dtype=np.float64)
