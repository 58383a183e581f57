"""What a metric is, and how one is made of sums over rows that several metrics share.

Truth is a table of label weights, (rows, classes): one-hot for ordinary labels, multiplied by the weight of the row
where rows have one, and signed numbers where noisy labels were corrected (`melior.metrics.noise`). Every metric is a
ratio of sums that are linear (or, for ranks, bilinear) in these weights, so all three kinds go through the same code.

A metric names its `Part`s, the sums that it needs, and combines them. Parts compare equal by what they are, so a pass
over many metrics computes each part once: all metrics of answers share one confusion table, and the macro average of
an area shares the areas of the classes with the metrics of single classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from melior.errors import UserError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Kernel = Callable[[Floats], Floats]  # counts (resamples, rows) -> values (resamples, ...)

NOTHING = 1e-12  # a sum of label weights up to here is what rounding leaves where signed weights cancel
CHUNK = 1 << 17  # numbers of one block of counts: small enough for the cache, large enough to hide Python


class Part(ABC):
    """A sum over rows that metrics share. Subclasses are frozen dataclasses, equal when they are the same sum."""

    @abstractmethod
    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        """Sort and multiply once; the kernel returned is then called for block after block of counts."""

    def __hash__(self) -> int:
        return hash((type(self), *self._key()))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Part) and self._key() == other._key()

    def _key(self) -> tuple[Hashable, ...]:
        return ()


@dataclass(frozen=True)
class Metric(ABC):
    """One number for how good answers or scores are.

    name               as it stands in a recipe: "macro_f1", "recall[rare]"
    title              the same in plain English
    needs              "answers" (class codes) or "scores" (probabilities)
    greater_is_better  False for losses
    low, high          the range; results are clipped to it
    slow               asked anew for each draw of the rows, so that fewer draws are made
    """

    name: str
    title: str

    needs: ClassVar[Literal["answers", "scores"]] = "answers"
    greater_is_better: ClassVar[bool] = True
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0
    slow: ClassVar[bool] = False

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """The sums that this metric is made of."""

    @abstractmethod
    def combine(self, values: Sequence[Floats]) -> Floats:
        """The metric, (resamples,), from the values of its parts, each (resamples, ...); nan where undefined."""

    def proportion(self, cells: Floats) -> tuple[float, float] | None:
        """(successes, trials) where the metric is a share of rows, None where it is not. cells (truth, answer)."""
        return None

    @property
    def noise(self) -> "Metric | None":
        """For a sum of absolute values, which noise raises: the same of the distances from the rows given."""
        return None

    def measure(self, truth: ArrayLike, scores: ArrayLike | None, answers: ArrayLike) -> float:
        """The metric of these rows. truth (rows, classes), scores (rows, classes), answers (rows,); of several labels
        a row, answers (rows, labels)."""
        rows = len(np.asarray(answers))
        return float(self.measure_resampled(truth, scores, answers, np.ones((1, rows)))[0])

    def measure_resampled(
        self, truth: ArrayLike, scores: ArrayLike | None, answers: ArrayLike, counts: ArrayLike
    ) -> Floats:
        """The metric of every resample, (resamples,).

        counts (resamples, rows): how often each row is drawn, of any number type. Worked through in blocks, so that
        memory beyond `counts` stays within a few megabytes. Equal to `measure` on the rows repeated so often.
        """
        data = Predictions(truth, scores, answers)
        counts = np.asarray(counts)
        step = block_length(data.truth.shape[0], data.truth.shape[1])
        blocks = (counts[start : start + step] for start in range(0, len(counts), step))
        found: Floats = evaluate([self], data, blocks)[0]
        return found

    def gain(self, difference: float) -> float:
        """The difference of two values with its sign set so that positive is better."""
        return difference if self.greater_is_better else -difference


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was true and what was said, row by row.

    truth    (rows, classes) label weights
    scores   (rows, classes) probabilities, None where the model only answers
    answers  (rows,) class codes; the likeliest class where None is given. (rows, labels) of 0 and 1 where a row may
             have several labels: then truth is 0 or 1 too, and each score is a probability by itself
    groups   (rows,) of anything comparable: rows of one group are drawn together; None for independent rows

    >>> Predictions.of([0, 1], [[0.9, 0.1], [0.6, 0.4]]).answers.tolist()
    [0, 0]
    """

    truth: Floats
    scores: Floats | None
    answers: Codes
    groups: NDArray[Any] | None = None

    def __init__(
        self, truth: ArrayLike, scores: ArrayLike | None, answers: ArrayLike | None, groups: ArrayLike | None = None
    ) -> None:
        truth = np.asarray(truth, dtype=np.float64)
        if truth.ndim != 2:
            raise UserError(
                "Truth must be a table of label weights, (rows, classes); one_hot makes one of class codes."
            )
        if scores is not None:
            scores = np.asarray(scores, dtype=np.float64)
            if scores.shape != truth.shape:
                raise UserError(f"Scores are {scores.shape}, truth is {truth.shape}: both must be (rows, classes).")
        if answers is None:
            if scores is None:
                raise UserError("There are neither answers nor scores: give at least one of them.")
            answers = scores.argmax(axis=1)
        answers = np.asarray(answers, dtype=np.int64)
        if answers.ndim == 2:
            if answers.shape != truth.shape:
                raise UserError(f"Answers are {answers.shape}, truth is {truth.shape}: both must be (rows, labels).")
            if any(((given != 0) & (given != 1)).any() for given in (answers, truth)):
                raise UserError("Where a row may have several labels, truth and answers must be 0 or 1.")
        elif answers.shape != truth.shape[:1]:
            raise UserError(f"There are {answers.size} answers for {len(truth)} rows.")
        elif answers.size and not 0 <= answers.min() <= answers.max() < truth.shape[1]:
            raise UserError(f"Answers must be class codes from 0 to {truth.shape[1] - 1}.")
        groups = None if groups is None else np.asarray(groups)
        if groups is not None and groups.shape != truth.shape[:1]:
            raise UserError(f"There are {groups.size} groups for {len(truth)} rows.")
        for field, value in (("truth", truth), ("scores", scores), ("answers", answers), ("groups", groups)):
            object.__setattr__(self, field, value)

    @classmethod
    def of(
        cls,
        codes: ArrayLike,
        scores: ArrayLike,
        *,
        answers: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> "Predictions":
        """From class codes (rows,) and probabilities (rows, classes); weights (rows,) multiply the truth."""
        scores = np.asarray(scores, dtype=np.float64)
        return cls(one_hot(codes, scores.shape[1], weights), scores, answers, groups)

    @property
    def rows(self) -> int:
        return int(self.truth.shape[0])

    @property
    def classes(self) -> int:
        return int(self.truth.shape[1])

    @property
    def multilabel(self) -> bool:
        """Whether a row may have several labels."""
        return self.answers.ndim == 2

    def with_groups(self, groups: ArrayLike | None) -> "Predictions":
        """The same rows in these groups; None keeps the groups that are there."""
        return self if groups is None else replace(self, groups=np.asarray(groups))


@dataclass(frozen=True)
class Family:
    """What a file of metrics offers: a name, a maker, and whether it exists overall, for each class, or both.

    make(classes, None) gives the overall metric, make(classes, code) that of one class.
    """

    name: str
    make: Callable[[Sequence[str], int | None], Metric]
    overall: bool = True
    per_class: bool = False


def one_hot(codes: ArrayLike, classes: int, weights: ArrayLike | None = None) -> Floats:
    """Truth of ordinary labels, (rows, classes): 1 (or the row's weight) at the class, 0 elsewhere.

    >>> one_hot([1, 0], 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    codes = np.asarray(codes, dtype=np.int64)
    if codes.size and not 0 <= codes.min() <= codes.max() < classes:
        raise UserError(f"Class codes must lie between 0 and {classes - 1}; found {codes.min()} to {codes.max()}.")
    truth = np.zeros((len(codes), classes))
    truth[np.arange(len(codes)), codes] = 1.0 if weights is None else np.asarray(weights, dtype=np.float64)
    return truth


def block_length(rows: int, classes: int = 1) -> int:
    """How many resamples are worked on at once."""
    return max(1, CHUNK // max(1, rows, classes * classes))


def prepare(metrics: Sequence[Metric], data: Predictions) -> Kernel:
    """A function from counts (resamples, rows) to every metric, (metrics, resamples); shared parts computed once."""
    for metric in metrics:
        if metric.needs == "scores" and data.scores is None:
            raise UserError(f"{metric.name} needs probabilities, and this model gives answers only; take macro_f1.")
    parts = dict.fromkeys(part for metric in metrics for part in metric.parts)
    kernels = {part: part.prepare(data.truth, data.scores, data.answers) for part in parts}

    def kernel(counts: Floats) -> Floats:
        values = {part: part_kernel(counts) for part, part_kernel in kernels.items()}
        return np.stack([metric.combine([values[part] for part in metric.parts]) for metric in metrics])

    return kernel


def evaluate(metrics: Sequence[Metric], data: Predictions, blocks: Iterable[NDArray[Any]]) -> Floats:
    """Every metric on every resample, (metrics, resamples). blocks: counts, each (some resamples, rows)."""
    kernel = prepare(metrics, data)
    found = [kernel(np.asarray(block, dtype=np.float64)) for block in blocks]
    return np.concatenate(found, axis=1) if found else np.empty((len(metrics), 0))


def divide(above: Floats, below: Floats, otherwise: float) -> Floats:
    """above / below, and `otherwise` wherever below is not positive, rounding allowed for."""
    above, below = np.broadcast_arrays(above, below)
    found: Floats = np.divide(above, below, out=np.full(above.shape, otherwise), where=below > NOTHING)
    return found


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not nan; nan where nothing is left."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64), np.nan)
