"""Robust losses: rows that the network finds hard to believe, wrong labels and outliers, cannot pull it far."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.methods._base import Method

if TYPE_CHECKING:
    from torch import Tensor

    from melior.networks.teaching import Known, RowLoss

LEAST_LOG = -4.0  # what log(0) counts as in symmetric cross-entropy; Wang et al. 2019


def shares_of(labels: "Tensor", logits: "Tensor") -> "Tensor":
    """(rows, classes) what each class's part of a row's label is: class numbers (rows,) as 0 and 1, shares as given."""
    from torch.nn.functional import one_hot

    return (one_hot(labels, logits.shape[1]) if labels.ndim == 1 else labels).to(logits.dtype)


def generalized_cross_entropy(logits: "Tensor", labels: "Tensor", q: float) -> "Tensor":
    """(rows,) (1 - p**q) / q, p the probability of the given class: cross-entropy for q towards 0, 1 - p for q = 1.

    logits (rows, classes); labels (rows,) class numbers or (rows, classes) shares: then the shares' mean of it.
    Bounded by 1 / q, so that no row can pull far. Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep
    Neural Networks with Noisy Labels, NeurIPS 2018, equation 6.
    """
    from torch.nn.functional import log_softmax

    each = -(q * log_softmax(logits, dim=1)).expm1() / q  # (rows, classes); p**q = exp(q log p)
    return (shares_of(labels, logits) * each).sum(1)


def symmetric_cross_entropy(logits: "Tensor", labels: "Tensor", alpha: float, beta: float) -> "Tensor":
    """(rows,) alpha times cross-entropy + beta times its reverse, -sum_k p_k log y_k with log 0 taken as -4.

    logits, labels as above. With class numbers the reverse is 4 (1 - p), bounded.
    Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, ICCV 2019, equations 6 and 7.
    """
    import math

    from torch.nn.functional import log_softmax

    log_p, shares = log_softmax(logits, dim=1), shares_of(labels, logits)
    usual = -(shares * log_p).sum(1)
    reverse = -(log_p.exp() * shares.clamp(min=math.exp(LEAST_LOG)).log()).sum(1)
    return alpha * usual + beta * reverse


def smoothed_cross_entropy(logits: "Tensor", labels: "Tensor", smoothing: float) -> "Tensor":
    """(rows,) cross-entropy with (1 - smoothing) of the label and smoothing / classes of every class.

    logits, labels as above. Szegedy et al., Rethinking the Inception Architecture, CVPR 2016; with wrong labels:
    Lukasik et al., Does Label Smoothing Mitigate Label Noise?, ICML 2020.
    """
    from torch.nn.functional import log_softmax

    log_p = log_softmax(logits, dim=1)
    given = -(shares_of(labels, logits) * log_p).sum(1)
    return (1 - smoothing) * given - smoothing * log_p.mean(1)


def bootstrapped_cross_entropy(logits: "Tensor", labels: "Tensor", trust: float) -> "Tensor":
    """(rows,) cross-entropy with `trust` of the given label and the rest of the class that the network itself answers.

    logits, labels as above. Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, ICLR
    Workshop 2015, equation 3 (hard).
    """
    from torch.nn.functional import log_softmax

    log_p = log_softmax(logits, dim=1)
    given = -(shares_of(labels, logits) * log_p).sum(1)
    return trust * given - (1 - trust) * log_p.max(1).values


def huberised_cross_entropy(logits: "Tensor", labels: "Tensor", tau: float) -> "Tensor":
    """(rows,) -log p where p > 1 / tau, else its tangent there, log tau + 1 - tau p: bounded and straight, as Huber's
    loss is for numbers.

    logits, labels as above; p the probability of the given class, the shares' mean of it where labels are shares.
    Menon et al., Can Gradient Clipping Mitigate Label Noise?, ICLR 2020, equation 9.
    """
    import math

    import torch
    from torch.nn.functional import log_softmax

    log_p = log_softmax(logits, dim=1)
    each = torch.where(log_p > -math.log(tau), -log_p, math.log(tau) + 1 - tau * log_p.exp())
    return (shares_of(labels, logits) * each).sum(1)


class RobustLoss(Method):
    """Trains a network with a loss that wrong labels and outliers cannot pull far.

    kind       generalized (default): cross-entropy bent towards the share of wrong answers; symmetric: with its
               reverse beside it; smoothed: a little of each label belongs to every class; bootstrapped: a little of it
               to the network's own answer; huberised: straight where a row is hard to believe
    q          of generalized, above 0 to 1, default 0.7; towards 0 it is cross-entropy
    alpha      of symmetric, the weight of cross-entropy, 0..10, default 0.1
    beta       of symmetric, the weight of its reverse, 0..10, default 1
    smoothing  of smoothed, 0..0.9, default 0.1
    trust      of bootstrapped, 0.1..1, default 0.8; 1 is cross-entropy
    tau        of huberised, above 1 to 1,000, default 10: rows with a probability below 1 / tau pull no further
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise", "outliers"})
    questions: ClassVar[tuple[int, ...]] = (12, 21)
    reference: ClassVar[str] = (
        "Zhang and Sabuncu, Generalized Cross Entropy Loss, NeurIPS 2018; Wang et al., Symmetric Cross Entropy, ICCV "
        "2019; Menon et al., Can Gradient Clipping Mitigate Label Noise?, ICLR 2020"
    )
    order: ClassVar[int] = 60
    networks: ClassVar[bool] = True
    instead: ClassVar[str] = "label_cleaning or dynamic_weights, which every family takes"
    rivals: ClassVar[frozenset[str]] = frozenset({"weighted_loss"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "symmetric"}, {"kind": "smoothed"})

    kind: Literal["generalized", "symmetric", "smoothed", "bootstrapped", "huberised"] = "generalized"
    q: Annotated[float, Field(gt=0, le=1)] = 0.7
    alpha: Annotated[float, Field(ge=0, le=10)] = 0.1
    beta: Annotated[float, Field(ge=0, le=10)] = 1.0
    smoothing: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    trust: Annotated[float, Field(ge=0.1, le=1)] = 0.8
    tau: Annotated[float, Field(gt=1, le=1000)] = 10.0

    def own_loss(self) -> bool:
        return True

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        made: dict[str, RowLoss] = {
            "generalized": lambda logits, labels: generalized_cross_entropy(logits, labels, self.q),
            "symmetric": lambda logits, labels: symmetric_cross_entropy(logits, labels, self.alpha, self.beta),
            "smoothed": lambda logits, labels: smoothed_cross_entropy(logits, labels, self.smoothing),
            "bootstrapped": lambda logits, labels: bootstrapped_cross_entropy(logits, labels, self.trust),
            "huberised": lambda logits, labels: huberised_cross_entropy(logits, labels, self.tau),
        }
        return made[self.kind]
