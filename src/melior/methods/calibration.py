"""Calibration: probabilities that mean what they say: of the rows given 0.8, eight in ten are right."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Labels, Table
from melior.methods._base import HeldOut, Method
from melior.models._base import Model
from melior.predictor import Predictor, ScoreStep
from melior.recipe import Recipe

Kind = Literal["platt", "isotonic", "temperature"]

TINY = 1e-12
ENOUGH_FOR_ISOTONIC = 1000  # rows; on fewer it overfits: Niculescu-Mizil and Caruana, ICML 2005


def log_odds(probability: Floats) -> Floats:
    clipped = np.clip(probability, TINY, 1 - TINY)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def fit_platt(margins: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """(slope, shift) such that the probability is 1 / (1 + exp(-(slope * margin + shift))).

    margins, positive, weights (rows,). Maximum likelihood with the targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2)
    instead of 1 and 0.  Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """
    from scipy.optimize import minimize

    above, below = weights[positive].sum(), weights[~positive].sum()
    target = np.where(positive, (above + 1) / (above + 2), 1 / (below + 2))

    def loss(found: Floats) -> tuple[float, Floats]:
        z = found[0] * margins + found[1]
        residual = weights * (1 / (1 + np.exp(-np.clip(z, -500, 500))) - target)
        total = weights @ (np.logaddexp(0, z) - target * z)
        return float(total), np.array([residual @ margins, residual.sum()])

    start = np.array([1.0, 0.0])
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-6 * max(1.0, weights.sum())}).x
    return float(found[0]), float(found[1])


def fit_isotonic(margins: Floats, positive: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """(knots,) margins and values of the nondecreasing fit with the least weighted squared error.

    margins, positive (0..1), weights (rows,). Pool adjacent violators; between knots one interpolates linearly.
    Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.
    """
    xs, which = np.unique(margins, return_inverse=True)
    mass = np.bincount(which, weights=weights, minlength=len(xs))
    mean = np.bincount(which, weights=weights * positive, minlength=len(xs)) / mass
    values: list[float] = []  # of the blocks so far, increasing
    masses: list[float] = []
    ends: list[int] = []  # last x of each block
    for position in range(len(xs)):
        value, weight = float(mean[position]), float(mass[position])
        while values and values[-1] >= value:
            value = (values[-1] * masses[-1] + value * weight) / (masses[-1] + weight)
            weight += masses[-1]
            values.pop()
            masses.pop()
            ends.pop()
        values.append(value)
        masses.append(weight)
        ends.append(position)
    starts = [0, *(end + 1 for end in ends[:-1])]
    knots = np.array(sorted({*starts, *ends}))
    fitted = np.repeat(values, np.array(ends) - np.array(starts) + 1)
    return xs[knots], fitted[knots]


def fit_temperature(scores: Floats, labels: Labels, weights: Floats, *, shifts: bool) -> tuple[float, Floats]:
    """(sharpness, shifts) such that the probabilities are softmax(sharpness * log(scores) + shifts).

    scores (rows, classes); labels, weights (rows,); shifts (classes,), the first 0, all 0 when `shifts` is false.
    Maximum likelihood with one row's worth of pull towards no change.
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017; with shifts it is their bias-corrected form.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logs = np.log(np.maximum(scores, TINY))
    rows, classes = logs.shape
    hot = np.zeros((rows, classes))
    hot[np.arange(rows), labels] = 1

    def loss(found: Floats) -> tuple[float, Floats]:
        shift = np.concatenate([[0.0], found[1:]]) if shifts else np.zeros(classes)
        said = log_softmax(np.exp(found[0]) * logs + shift, axis=1)
        slack = weights[:, None] * (np.exp(said) - hot)
        gradient = [np.exp(found[0]) * (slack * logs).sum() + found[0]]
        if shifts:
            gradient += list(slack.sum(axis=0)[1:] + found[1:])
        pull = 0.5 * float(found @ found)
        return float(-(weights[:, None] * hot * said).sum() + pull), np.array(gradient)

    start = np.zeros(classes if shifts else 1)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-5.0, 3.0)] + [(None, None)] * (len(start) - 1)
    ).x
    return float(np.exp(found[0])), np.concatenate([[0.0], found[1:]]) if shifts else np.zeros(classes)


class Platt(ScoreStep):
    """A sigmoid of each class's log-odds, divided by their sum; for two classes one sigmoid."""

    def __init__(self, slopes: Floats, shifts: Floats) -> None:
        self.slopes, self.shifts = slopes, shifts

    def apply(self, scores: Floats) -> Floats:
        z = self.slopes * log_odds(scores) + self.shifts
        return shared(1 / (1 + np.exp(-np.clip(z, -500, 500))))


class Isotonic(ScoreStep):
    """A nondecreasing stair of each class's log-odds, divided by their sum; for two classes one stair."""

    def __init__(self, knots: list[Floats], values: list[Floats], least: float) -> None:
        self.knots, self.values, self.least = knots, values, least

    def apply(self, scores: Floats) -> Floats:
        margins = log_odds(scores)
        found = np.column_stack([np.interp(margins[:, k], knots, self.values[k]) for k, knots in enumerate(self.knots)])
        # never 0 or 1: a fit on n rows cannot know that something never happens
        return shared(np.clip(found, self.least, 1 - self.least))


class Temperature(ScoreStep):
    """softmax(sharpness * log(scores) + shifts)."""

    def __init__(self, sharpness: float, shifts: Floats) -> None:
        self.sharpness, self.shifts = sharpness, shifts

    def apply(self, scores: Floats) -> Floats:
        from scipy.special import softmax

        return np.asarray(softmax(self.sharpness * np.log(np.maximum(scores, TINY)) + self.shifts, axis=1))


def shared(scores: Floats) -> Floats:
    """(rows, classes) divided by the rows' sums; one column is the second class of two."""
    if scores.shape[1] == 1:
        return np.column_stack([1 - scores[:, 0], scores[:, 0]])
    return np.asarray(scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-300))


class Binary(ScoreStep):
    """A one-column step on the second class of two."""

    def __init__(self, inner: ScoreStep) -> None:
        self.inner = inner

    def apply(self, scores: Floats) -> Floats:
        return self.inner.apply(scores[:, 1:2])


def fit_step(kind: Kind, scores: Floats, labels: Labels, weights: Floats) -> ScoreStep:
    """The fitted step of a kind. scores (rows, classes); labels, weights (rows,)."""
    classes = scores.shape[1]
    if kind == "temperature":
        return Temperature(*fit_temperature(scores, labels, weights, shifts=True))
    columns = [1] if classes == 2 else range(classes)
    margins = log_odds(scores)
    step: ScoreStep
    if kind == "platt":
        fits = np.array([fit_platt(margins[:, k], labels == k, weights) for k in columns])
        step = Platt(fits[:, 0], fits[:, 1])
    else:
        stairs = [fit_isotonic(margins[:, k], (labels == k).astype(np.float64), weights) for k in columns]
        step = Isotonic([knots for knots, _ in stairs], [values for _, values in stairs], 1 / (weights.sum() + 2))
    return Binary(step) if classes == 2 else step


def log_loss(scores: Floats, labels: Labels) -> Floats:
    """(rows,) minus the log of the probability of the right class."""
    return np.asarray(-np.log(np.maximum(scores[np.arange(len(labels)), labels], TINY)))


def choose(scores: Floats, labels: Labels, weights: Floats, folds: int = 5) -> Kind | None:
    """The kind with the least cross-validated log loss; None where none beats leaving the scores alone."""
    kinds: list[Kind] = ["temperature", "platt"]
    if len(labels) >= ENOUGH_FOR_ISOTONIC:
        kinds.append("isotonic")
    fold = np.random.default_rng(85).permutation(len(labels)) % folds
    losses = {kind: np.zeros(len(labels)) for kind in kinds}
    for number in range(folds):
        inside, outside = fold != number, fold == number
        for kind in kinds:
            step = fit_step(kind, scores[inside], labels[inside], weights[inside])
            losses[kind][outside] = log_loss(step.apply(scores[outside]), labels[outside])
    plain = log_loss(scores, labels)
    mean = {kind: float(weights @ loss / weights.sum()) for kind, loss in losses.items()}
    best = min(kinds, key=lambda kind: mean[kind])
    return best if mean[best] < float(weights @ plain / weights.sum()) else None


class Calibration(Method):
    """Maps the model's scores to probabilities, learnt on held-out scores with the labels as they really occur.

    kind  auto (default): the one with the least cross-validated log loss, or none where all are worse than nothing;
          platt: a sigmoid of the log-odds; isotonic: any nondecreasing stair, for 1,000 rows and more;
          temperature: one sharpness for all classes and a shift for each
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance", "overfitting"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Guo et al., On Calibration of Modern Neural Networks, ICML 2017"
    order: ClassVar[int] = 85
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "temperature"})
    cost: ClassVar[float] = 4.0

    kind: Literal["auto", "platt", "isotonic", "temperature"] = "auto"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind == "isotonic" and table.rows < 100:
            return f"a stair cannot be learnt from {table.rows} rows; use kind: platt"
        return None

    def predictor(self, predictor: Predictor, held_out: HeldOut) -> Predictor:
        weights = np.ones(len(held_out.labels)) if held_out.weights is None else held_out.weights
        kind = choose(held_out.scores, held_out.labels, weights) if self.kind == "auto" else self.kind
        if kind is None:
            return predictor
        return predictor.with_score_step(fit_step(kind, held_out.scores, held_out.labels, weights))
