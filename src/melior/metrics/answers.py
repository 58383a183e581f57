"""Metrics of answers: accuracy, balanced accuracy, precision, recall and F1. All come from the confusion table.

The confusion table is C[t, a] = sum over rows answered a of the label weight of class t. With signed label weights it
is the unbiased estimate of the table that true labels would give (Natarajan et al., Learning with Noisy Labels, 2013).

Averages are over all classes that the model knows, which is scikit-learn's `labels=all classes, zero_division=0`: a
class that neither occurs nor is answered scores 0 and counts. So a macro average means the same on every fold.
Sokolova and Lapalme, A systematic analysis of performance measures for classification tasks, 2009.

>>> from melior.metrics import metric, one_hot
>>> truth = one_hot([0, 0, 1, 1], 2)
>>> metric("accuracy", ["no", "yes"]).measure(truth, None, [0, 0, 1, 0])
0.75
>>> metric("recall[yes]", ["no", "yes"]).measure(truth, None, [0, 0, 1, 0])
0.5
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from melior.metrics._base import Codes, Family, Floats, Kernel, Metric, Part, divide, mean_of_defined

# (rows answered right, rows answered so, rows that are so) -> the score, all (..., classes) or of one class (...)
Score = Callable[[Floats, Floats, Floats], Floats]


class Cells(Part):
    """The confusion tables of the resamples, (resamples, truth, answer)."""

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        classes = truth.shape[1]
        order = np.argsort(answers, kind="stable")
        sorted_truth = np.ascontiguousarray(truth[order])
        ends = np.searchsorted(answers[order], np.arange(classes + 1))

        def kernel(counts: Floats) -> Floats:
            counts = counts.take(order, axis=1)
            cells = np.zeros((len(counts), classes, classes))
            for answer, (start, end) in enumerate(pairwise(ends)):
                if start < end:
                    cells[:, :, answer] = counts[:, start:end] @ sorted_truth[start:end]
            return cells

        return kernel


@dataclass(frozen=True)
class AnswerMetric(Metric):
    """A metric that is a function of the confusion table."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Cells(),)

    def combine(self, values: Sequence[Floats]) -> Floats:
        return np.clip(self.from_cells(values[0]), self.low, self.high)

    @abstractmethod
    def from_cells(self, cells: Floats) -> Floats:
        """The metric, (...,), of confusion tables (..., truth, answer)."""


@dataclass(frozen=True)
class Accuracy(AnswerMetric):
    """Share of rows that are answered right: sum_k C[k, k] / sum C. 0..1."""

    def from_cells(self, cells: Floats) -> Floats:
        return divide(np.trace(cells, axis1=-2, axis2=-1), cells.sum(axis=(-2, -1)), np.nan)

    def proportion(self, cells: Floats) -> tuple[float, float] | None:
        return float(np.trace(cells)), float(cells.sum())


@dataclass(frozen=True)
class BalancedAccuracy(AnswerMetric):
    """Mean recall of the classes that occur in the truth: each class counts the same. 0..1.

    Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.
    """

    def from_cells(self, cells: Floats) -> Floats:
        return mean_of_defined(divide(diagonal(cells), cells.sum(axis=-1), np.nan))


@dataclass(frozen=True)
class ClassMetric(AnswerMetric):
    """Precision, recall or F1 of one class. 0..1, and 0 where the denominator is 0."""

    score: Score
    code: int

    def from_cells(self, cells: Floats) -> Floats:
        code = self.code
        return self.score(cells[..., code, code], cells[..., :, code].sum(axis=-1), cells[..., code, :].sum(axis=-1))

    def proportion(self, cells: Floats) -> tuple[float, float] | None:
        if self.score is f1 or not cells.any():
            return None
        trials = cells[self.code] if self.score is recall else cells[:, self.code]
        return float(cells[self.code, self.code]), float(trials.sum())


@dataclass(frozen=True)
class MacroMetric(AnswerMetric):
    """Plain mean of precision, recall or F1 over all classes. 0..1."""

    score: Score

    def from_cells(self, cells: Floats) -> Floats:
        return np.where(cells.sum(axis=(-2, -1)) > 0, of_classes(self.score, cells).mean(axis=-1), np.nan)


@dataclass(frozen=True)
class WeightedMetric(AnswerMetric):
    """Mean of precision, recall or F1 over the classes, each weighted with its rows in the truth. 0..1."""

    score: Score

    def from_cells(self, cells: Floats) -> Floats:
        support = cells.sum(axis=-1)
        return divide((of_classes(self.score, cells) * support).sum(axis=-1), support.sum(axis=-1), np.nan)


def diagonal(cells: Floats) -> Floats:
    """(..., classes) of (..., classes, classes)."""
    return np.diagonal(cells, axis1=-2, axis2=-1)


def of_classes(score: Score, cells: Floats) -> Floats:
    """The score of every class, (..., classes), of confusion tables (..., truth, answer)."""
    return score(diagonal(cells), cells.sum(axis=-2), cells.sum(axis=-1))


def precision(right: Floats, answered: Floats, support: Floats) -> Floats:
    """Of the rows answered so, the share that is so: right / answered, 0 for 0 / 0."""
    return np.clip(divide(right, answered, 0.0), 0.0, 1.0)


def recall(right: Floats, answered: Floats, support: Floats) -> Floats:
    """Of the rows that are so, the share answered so: right / support, 0 for 0 / 0."""
    return np.clip(divide(right, support, 0.0), 0.0, 1.0)


def f1(right: Floats, answered: Floats, support: Floats) -> Floats:
    """Harmonic mean of precision and recall: 2 right / (answered + support), 0 for 0 / 0."""
    return np.clip(divide(2 * right, answered + support, 0.0), 0.0, 1.0)


def _families(word: str, title: str, score: Score) -> tuple[Family, ...]:
    def macro(classes: Sequence[str], code: int | None) -> Metric:
        return MacroMetric(f"macro_{word}", f"{title}, mean over the classes", score)

    def micro(classes: Sequence[str], code: int | None) -> Metric:
        return Accuracy(f"micro_{word}", f"{title} over all rows (with one label a row, this is accuracy)")

    def weighted(classes: Sequence[str], code: int | None) -> Metric:
        return WeightedMetric(f"weighted_{word}", f"{title}, mean over the classes by their rows", score)

    def single(classes: Sequence[str], code: int | None) -> Metric:
        assert code is not None
        return ClassMetric(f"{word}[{classes[code]}]", f"{title} of {classes[code]}", score, code)

    return (
        Family(f"macro_{word}", macro),
        Family(f"micro_{word}", micro),
        Family(f"weighted_{word}", weighted),
        Family(word, single, overall=False, per_class=True),
    )


METRICS = (
    Family("accuracy", lambda classes, code: Accuracy("accuracy", "share of rows answered right")),
    Family(
        "balanced_accuracy",
        lambda classes, code: BalancedAccuracy("balanced_accuracy", "recall, mean over the classes that occur"),
    ),
    *_families("f1", "F1", f1),
    *_families("precision", "precision", precision),
    *_families("recall", "recall", recall),
)
