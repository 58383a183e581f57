"""Few-shot head: a frozen pretrained encoder, and on its features the simplest model that few rows can carry."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.features._base import Matrix
from melior.methods._base import Method
from melior.methods._learners import beside, the_family
from melior.models._base import FamilyLearner, FamilyScorer, FitContext, Learner, MatrixScorer, Model
from melior.models._network import NetworkModel
from melior.models._pretrained import PretrainedNetwork
from melior.models.linear import Constant, Linear, spread
from melior.predictor import Scorer
from melior.recipe import Recipe

SHARPNESS = np.geomspace(0.1, 300, 40)  # one over the temperature of a prototype's softmax
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
FOLDS = 5
TINY = 1e-12
SOME = 1e-9  # of a class's weight: less is what rounding leaves


def unit(values: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, length, out=np.zeros_like(values), where=length > TINY))


def prototypes(values: Floats, codes: Rows, weights: Floats, classes: int) -> Floats:
    """(classes, features) the weighted mean of each class's rows.

    Snell, Swersky and Zemel, Prototypical Networks for Few-shot Learning, NeurIPS 2017, equation 1.
    """
    sums = np.zeros((classes, values.shape[1]))
    np.add.at(sums, codes, weights[:, None] * values)
    return np.asarray(sums / np.bincount(codes, weights=weights, minlength=classes)[:, None])


def distances(values: Floats, centres: Floats) -> Floats:
    """(rows, classes) squared distances."""
    found = (values**2).sum(axis=1)[:, None] - 2 * values @ centres.T + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(found, 0))


def left_out(values: Floats, codes: Rows, weights: Floats, centres: Floats, ids: Rows | None = None) -> Floats:
    """(rows, classes) squared distances where a row is left out of the mean of its own class, and its copies with it;
    nan in rows that are all there is of their class. ids (rows,), of a row and its copies the same; none: no copies."""
    found = distances(values, centres)
    total = np.bincount(codes, weights=weights, minlength=len(centres))[codes]
    which = np.arange(len(codes))
    if ids is not None:
        which = np.unique(np.column_stack([ids, codes]), axis=0, return_inverse=True)[1].ravel()
    parts = np.zeros((int(which.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(parts, which, weights[:, None] * values)  # what a row and its copies are of the sum of their class
    others = total - np.bincount(which, weights=weights)[which]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = (total[:, None] * centres[codes] - parts[which]) / others[:, None]
    apart = ((values - own) ** 2).sum(axis=1)
    found[np.arange(len(codes)), codes] = np.where(others > SOME * total, apart, np.nan)
    return found


class PrototypeScorer(MatrixScorer):
    """softmax(-sharpness * squared distance to each class's mean), of features centred and of length 1."""

    def __init__(self, middle: Floats, centres: Floats, sharpness: float, present: Any, classes: int) -> None:
        self.middle = np.ascontiguousarray(middle, dtype=np.float64)
        self.centres = np.ascontiguousarray(centres, dtype=np.float64)
        self.sharpness = sharpness
        self.present = np.asarray(present, dtype=np.int32)
        self.classes = classes

    @classmethod
    def fitted(
        cls, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, ids: Rows | None = None
    ) -> MatrixScorer:
        """The sharpness is the one under which rows left out of their class's mean are likeliest; see `left_out`."""
        from scipy.special import log_softmax

        present, codes = np.unique(labels, return_inverse=True)
        if len(present) < 2 or matrix.features == 0:
            return Constant.fitted(labels, weights, classes)
        codes = codes.astype(np.int64)
        count = np.ones(len(labels)) if weights is None else weights
        values = np.asarray(matrix.dense(), dtype=np.float64)
        middle = np.average(values, axis=0, weights=count)
        seen = unit(values - middle)
        centres = prototypes(seen, codes, count, len(present))
        apart = left_out(seen, codes, count, centres, ids)
        told = np.isfinite(apart).all(axis=1)
        sharpness = 10.0
        if told.any():
            own = codes[told]
            losses = [
                np.average(-log_softmax(-one * apart[told], axis=1)[np.arange(len(own)), own], weights=count[told])
                for one in SHARPNESS
            ]
            sharpness = float(SHARPNESS[int(np.argmin(losses))])
        return cls(middle, centres, sharpness, present, classes)

    def scores(self, matrix: Matrix) -> Floats:
        from scipy.special import softmax

        seen = unit(np.asarray(matrix.dense(), dtype=np.float64) - self.middle)
        known = softmax(-self.sharpness * distances(seen, self.centres), axis=1)
        return spread(known, self.present, self.classes)


class HeadLearner:
    """Encodes by the frozen encoder and fits the head."""

    def __init__(self, inner: FamilyLearner, kind: str, c: float | None) -> None:
        self.inner, self.model, self.kind, self.c = inner, inner.model, kind, c

    def fit(self, train: Table, context: FitContext) -> Scorer:
        encoding, matrix = context.encode(train, self.model, self.inner.table_steps, self.inner.matrix_steps)
        labels, classes = train.given_labels(), len(train.classes)
        if self.kind == "prototype":
            return FamilyScorer(encoding, PrototypeScorer.fitted(matrix, labels, train.weights, classes, train.row_ids))
        how = {"seed": context.seed, "threads": context.threads}
        c = self.c if self.c is not None else best_strength(matrix, train, context.seed)
        return FamilyScorer(encoding, Linear(c=c).fit(matrix, labels, train.weights, classes, **how))


def best_strength(matrix: Matrix, train: Table, seed: int) -> float:
    """The inverse penalty of a logistic regression that held-out rows find likeliest; 1 where each class has one row.
    Copies of a row are held out together."""
    labels, weights = train.given_labels(), train.row_weights()
    ids, first, which = np.unique(train.row_ids, return_index=True, return_inverse=True)
    counts = np.bincount(labels[first])
    folds = int(min(FOLDS, counts[counts > 0].max()))
    if folds < 2:
        return 1.0
    order = np.random.default_rng([seed, 76]).permutation(len(ids))
    by_class = order[np.argsort(labels[first][order], kind="stable")]
    fold: NDArray[np.int64] = np.empty(len(ids), dtype=np.int64)
    fold[by_class] = np.arange(len(ids)) % folds
    losses = np.zeros(len(STRENGTHS))
    for number in range(folds):
        inside, outside = np.flatnonzero(fold[which] != number), np.flatnonzero(fold[which] == number)
        outside = outside[np.isin(labels[outside], labels[inside])]
        if not len(inside) or not len(outside):
            continue
        for place, strength in enumerate(STRENGTHS):
            model = Linear(c=strength)
            fit = model.fit(matrix.take(inside), labels[inside], weights[inside], len(train.classes), seed=seed)
            right = fit.scores(matrix.take(outside))[np.arange(len(outside)), labels[outside]]
            losses[place] += float(weights[outside] @ -np.log(np.maximum(right, TINY)))
    return STRENGTHS[int(np.argmin(losses))]


class FewShotHead(Method):
    """Freezes a pretrained encoder of texts or pictures and puts a simple head on its features.

    source  the folder of the pretrained model; empty (default): the one that the recipe's model names
    kind    prototype (default): a row is of the class whose mean is nearest; logistic: a logistic regression
    c       0.0001..10000: inverse penalty of the logistic regression; none (default): what held-out rows say
    """

    treats: ClassVar[frozenset[str]] = frozenset({"small_data"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text", "image"})
    questions: ClassVar[tuple[int, ...]] = (23, 10)
    reference: ClassVar[str] = "Snell, Swersky and Zemel, Prototypical Networks for Few-shot Learning, NeurIPS 2017"
    order: ClassVar[int] = 76
    networks: ClassVar[bool] = True
    needs: ClassVar[str] = "a pretrained model, which does not come with the package"
    rivals: ClassVar[frozenset[str]] = frozenset({"model_fusion", "incremental_training"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "logistic"})
    files: ClassVar[tuple[str, ...]] = ("source",)

    source: Annotated[str, Field(max_length=4096)] = ""
    kind: Literal["prototype", "logistic"] = "prototype"
    c: Annotated[float, Field(ge=1e-4, le=1e4)] | None = None

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not isinstance(model, PretrainedNetwork):
            return f"{model.name} has no pretrained form; text_encoder and image_network begin with a pretrained model"
        if not self.source and not model.pretrained_source():
            return "no pretrained model is named; give its folder as source"
        if any(
            method.name == "transfer_learning" and method.settings.get("trained", "none") != "none"
            for method in recipe.methods
        ):
            return "transfer_learning says what is trained of the encoder, and here nothing is; take one of them out"
        return beside(recipe, self.name)

    def model(self, model: Model) -> Model:
        assert isinstance(model, NetworkModel)
        return model.transferred(self.source, "none", 1)

    def learner(self, learner: Learner) -> Learner:
        return HeadLearner(the_family(learner, self.name), self.kind, self.c)
