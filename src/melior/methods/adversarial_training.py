"""Adversarial training: each batch is changed as much as is allowed to mislead the network, which learns from that."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from melior.engine.lessons import Moment, Run
    from melior.engine.problem import Batch


class AdversarialTraining(Method):
    """Trains a network on rows changed against it: numbers, pixels, and the vectors of words; see
    `melior.networks.adversarial`.

    norm      linf (default): every entry may change by `strength`; l2: the entries of a row by that in the root of
              their mean square, few of them much or many a little
    strength  0.001..2, default 0.1: of a number in scales of its column, of a pixel of the way from black to white, of
              a word's vector in the usual size of its entries
    steps     1..50: 1 is FGSM, more are PGD, each another pass through the network, default 1
    clean     0..0.9, share of the loss of the batch as it is, default 0.5

    "Free" training (Shafahi et al., NeurIPS 2019) is not among it: there every pass of the attack also updates the
    weights, and here a batch updates them once.
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise", "overfitting"})
    questions: ClassVar[tuple[int, ...]] = (10, 21)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "Goodfellow et al., Explaining and Harnessing Adversarial Examples, ICLR 2015; Madry et al., Towards Deep "
        "Learning Models Resistant to Adversarial Attacks, ICLR 2018; Miyato et al., Adversarial Training Methods for "
        "Semi-Supervised Text Classification, ICLR 2017"
    )
    order: ClassVar[int] = 70
    networks: ClassVar[bool] = True
    instead: ClassVar[str] = "noise_training, which adds noise that is not aimed and works with every family"
    rivals: ClassVar[frozenset[str]] = frozenset({"dynamic_weights"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"norm": "l2"}, {"steps": 3})
    cost: ClassVar[float] = 3.0

    norm: Literal["linf", "l2"] = "linf"
    strength: Annotated[float, Field(ge=0.001, le=2)] = 0.1
    steps: Annotated[int, Field(ge=1, le=50)] = 1
    clean: Annotated[float, Field(ge=0, le=0.9)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not table.of_kind("number", "time", "text", "image"):
            return "a category cannot be changed a little, and there are no numbers, texts or images; use l2_penalty"
        return None

    def forward(self, run: "Run", network: "nn.Module", batch: "Batch", moment: "Moment") -> "tuple[Tensor, Tensor]":
        from melior.networks.adversarial import Attack, adversarial

        attack = Attack(self.norm, self.strength, self.steps)
        return adversarial(run, network, batch, attack, self.clean, moment.random)
