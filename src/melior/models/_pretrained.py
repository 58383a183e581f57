"""What networks that may begin with a pretrained model share: what of it is trained, and how fast."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Floats, LabelMatrix, Labels
from melior.features._base import Matrix
from melior.models._base import MatrixScorer
from melior.models._network import NetworkModel
from melior.models.linear import Linear


class PretrainedNetwork(NetworkModel):
    """Base of the families with a pretrained form. `pretrained_source` says which model, empty for one from scratch.

    tuning       what is trained of a pretrained model: frozen (features once, a logistic regression on them), last_k,
                 lora, full; auto: what the family says on a GPU, frozen without
    layers       how many of the last layers last_k trains, 1..1,000
    rank, alpha  of the LoRA, 1..4,096 and > 0
    """

    can: ClassVar[frozenset[str]] = NetworkModel.can | {"transfer_learning"}
    rates: ClassVar[Mapping[str, float]]  # usual learning rates of what is trained of a pretrained model
    on_gpu: ClassVar[str]  # what auto trains where there is a GPU

    tuning: Literal["auto", "frozen", "last_k", "lora", "full"] = "auto"
    layers: Annotated[int, Field(ge=1, le=1000)] = 2
    rank: Annotated[int, Field(ge=1, le=4096)] = 8
    alpha: Annotated[float, Field(gt=0, le=4096)] = 16.0

    def chosen(self) -> str:
        """What is trained: full for a network from scratch."""
        if not self.pretrained_source():
            return "full"
        if self.tuning != "auto":
            return self.tuning
        import torch

        return self.on_gpu if torch.cuda.is_available() and self.device != "cpu" else "frozen"

    def tuned(self) -> dict[str, Any]:
        """What is trained, as plain values."""
        return {"tuning": self.chosen(), "layers": self.layers, "rank": self.rank, "alpha": self.alpha}

    def fit(
        self,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        if self._reads_features(matrix):
            return self.on_features().fit(matrix, labels, weights, classes, seed=seed, threads=threads)
        return super().fit(matrix, labels, weights, classes, seed=seed, threads=threads)

    def fit_labels(
        self, matrix: Matrix, labels: LabelMatrix, weights: Floats | None, *, seed: int, threads: int = 1
    ) -> MatrixScorer:
        if self._reads_features(matrix):
            return self.on_features().fit_labels(matrix, labels, weights, seed=seed, threads=threads)
        return super().fit_labels(matrix, labels, weights, seed=seed, threads=threads)

    def fit_on(
        self,
        start: MatrixScorer,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        amount: float,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        if self._reads_features(matrix):
            return self.on_features().fit_on(
                start, matrix, labels, weights, classes, amount=amount, seed=seed, threads=threads
            )
        return super().fit_on(start, matrix, labels, weights, classes, amount=amount, seed=seed, threads=threads)

    def family_rate(self) -> float:
        """That of what is trained of a pretrained model."""
        if not self.pretrained_source():
            return super().family_rate()
        return self.rates.get(self.chosen(), self.usual_rate)

    def on_features(self) -> Linear:
        """What learns from the features of a frozen model."""
        return Linear()

    def _reads_features(self, matrix: Matrix) -> bool:
        return bool(matrix.features) and not matrix.parts and self.chosen() == "frozen"
