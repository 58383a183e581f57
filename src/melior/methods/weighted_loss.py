"""Another loss: classes that are rare, or rows that are still wrong, count more, so that training turns to them."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.methods._base import Method

if TYPE_CHECKING:
    from torch import Tensor

    from melior.networks.teaching import Known, RowLoss

TINY = 1e-12


def focal_loss(logits: "Tensor", labels: "Tensor", gamma: float) -> "Tensor":
    """(rows,) cross-entropy of each row times (1 - p)**gamma, p the probability of the right class.

    logits (rows, classes); labels (rows,) class numbers, or (rows, classes) shares: then the shares' mean of it. gamma
    0 is cross-entropy. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
    """
    from torch.nn.functional import log_softmax, one_hot

    log_p = log_softmax(logits, dim=1)
    shares = one_hot(labels, logits.shape[1]) if labels.ndim == 1 else labels
    wrong = (-log_p.expm1()).clamp(min=TINY)  # 1 - p; at 0 itself a root has no slope
    each = -(wrong**gamma) * log_p  # (rows, classes)
    return (shares.to(each.dtype) * each).sum(1)


def class_balanced_weights(counts: "Tensor", beta: float) -> "Tensor":
    """(classes,) (1 - beta) / (1 - beta**n) of a class of n rows, scaled so that rows weigh 1 on average; 0 for none.

    beta 0 is no weighting, towards 1 it becomes 1 / n. Cui et al., Class-Balanced Loss Based on Effective Number of
    Samples, CVPR 2019.
    """
    import torch

    n = counts.double()
    effective = torch.where(n > 0, (1 - beta**n) / (1 - beta), torch.inf)
    weights = 1 / effective
    return (weights * n.sum() / (weights * n).sum()).to(counts.dtype)


def adjusted_logits(logits: "Tensor", counts: "Tensor", tau: float) -> "Tensor":
    """(rows, classes) logits + tau log(share of the class): trained with them, a network gives logits that are right
    where all classes are equally frequent. Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021."""
    shares = (counts / counts.sum()).clamp(min=1e-12)
    return logits + tau * shares.log().to(logits)


class WeightedLoss(Method):
    """Trains a network with a loss for unequal classes.

    kind   focal (default): rows that are already right count less; class_balanced: rows of rare classes count more, by
           their effective number; logit_adjusted: answers as if all classes were equally frequent
    gamma  of focal, 0..10, default 2; 0 is the usual loss
    beta   of class_balanced, 0..0.99999, default 0.999
    tau    of logit_adjusted, 0..3, default 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 13)
    reference: ClassVar[str] = (
        "Lin et al., Focal Loss, ICCV 2017; Cui et al., Class-Balanced Loss, CVPR 2019; Menon et al., Logit "
        "Adjustment, ICLR 2021"
    )
    order: ClassVar[int] = 60
    networks: ClassVar[bool] = True
    instead: ClassVar[str] = "class_weights, which every family takes"
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"class_weights", "oversampling", "undersampling", "gan_samples", "robust_loss"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"kind": "logit_adjusted"},
        {"kind": "class_balanced"},
    )

    kind: Literal["focal", "class_balanced", "logit_adjusted"] = "focal"
    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    tau: Annotated[float, Field(ge=0, le=3)] = 1.0

    def own_loss(self) -> bool:
        return self.kind == "focal"

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        if self.kind == "focal":
            return lambda logits, labels: focal_loss(logits, labels, self.gamma)
        if self.kind == "class_balanced":
            weights = class_balanced_weights(known.counts, self.beta)

            def balanced(logits: "Tensor", labels: "Tensor") -> "Tensor":
                own = weights.to(logits)
                of_row = own[labels] if labels.ndim == 1 else labels.to(own.dtype) @ own
                return of_row * loss(logits, labels)

            return balanced
        return lambda logits, labels: loss(adjusted_logits(logits, known.counts, self.tau), labels)
