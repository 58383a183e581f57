"""Feature weights: columns that are known, or found, to say more of the answer are held back less by the penalty."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from melior.data.table import Table
from melior.features._base import MatrixStep
from melior.features.weighting import FeatureScale, Strength
from melior.methods._base import Method
from melior.models._base import Model
from melior.recipe import Recipe


class FeatureWeights(Method):
    """Multiplies scaled features by weights, so that a penalty weighs on heavy ones less; in trees, what a split of the
    column gains.

    weights  column -> weight, 0..100, by name: 0 takes the column out, 1 leaves it, 2 quarters the penalty on it
    learn    true (default): columns not named get weights from the training rows; false: they have 1
    kind     what is learned from: information (default), how much a feature says of the class by bins; or variance,
             the share of its variance that lies between the classes
    power    0..4 of what is learned, default 0.5; 0 makes all equal
    """

    treats: ClassVar[frozenset[str]] = frozenset(
        {"feature_skew", "scale_mismatch", "high_dimension", "sparse_features"}
    )
    questions: ClassVar[tuple[int, ...]] = (13,)
    reference: ClassVar[str] = "Debole and Sebastiani, Supervised Term Weighting for Text Categorization, SAC 2003"
    order: ClassVar[int] = 69
    rivals: ClassVar[frozenset[str]] = frozenset({"dimension_reduction"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "variance"})

    weights: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(default_factory=dict)
    learn: bool = True
    kind: Strength = "information"
    power: Annotated[float, Field(ge=0, le=4)] = 0.5

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        unknown = [name for name in self.weights if name not in table.features()]
        if unknown:
            return f'there is no feature column "{unknown[0]}" to weigh'
        if "feature_weights" in model.can:
            if not self.weights:
                return (
                    f"{model.name} finds out by itself which columns say most; name columns with weights, or use linear"
                )
            return None
        weighed = [kind for kind in ("number", "time") if kind in model.kinds and table.of_kind(kind)]
        if getattr(model.encoder(table, scaled=False), "parts", ()) and not weighed:
            return f"{model.name} reads words or pixels, which have no weights; use linear"
        if model.is_network and getattr(model, "embedding", "none") == "piecewise":
            return (
                f"the bins of embedding: piecewise undo any weight; use {model.name} with embedding: periodic or none"
            )
        categories = set(table.of_kind("category", "language"))
        coded = [name for name in self.weights if model.is_network and name in categories]
        if coded:
            return f'{model.name} reads "{coded[0]}" as a code, which has no weight; leave it out, or use linear'
        return None

    def model(self, model: Model) -> Model:
        return model.with_feature_weights(self.weights) if "feature_weights" in model.can else model

    def columns(self) -> MatrixStep:
        return FeatureScale(self.weights, self.kind if self.learn else None, self.power)
