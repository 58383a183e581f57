"""Model fusion: several fits of one network become one network by averaging their weights."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.features._base import Matrix
from melior.methods._base import Method
from melior.methods._learners import beside, the_family
from melior.models._base import FamilyLearner, FamilyScorer, FitContext, Learner, MatrixScorer, Model
from melior.models._network import NetworkModel, NetworkScorer
from melior.models._pretrained import PretrainedNetwork
from melior.predictor import Scorer
from melior.recipe import Recipe

Kind = Literal["uniform", "greedy", "swa", "ema"]

RATES = (1.0, 0.5, 2.0)  # of the usual learning rate, in turn: fits that differ more average better
TINY = 1e-12


def loss_of(scores: Floats, labels: Labels, weights: Floats) -> float:
    """The weighted mean of -log of the probability of the right class."""
    right = scores[np.arange(len(labels)), labels]
    return float(np.average(-np.log(np.maximum(right, TINY)), weights=weights))


def greedy(count: int, loss: Any) -> list[int]:
    """Which of `count` fits are averaged: they are looked at from the best to the worst, and each is kept where the
    mean with it is no worse. loss: of the mean of the fits of these numbers, on rows that no fit saw.

    Wortsman et al., Model Soups, ICML 2022, recipe 1.
    """
    alone = [loss([number]) for number in range(count)]
    order = sorted(range(count), key=lambda number: (alone[number], number))
    kept, best = [order[0]], alone[order[0]]
    for number in order[1:]:
        found = loss([*kept, number])
        if found <= best:
            kept, best = [*kept, number], found
    return kept


@dataclass(frozen=True)
class Part:
    """Encoded rows with what is learned from them."""

    matrix: Matrix
    labels: Labels
    weights: Floats | None

    def take(self, which: NDArray[Any]) -> "Part":
        weights = None if self.weights is None else self.weights[which]
        return Part(self.matrix.take(which), self.labels[which], weights)


class FusedLearner:
    """Fits a network several times from one start and averages the weights."""

    def __init__(self, inner: FamilyLearner, kind: Kind, members: int, again: float, held: float) -> None:
        self.inner, self.model = inner, inner.model
        self.kind, self.members, self.again, self.held = kind, members, again, held

    def fit(self, train: Table, context: FitContext) -> Scorer:
        encoding, matrix = context.encode(train, self.model, self.inner.table_steps, self.inner.matrix_steps)
        whole = Part(matrix, train.given_labels(), train.weights)
        inside, outside = whole, None
        if self.kind == "greedy":
            held = _held_out(train, self.held, context.seed)
            if held.any():
                inside, outside = whole.take(np.flatnonzero(~held)), whole.take(np.flatnonzero(held))
        fits = self._fits(inside, len(train.classes), context)
        return FamilyScorer(encoding, self._one(fits, inside, outside))

    def _fits(self, rows: Part, classes: int, context: FitContext) -> list[MatrixScorer]:
        """The fits, the first of which is all there is where it is no network (one class, say)."""
        assert isinstance(self.model, NetworkModel)
        how: dict[str, Any] = {"threads": context.threads}
        given = (rows.matrix, rows.labels, rows.weights, classes)
        one_class = len(np.unique(rows.labels)) < 2
        if self.model.pretrained_source() and self.kind != "swa" and not one_class:
            start: MatrixScorer = self.model.untrained(*given, seed=context.seed, **how)
            amount, fits = 1.0, []
        else:  # from scratch fits have a start in common only after some training
            start = self.model.fit(*given, seed=context.seed, **how)
            amount, fits = self.again, [start]
        while isinstance(start, NetworkScorer) and len(fits) < self.members:
            number = len(fits)
            model = self._varied(number)
            fits.append(model.fit_on(start, *given, amount=amount, seed=context.reseeded(number).seed, **how))
            start = fits[-1] if self.kind == "swa" else start
        return fits

    def _varied(self, number: int) -> NetworkModel:
        assert isinstance(self.model, NetworkModel)
        if self.kind == "swa":  # a constant rate keeps on moving round the best weights
            return self.model.model_copy(update={"schedule": "constant", "warmup": 0.0})
        if self.model.learning_rate == "found":
            return self.model
        return self.model.model_copy(update={"learning_rate": self.model.rate() * RATES[number % len(RATES)]})

    def _one(self, fits: list[MatrixScorer], rows: Part, outside: Part | None) -> MatrixScorer:
        networks = [fit for fit in fits if isinstance(fit, NetworkScorer)]
        if len(networks) < 2:
            return fits[0]
        if outside is None:
            return _mean(networks, rows)

        def loss(numbers: list[int]) -> float:
            one = networks[numbers[0]] if len(numbers) == 1 else _mean([networks[n] for n in numbers], rows)
            count = np.ones(len(outside.labels)) if outside.weights is None else outside.weights
            return loss_of(one.scores(outside.matrix), outside.labels, count)

        kept = greedy(len(networks), loss)
        return networks[kept[0]] if len(kept) == 1 else _mean([networks[number] for number in kept], rows)


def _mean(networks: list[NetworkScorer], rows: Part) -> NetworkScorer:
    from melior.networks.averaging import averaged, measured_again
    from melior.networks.sources import MatrixRows

    first = networks[0]
    state = averaged([one.state for one in networks])
    state = measured_again(first.module, first.plan, state, MatrixRows(rows.matrix))
    return NetworkScorer(first.module, first.plan, state, first.present, first.classes, exact=first.exact)


def _held_out(train: Table, share: float, seed: int) -> NDArray[np.bool_]:
    """(rows,) a mask of a share of each class; copies of a row stay on one side, and one row of a class in training."""
    random = np.random.default_rng([seed, 78])
    ids, first, which = np.unique(train.row_ids, return_index=True, return_inverse=True)
    labels = train.given_labels()[first]
    held = np.zeros(len(ids), dtype=bool)
    for number in np.unique(labels):
        own = np.flatnonzero(labels == number)
        held[random.permutation(own)[: min(round(share * len(own)), len(own) - 1)]] = True
    return held[which]


class ModelFusion(Method):
    """Averages the weights of several fits of a network: one network, no slower than one fit when it answers.

    kind     greedy (default): fits are added to the mean as long as held-out rows agree; uniform: the mean of all; swa:
             training goes on at a constant rate, and the mean of where it comes to is kept; ema: a moving average of
             the weights over the steps of one training
    members  2..20 fits, default 4; ema needs one
    again    0.05..1: from scratch the first fit is trained as usual, and each further one goes on from it for this
             share of the epochs with another order of rows and another rate, default 0.25. Of a pretrained network
             each fit is a whole one from the pretrained weights
    held     0.05..0.5 of the rows of each class that greedy holds out, default 0.2
    decay    0.5..0.9999 of the moving average of ema, a step, default 0.99
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "small_data", "untuned"})
    questions: ClassVar[tuple[int, ...]] = (23,)
    reference: ClassVar[str] = "Wortsman et al., Model Soups, ICML 2022; Izmailov et al., SWA, UAI 2018"
    order: ClassVar[int] = 78
    networks: ClassVar[bool] = True
    rivals: ClassVar[frozenset[str]] = frozenset({"incremental_training", "few_shot_head"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "swa"}, {"kind": "ema"})
    cost: ClassVar[float] = 2.5

    kind: Kind = "greedy"
    members: Annotated[int, Field(ge=2, le=20)] = 4
    again: Annotated[float, Field(ge=0.05, le=1)] = 0.25
    held: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    decay: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.99

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not isinstance(model, NetworkModel):
            return f"{model.name} has no weights that can be averaged; voting and stacking combine answers"
        if isinstance(model, PretrainedNetwork) and model.chosen() == "frozen":
            return "nothing of a frozen network is trained, so that there is nothing to average; use voting or stacking"
        return None if self.kind == "ema" else beside(recipe, self.name)

    def model(self, model: Model) -> Model:
        return model.model_copy(update={"average": self.decay}) if self.kind == "ema" else model

    def learner(self, learner: Learner) -> Learner:
        if self.kind == "ema":
            return learner
        return FusedLearner(the_family(learner, self.name), self.kind, self.members, self.again, self.held)
