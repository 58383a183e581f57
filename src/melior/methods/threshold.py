"""Threshold: the probability from which a class is answered, set so that the metric is best; often all that helps."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import HeldOut, Method
from melior.methods._label_thresholds import steady_thresholds
from melior.metrics.answers import AnswerMetric
from melior.metrics.custom import OwnMetric
from melior.metrics.goals import Goal
from melior.metrics.labels import CountMetric
from melior.metrics.registry import metric
from melior.models._base import Model
from melior.predictor import Decision, LabelThresholds, Predictor
from melior.recipe import Recipe

Value = Callable[[Floats], Floats]  # confusion tables (..., truth, answer), larger is better -> (...)

TINY = 1e-12
MOST_CUTS = 512  # of one class, when there are more than two
SHRINKS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Beyond what is best on the rows at hand: where a condition has to hold, the best border just meets it, and on other
# rows it is missed every other time. What is missing counts tenfold there, which a wider border saves.
BEYOND = (1.05, 1.1, 1.2, 1.3, 1.5, 2.0)


def log_scores(scores: Floats) -> Floats:
    return np.log(np.maximum(scores, TINY))


def best_offset(logs: Floats, labels: Labels, weights: Floats, offsets: Floats, number: int, value: Value) -> float:
    """The best offset of one class when those of the others stay.

    logs (rows, classes) log probabilities; labels, weights (rows,); offsets (classes,). A row is answered `number`
    where its offset exceeds max_j(logs_j + offsets_j) - logs_number over the other classes j; sorting the rows by
    that gives the confusion table at every cut, so the optimum is exact (with more than two classes among 512 cuts at
    equal numbers of rows). Of equally good stretches the longest wins, and the middle of it is taken.
    """
    rows, classes = logs.shape
    others = logs + offsets
    others[:, number] = -np.inf
    rival = others.argmax(axis=1)
    needed = others[np.arange(rows), rival] - logs[:, number]
    order = np.argsort(needed, kind="stable")
    needed = needed[order]
    # cut c: the rows before ends[c] are answered `number`
    ends = np.concatenate([[0], np.flatnonzero(np.diff(needed) > 0) + 1, [rows]])
    most = rows + 1 if classes == 2 else MOST_CUTS
    if len(ends) > most:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, most).round().astype(np.int64))]
    moved = np.zeros((len(ends), classes, classes))  # what each stretch between two cuts changes
    stretch = np.searchsorted(ends, np.arange(rows), side="right")
    truth, rival, weight = labels[order], rival[order], weights[order]
    np.add.at(moved, (stretch, truth, np.full(rows, number)), weight)
    np.add.at(moved, (stretch, truth, rival), -weight)
    start = np.zeros((classes, classes))
    np.add.at(start, (truth, rival), weight)
    values = value(start + np.cumsum(moved, axis=0))
    values = np.where(np.isnan(values), -np.inf, values)
    edges = np.concatenate([[needed[0] - 1.0], needed, [needed[-1] + 1.0]])
    low, high = edges[ends], edges[ends + 1]  # any offset in between makes this cut
    best = np.flatnonzero(values >= values.max() - 1e-12)
    chosen = best[np.argmax(high[best] - low[best])]
    return float((low[chosen] + high[chosen]) / 2)


def best_offsets(logs: Floats, labels: Labels, weights: Floats, value: Value, rounds: int = 3) -> Floats:
    """(classes,) offsets, the first 0, that maximise a metric of answers: exact for two classes, else by coordinate
    ascent from zero, each class in turn, until a round changes nothing.

    Narasimhan et al., Consistent Multiclass Algorithms for Complex Performance Measures, ICML 2015.
    """
    classes = logs.shape[1]
    offsets = np.zeros(classes)
    if classes == 2:
        offsets[1] = best_offset(logs, labels, weights, offsets, 1, value)
        return offsets
    reached = float(value(cells_of(logs, labels, weights, offsets)))
    for _ in range(rounds):
        before = reached
        for number in np.argsort(np.bincount(labels, minlength=classes), kind="stable"):
            tried = offsets.copy()
            tried[number] = best_offset(logs, labels, weights, offsets, int(number), value)
            got = float(value(cells_of(logs, labels, weights, tried)))
            if got > reached + 1e-9:
                offsets, reached = tried, got
        if reached <= before + 1e-6:
            break
    return np.asarray(offsets - offsets[0])


def cells_of(logs: Floats, labels: Labels, weights: Floats, offsets: Floats) -> Floats:
    """The confusion table (truth, answer) under these offsets."""
    classes = logs.shape[1]
    answers = (logs + offsets).argmax(axis=1)
    cells = np.bincount(labels * classes + answers, weights=weights, minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), dtype=np.float64)


def steady_offsets(
    logs: Floats,
    labels: Labels,
    weights: Floats,
    value: Value,
    resamples: int,
    seed: int,
    shrinks: Sequence[float] = SHRINKS,
) -> Floats:
    """(classes,) offsets that hold on other rows: the mean over bootstrap resamples of the best offsets, times the
    shrinkage (0, 1/4, 1/2, 3/4 or 1) that is best on the rows that a resample left out. 0 where nothing is to gain.

    Breiman, Bagging Predictors, Machine Learning 1996, for averaging an unsteady choice.
    """
    random = np.random.default_rng([seed, 90])
    rows, classes = logs.shape
    found, gains = np.zeros((resamples, classes)), np.zeros((resamples, len(shrinks)))
    for number in range(resamples):
        drawn = np.bincount(random.integers(0, rows, rows), minlength=rows)
        inside, outside = np.flatnonzero(drawn), np.flatnonzero(drawn == 0)
        found[number] = best_offsets(logs[inside], labels[inside], (weights * drawn)[inside], value)
        for position, shrink in enumerate(shrinks):
            cells = cells_of(logs[outside], labels[outside], weights[outside], shrink * found[number])
            gains[number, position] = value(cells)
    mean: NDArray[Any] = found.mean(axis=0)
    left_out = np.nan_to_num(gains).mean(axis=0)
    return np.asarray(shrinks[int(left_out.argmax())] * mean, dtype=np.float64)


class Threshold(Method):
    """Moves the border between the classes to where the recipe's metric is best on held-out scores. Where a row may
    have several labels, each label has a threshold of its own.

    resamples  5..1000 bootstrap resamples over which the border is averaged, default 50
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    first_for: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Narasimhan et al., Consistent Multiclass Algorithms for Complex Measures, ICML 2015"
    order: ClassVar[int] = 90
    always: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    cost: ClassVar[float] = 4.0

    resamples: Annotated[int, Field(ge=5, le=1000)] = 50

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if recipe.metric == "auto":
            return None
        found = metric(recipe.metric, table.classes, multilabel=table.multilabel)
        if found.needs == "scores":
            other = "" if table.multilabel else "; calibration may help"
            return f"{recipe.metric} is a metric of scores, which no threshold changes{other}"
        if isinstance(found, OwnMetric):
            return f"{recipe.metric} is a function of Python, too slow to be asked at every threshold; name a metric"
        if table.multilabel and not isinstance(found, CountMetric):
            return (
                f"{recipe.metric} is a mean over rows; a threshold for each label can be set for macro_f1 or micro_f1"
            )
        return None

    def predictor(self, predictor: Predictor, held_out: HeldOut) -> Predictor:
        if held_out.labels.ndim == 2:
            return self._of_labels(predictor, held_out)
        value = value_of(held_out.metric, held_out.classes)
        if value is None:
            return predictor
        weights = np.ones(len(held_out.labels)) if held_out.weights is None else held_out.weights
        goal = isinstance(metric(held_out.metric, held_out.classes), Goal)
        shrinks = (*SHRINKS, *BEYOND) if goal else SHRINKS
        logs = log_scores(held_out.scores)
        offsets = steady_offsets(logs, held_out.labels, weights, value, self.resamples, 0, shrinks)
        return predictor.with_decision(Decision(offsets))

    def _of_labels(self, predictor: Predictor, held_out: HeldOut) -> Predictor:
        """A threshold for each label where a row may have several."""
        found = metric(held_out.metric, held_out.classes, multilabel=True)
        if not isinstance(found, CountMetric):
            return predictor
        weights = np.ones(len(held_out.labels)) if held_out.weights is None else held_out.weights
        thresholds = steady_thresholds(held_out.scores, held_out.labels, weights, found, self.resamples, seed=0)
        return predictor.with_decision(LabelThresholds(thresholds))


def value_of(name: str, classes: tuple[str, ...]) -> Value | None:
    """The metric as a function of confusion tables, larger is better; None where it is not one of answers."""
    found = metric(name, classes)
    if isinstance(found, Goal):
        return found.from_cells if found.of_answers else None
    if not isinstance(found, AnswerMetric):
        return None
    return found.from_cells if found.greater_is_better else lambda cells: -found.from_cells(cells)
