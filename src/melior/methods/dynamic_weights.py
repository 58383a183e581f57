"""Dynamic weights: rows count as long as their loss is small, since what is learned last is most likely wrong."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._acting import Acting
from melior.methods._base import Method
from melior.methods._inside import TeachingLearner, family_of, taught
from melior.methods._networks import untrained
from melior.methods._noise import KeptRows, confident_joint, kept_classes
from melior.methods._rows import Mask
from melior.methods.label_cleaning import too_few_rows
from melior.models._base import FamilyLearner, FitContext, Learner, Model
from melior.predictor import Scorer
from melior.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from melior.engine.lessons import Moment, Run
    from melior.engine.problem import Batch
    from melior.networks.teaching import Known, RowLoss

Kind = Literal["small_loss", "co_teaching", "curriculum"]

MOST_WRONG = 0.6  # of the rows: where more of the labels seem wrong, the scores are no guide


def kept_share(kind: Kind, rate: float, ramp: float, progress: float) -> float:
    """The share of a batch's rows that count, when `progress` (0..1) of the training is done.

    small_loss, co_teaching  1 - rate min(progress / ramp, 1): all rows first, all but `rate` of them after the ramp
    curriculum               (1 - rate) + rate min(progress / ramp, 1): the other way round, all rows in the end
    Han et al. 2018, equation in section 4; Kumar, Packer, Koller, Self-Paced Learning, NeurIPS 2010.
    """
    done = min(progress / ramp, 1.0) if ramp > 0 else 1.0
    return 1 - rate * (1 - done) if kind == "curriculum" else 1 - rate * done


def wrong_share(labels: Labels, scores: Floats) -> float:
    """The share of labels that are wrong by the confident joint of labels (rows,) and out-of-fold scores (rows,
    classes), 0..0.6. Northcutt et al., Confident Learning, JAIR 2021."""
    return float(np.clip(1 - np.trace(confident_joint(labels, scores)), 0.0, MOST_WRONG))


def smallest_losses(labels: Labels, scores: Floats, rate: float) -> Mask:
    """(rows,) True for all but the share `rate` with the largest -log of the score of their label; no class loses more
    than nine tenths of its rows, nor all but five."""
    own = scores[np.arange(len(labels)), labels]
    right = np.ones(len(labels), dtype=bool)
    right[np.argsort(own, kind="stable")[: round(rate * len(labels))]] = False
    return kept_classes(labels, right, scores)


@dataclass
class Now:
    """What changes while one network is trained."""

    share: float = 1.0
    kept: "Tensor | None" = None  # (rows,) of the last batch, how much of each row counted, before its weight


@dataclass(frozen=True)
class Pace(Acting):
    """The rows of each batch with the smallest losses, as many as `kept_share` says; of two networks where they teach
    each other. One pass: what counts is told beside the losses."""

    kind: Kind
    rate: float
    ramp: float
    scratch: bool
    now: Now = field(default_factory=Now, compare=False, repr=False)

    @property
    def told(self) -> str:
        return repr(self)

    def network(self, network: "nn.Module", known: "Known") -> "nn.Module":
        if self.kind != "co_teaching":
            return network
        from melior.networks.twin import Twin

        return Twin(network, scratch=self.scratch, seed=known.seed)

    def finished(self, network: "nn.Module") -> "nn.Module":
        return getattr(network, "first") if self.kind == "co_teaching" else network  # noqa: B009

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        import torch

        from melior.networks.twin import lowest

        def paced(logits: "Tensor", labels: "Tensor") -> "Tensor":
            if logits.shape[1] == known.classes:
                losses = loss(logits, labels)
                kept = lowest(losses, self.now.share)
                self.now.kept = kept.to(losses.dtype)
                return torch.where(kept, losses, 0.0)
            one, two = loss(logits[:, : known.classes], labels), loss(logits[:, known.classes :], labels)
            for_one, for_two = lowest(two, self.now.share), lowest(one, self.now.share)  # what the other finds easy
            self.now.kept = (for_one.to(one.dtype) + for_two.to(one.dtype)) / 2
            return torch.where(for_one, one, 0.0) + torch.where(for_two, two, 0.0)

        return paced

    def forward(self, run: "Run", network: "nn.Module", batch: "Batch", moment: "Moment") -> "tuple[Tensor, Tensor]":
        self.now.share = kept_share(self.kind, self.rate, self.ramp, moment.progress)
        total, count = run(batch)
        kept = self.now.kept
        if kept is None:
            return total, count
        return total, kept.sum() if batch.weights is None else (kept * batch.weights.to(kept)).sum()


class PacedLearner(TeachingLearner):
    """Fits a network with `Pace` inside; any other family in rounds, each on the rows with the smallest losses out of
    fold (Shen and Sanghavi, Iterative Trimmed Loss Minimization, ICML 2019)."""

    def __init__(self, inner: Learner, kind: Kind, rate: float | None, ramp: float, rounds: int) -> None:
        super().__init__(inner)
        self.kind, self.rate, self.ramp, self.rounds = kind, rate, ramp, rounds

    def fit(self, train: Table, context: FitContext) -> Scorer:
        labels = train.given_labels()
        plain = isinstance(self.inner, FamilyLearner)  # what another method has wrapped is fitted in rounds
        model = family_of(self.inner) if plain or self.kind != "small_loss" else None
        if model is not None and untrained(model):
            model = None
        if model is not None and self.rate is not None:
            return self.paced(model, self.rate).fit(train, context)
        scores = context.out_of_fold(context.base_learner(), train)
        rate = wrong_share(labels, scores) if self.rate is None else self.rate
        if model is not None:
            return self.paced(model, rate).fit(train, context)
        kept = smallest_losses(labels, scores, rate)
        for number in range(1, self.rounds):
            masked = train.with_weights(train.row_weights() * kept)
            scores = context.reseeded(number).out_of_fold(KeptRows(self.inner), masked)
            before, kept = kept, smallest_losses(labels, scores, rate)
            if np.array_equal(before, kept):
                break
        return self.inner.fit(train if kept.all() else train.take(kept), context)

    def paced(self, model: Model, rate: float) -> Learner:
        scratch = not getattr(model, "pretrained_source", str)()
        return taught(self.inner, Pace(self.kind, round(rate, 4), self.ramp, scratch))


class DynamicWeights(Method):
    """Lets rows count as long as their loss is small while training: wrong labels are learned last.

    kind    small_loss (default): of each batch the rows with the smallest losses, and for families that are no networks
            in rounds those with the smallest losses out of fold; co_teaching: two networks, each learns from the rows
            that the other finds easy; curriculum: easy rows first, all in the end
    rate    0..0.9, the share of rows that is left out; auto (none, the default): as many as out-of-fold scores say are
            wrong. For curriculum the share that is left out at the beginning
    ramp    0..1, the share of the training until that many are left out (curriculum: until all are in), default 0.3
    rounds  1..5 for other families, default 3
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise", "outliers"})
    questions: ClassVar[tuple[int, ...]] = (21,)
    reference: ClassVar[str] = (
        "Han et al., Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels, NeurIPS 2018; "
        "Kumar et al., Self-Paced Learning, NeurIPS 2010; Shen and Sanghavi, Iterative Trimmed Loss Minimization, "
        "ICML 2019"
    )
    order: ClassVar[int] = 65
    rivals: ClassVar[frozenset[str]] = frozenset({"label_cleaning", "noise_correction", "adversarial_training"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "co_teaching"}, {"rate": 0.1})
    cost: ClassVar[float] = 8.0

    kind: Kind = "small_loss"
    rate: Annotated[float, Field(ge=0, le=0.9)] | None = None
    ramp: Annotated[float, Field(ge=0, le=1)] = 0.3
    rounds: Annotated[int, Field(ge=1, le=5)] = 3

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind != "small_loss" and (reason := untrained(model)):
            return f"{reason}; or use kind: small_loss, which works with every family"
        return too_few_rows(table)

    def learner(self, learner: Learner) -> Learner:
        return PacedLearner(learner, self.kind, self.rate, self.ramp, self.rounds)
