"""Metrics of answers where a row may have several labels: each label for itself, over labels, and row by row.

Truth and answers are (rows, labels) of 0 and 1. Averages over labels take every label that the model knows, and 0 / 0
is 0, as for classes (`melior.metrics.answers`). Averages over rows, with `sample_` before their name, take every row,
and a row that has no label and is answered with none is right: 1.
Tsoumakas and Katakis, Multi-Label Classification: An Overview, 2007; Zhang and Zhou, A Review on Multi-Label Learning
Algorithms, 2014.

>>> from melior.metrics import metric
>>> truth, answers = [[1, 1], [0, 1], [0, 0]], [[1, 0], [0, 1], [0, 0]]
>>> value = metric("hamming_loss", ["fit", "price"], multilabel=True).measure(truth, None, answers)
>>> round(value, 4)
0.1667
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from melior.metrics._base import Codes, Family, Floats, Kernel, Metric, Part, Predictions, divide
from melior.metrics._bounds import SAME, wilson
from melior.metrics.answers import Score, f1, precision, recall


class Counts(Part):
    """Rows right, rows answered so, and rows that are so, of each label: (resamples, 3, labels)."""

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        from scipy.sparse import csr_matrix, vstack

        labels = truth.shape[1]
        so, said = csr_matrix(truth.T), csr_matrix(answers.T, dtype=np.float64)  # (labels, rows), few of them 1
        sums = vstack([so.multiply(said), said, so], format="csr")

        def kernel(counts: Floats) -> Floats:
            found: Floats = np.asarray(sums @ counts.T).T
            return found.reshape(len(counts), 3, labels)

        return kernel


RowValues = Callable[[Floats, Floats | None, Codes], Floats]  # truth, scores, answers -> (rows,)


@dataclass(frozen=True, eq=False)
class RowMean(Part):
    """The mean over the rows of a value that each row has by itself, (resamples,)."""

    values: RowValues

    def _key(self) -> tuple[object, ...]:
        return (self.values,)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        values = self.values(truth, scores, answers)

        def kernel(counts: Floats) -> Floats:
            return divide(counts @ values, counts.sum(axis=1), np.nan)

        return kernel


@dataclass(frozen=True)
class LabelMetric(Metric):
    """A metric of rows that may have several labels."""

    @abstractmethod
    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        """How far below and above its value it may lie though no resample shows that: of n rows that are all right
        or all wrong, Wilson's interval allows the share z^2 / (n + z^2) to be otherwise. values: of its parts."""

    def shares(self, values: Sequence[Floats], data: Predictions) -> tuple[float, float] | None:
        """(successes, trials) where the metric is a share of rows, None where it is not."""
        return None


@dataclass(frozen=True)
class RowMetric(LabelMetric):
    """The mean of a value of each row."""

    values: RowValues

    @property
    def parts(self) -> tuple[Part, ...]:
        return (RowMean(self.values),)

    def combine(self, values: Sequence[Floats]) -> Floats:
        return np.clip(values[0], self.low, self.high)

    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        rows = self.values(data.truth, data.scores, data.answers)
        value = float(rows.mean())
        if float(np.ptp(rows)) > SAME:
            return 0.0, 0.0
        share = unseen_share(units, level)
        return share * (value - self.low), share * (min(self.high, WORST) - value)


@dataclass(frozen=True)
class SubsetAccuracy(RowMetric):
    """Share of rows whose labels are all answered right and no other. 0..1."""

    def shares(self, values: Sequence[Floats], data: Predictions) -> tuple[float, float] | None:
        return float(values[0][0]) * data.rows, float(data.rows)


class RowLoss(RowMetric):
    """The same where smaller is better."""

    greater_is_better: ClassVar[bool] = False


@dataclass(frozen=True)
class CountMetric(LabelMetric):
    """A metric that is a function of `Counts`; score is precision, recall, F1 or Jaccard."""

    score: Score

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Counts(),)

    def combine(self, values: Sequence[Floats]) -> Floats:
        counts = values[0]
        return np.clip(self.from_counts(counts[:, 0], counts[:, 1], counts[:, 2]), self.low, self.high)

    @abstractmethod
    def from_counts(self, right: Floats, answered: Floats, support: Floats) -> Floats:
        """The metric, (...,), of counts (..., labels)."""

    @abstractmethod
    def of_label(self, label: int, right: Floats, answered: Floats, support: Floats, others: Floats) -> Floats:
        """What grows when the metric does and only this label's answers change, of its counts (...,).

        others (3,): the counts of all other labels together."""

    @abstractmethod
    def label_weights(self, support: Floats) -> Floats:
        """(labels,) how much each label counts in the metric; sums to 1."""

    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        right, answered, support = values[0][0]
        scores, weights = self.score(right, answered, support), self.label_weights(support)
        rows = np.maximum(answered, support)
        moved = np.array([unseen_share(min(float(n), units), level) for n in rows]) * weights
        sure = rows > 0  # a label that neither occurs nor is answered says nothing
        down, up = (float(np.sqrt((moved[sure & (scores == end)] ** 2).sum())) for end in (1.0, 0.0))
        return down, up


@dataclass(frozen=True)
class SingleLabel(CountMetric):
    """Precision, recall, F1 or Jaccard of one label. 0..1, and 0 where the denominator is 0."""

    code: int

    def from_counts(self, right: Floats, answered: Floats, support: Floats) -> Floats:
        code = self.code
        return self.score(right[..., code], answered[..., code], support[..., code])

    def of_label(self, label: int, right: Floats, answered: Floats, support: Floats, others: Floats) -> Floats:
        return self.score(right, answered, support) if label == self.code else np.zeros_like(right)

    def label_weights(self, support: Floats) -> Floats:
        return np.asarray(np.arange(len(support)) == self.code, dtype=np.float64)

    def shares(self, values: Sequence[Floats], data: Predictions) -> tuple[float, float] | None:
        right, answered, support = values[0][0][:, self.code]
        if self.score is recall:
            return float(right), float(support)
        return (float(right), float(answered)) if self.score is precision else None


@dataclass(frozen=True)
class MacroLabels(CountMetric):
    """Plain mean over all labels. 0..1."""

    def from_counts(self, right: Floats, answered: Floats, support: Floats) -> Floats:
        return np.asarray(self.score(right, answered, support).mean(axis=-1))

    def of_label(self, label: int, right: Floats, answered: Floats, support: Floats, others: Floats) -> Floats:
        return self.score(right, answered, support)

    def label_weights(self, support: Floats) -> Floats:
        return np.full(len(support), 1 / len(support))


@dataclass(frozen=True)
class WeightedLabels(MacroLabels):
    """Mean over the labels, each weighted with its rows in the truth. 0..1; nan without any label."""

    def from_counts(self, right: Floats, answered: Floats, support: Floats) -> Floats:
        return divide((self.score(right, answered, support) * support).sum(axis=-1), support.sum(axis=-1), np.nan)

    def label_weights(self, support: Floats) -> Floats:
        return divide(support, np.asarray(support.sum()), 0.0)


@dataclass(frozen=True)
class MicroLabels(CountMetric):
    """Over all pairs of a row and a label. 0..1, and 0 where the denominator is 0."""

    def from_counts(self, right: Floats, answered: Floats, support: Floats) -> Floats:
        return self.score(right.sum(axis=-1), answered.sum(axis=-1), support.sum(axis=-1))

    def of_label(self, label: int, right: Floats, answered: Floats, support: Floats, others: Floats) -> Floats:
        return self.score(right + others[0], answered + others[1], support + others[2])

    def label_weights(self, support: Floats) -> Floats:
        return np.zeros(len(support))

    def unseen(self, values: Sequence[Floats], data: Predictions, units: float, level: float) -> tuple[float, float]:
        right, answered, support = values[0][0].sum(axis=1)
        value = float(self.score(right, answered, support))
        share = unseen_share(min(max(answered, support), units), level)
        return share * (value == 1.0), share * (value == 0.0)


WORST = -float(np.log(np.finfo(np.float64).eps))  # of a log loss: sure and wrong


def unseen_share(n: float, level: float) -> float:
    """z^2 / (n + z^2)."""
    return 1 - wilson(n, n, level)[0]


def jaccard(right: Floats, answered: Floats, support: Floats) -> Floats:
    """Of the rows that are so or are answered so, the share that is both; 0 for 0 / 0."""
    return np.clip(divide(right, answered + support - right, 0.0), 0.0, 1.0)


def exact(truth: Floats, scores: Floats | None, answers: Codes) -> Floats:
    return np.asarray((truth == answers).all(axis=1), dtype=np.float64)


def hamming(truth: Floats, scores: Floats | None, answers: Codes) -> Floats:
    return np.asarray((truth != answers).mean(axis=1))


def by_row(score: Score) -> RowValues:
    """The score of each row's labels; 1 where a row has none and is answered with none."""

    def values(truth: Floats, scores: Floats | None, answers: Codes) -> Floats:
        counts = (truth * answers).sum(axis=1), answers.sum(axis=1).astype(np.float64), truth.sum(axis=1)
        return np.where(counts[1] + counts[2] > 0, score(*counts), 1.0)

    return values


def _families(word: str, title: str, score: Score) -> tuple[Family, ...]:
    rows = by_row(score)

    def single(labels: Sequence[str], code: int | None) -> Metric:
        assert code is not None
        return SingleLabel(f"{word}[{labels[code]}]", f"{title} of {labels[code]}", score, code)

    return (
        Family(
            f"macro_{word}", lambda labels, code: MacroLabels(f"macro_{word}", f"{title}, mean over the labels", score)
        ),
        Family(
            f"micro_{word}",
            lambda labels, code: MicroLabels(f"micro_{word}", f"{title} over all pairs of a row and a label", score),
        ),
        Family(
            f"weighted_{word}",
            lambda labels, code: WeightedLabels(
                f"weighted_{word}", f"{title}, mean over the labels by their rows", score
            ),
        ),
        Family(
            f"sample_{word}",
            lambda labels, code: RowMetric(f"sample_{word}", f"{title} of each row's labels, mean over the rows", rows),
        ),
        Family(word, single, overall=False, per_class=True),
    )


MULTILABEL = (
    Family(
        "subset_accuracy",
        lambda labels, code: SubsetAccuracy("subset_accuracy", "share of rows whose labels are all right", exact),
    ),
    Family(
        "hamming_loss",
        lambda labels, code: RowLoss("hamming_loss", "share of wrong answers over all rows and labels", hamming),
    ),
    *_families("f1", "F1", f1),
    *_families("precision", "precision", precision),
    *_families("recall", "recall", recall),
    *_families("jaccard", "Jaccard index", jaccard),
)
