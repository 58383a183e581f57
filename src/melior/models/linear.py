"""Logistic regression on numbers, one-hot categories, time parts, TF-IDF terms and images in a few fitted dimensions;
sparse from reading to fitting."""

import warnings
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, softmax

from melior.data.table import Floats, Labels, Table, characters_of
from melior.features._base import Encoder, Matrix
from melior.features.blocks import Block, Blocks, Numbers, OneHot, Times
from melior.features.images import ImageDimensions
from melior.features.text_form import TextForm
from melior.features.texts import Terms
from melior.models._base import MatrixScorer, Model, known_codes

FORM_SCALE = 0.5  # of how texts are written beside their words, of which each weighs far less
SHORT_TEXT = 40  # characters on average; where they are no more, runs of them cost little
FEW_CHARACTERS = 2_000_000  # in a column; beyond, runs of characters take four times as long for a gain that gets less


class Linear(Model):
    """Logistic regression (multinomial for more than two classes).

    c           inverse strength of the penalty, > 0; larger fits closer
    l1          share of the penalty that is L1, 0..1: 1 sets weights of useless features to zero
    longest     longest run of words that is a term, 1..5
    characters  also runs of 2 to 4 characters: true, false, or auto (where texts are short, or two million at most)
    most_terms  at most so many terms a column
    text_scale  length of a text's vector; larger penalises terms less than other features
    text_form   also how texts are written: length, capitals, digits, marks
    image_dimensions  dimensions of each image column
    rounds      of the solver at most, >= 1
    """

    kinds = frozenset({"number", "category", "language", "text", "image", "time"})
    can = frozenset({"row_weights", "l1_penalty", "l2_penalty", "going_on"})
    cost = 1

    c: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    l1: Annotated[float, Field(ge=0, le=1)] = 0.0
    longest: Annotated[int, Field(ge=1, le=5)] = 2
    characters: Literal["auto"] | bool = "auto"
    most_terms: Annotated[int, Field(ge=1)] = 100_000
    text_scale: Annotated[float, Field(gt=0, le=100)] = 3.0
    text_form: bool = True
    image_dimensions: Annotated[int, Field(ge=1, le=728)] = 150
    rounds: Annotated[int, Field(ge=1)] = 500

    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        blocks: list[Block] = []
        numbers = table.of_kind("number")
        if numbers:
            blocks.append(Numbers(numbers, scaled=True))  # again after a step: missing values are filled here
        blocks += [OneHot(column) for column in table.of_kind("category", "language")]
        times = table.of_kind("time")
        if times:
            blocks.append(Times(times, cyclic=True))
        for column in table.of_kind("text"):
            blocks.append(Terms(column, longest=self.longest, most=self.most_terms, scale=self.text_scale))
            if self.reads_characters(table, column):
                blocks.append(
                    Terms(column, unit="characters", shortest=2, longest=4, most=self.most_terms, scale=self.text_scale)
                )
            if self.text_form:
                blocks.append(TextForm(column, scale=FORM_SCALE))
        blocks += [ImageDimensions(column, dimensions=self.image_dimensions) for column in table.of_kind("image")]
        return Blocks(blocks)

    def reads_characters(self, table: Table, column: str) -> bool:
        """Whether runs of characters of a text column are terms too."""
        if self.characters != "auto":
            return self.characters
        mean, whole = table.amounts.get(column) or characters_of(table.column(column))
        return mean < SHORT_TEXT or whole <= FEW_CHARACTERS

    def seconds(self, table: Table) -> float:
        """Roughly: terms are counted, then some fifty rounds, each with a part that grows with the weights and one with
        the terms that the rows have."""
        plain = 2 * len(table.of_kind("number", "category", "language", "time"))
        plain += self.image_dimensions * len(table.of_kind("image"))
        weights, cells, characters = float(plain), float(plain * table.rows), 0.0
        for column in table.of_kind("text"):
            length = float(table.column(column).str.len_chars().sum() or 0)
            runs = 3 * length if self.reads_characters(table, column) else 0.0
            terms = length / 6 * self.longest + runs
            weights += min(self.most_terms, terms**0.75)
            cells, characters = cells + terms, characters + length + runs
        each = len(table.classes) if len(table.classes) > 2 else 1
        return 2e-7 * characters + min(self.rounds, 50) * each * (1e-7 * weights + 3e-9 * cells)

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
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        present = np.unique(labels)
        if len(present) < 2 or matrix.features == 0:
            return Constant.fitted(labels, weights, classes)
        # lbfgs cannot do L1; liblinear can for two classes, saga for more
        solver = "lbfgs" if self.l1 == 0 else "liblinear" if self.l1 == 1 and len(present) == 2 else "saga"
        estimator = LogisticRegression(
            C=self.c, l1_ratio=self.l1, solver=solver, max_iter=self.rounds, tol=1e-4, random_state=seed
        )
        with warnings.catch_warnings():
            # stopped after `rounds`: the weights are usable, and more rounds change the score in the fourth digit
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(matrix.values, labels, sample_weight=weights)
        return LinearScorer(estimator.coef_, estimator.intercept_, present, classes)

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
        """The penalty, squared here whatever `l1` says, pulls to the weights of the earlier fit instead of to 0, the
        more the smaller the amount."""
        if not isinstance(start, LinearScorer):
            return self.fit(matrix, labels, weights, classes, seed=seed, threads=threads)
        from melior.models._pulled import pulled_fit

        codes = known_codes(labels, start.present, self.name)
        found = pulled_fit(
            matrix.values, codes, weights, start.coef, start.intercept, c=self.c * amount, rounds=self.rounds
        )
        return LinearScorer(*found, start.present, classes)

    def penalized(self, *, l1: float | None = None, l2: float | None = None) -> Self:
        strength = l1 if l1 is not None else l2
        assert strength is not None
        return self.model_copy(update={"c": self.c / strength, "l1": 1.0 if l1 is not None else self.l1})


class LinearScorer(MatrixScorer):
    """Weights (one row for two classes, else one a class), intercepts, and the classes seen in training."""

    def __init__(self, coef: NDArray[Any], intercept: NDArray[Any], present: NDArray[Any], classes: int) -> None:
        # in the order in which a file gives it back: products in the other one differ in their last bits on some CPUs
        self.coef = np.ascontiguousarray(coef, dtype=np.float64)
        self.intercept = np.asarray(intercept, dtype=np.float64)
        self.present = np.asarray(present, dtype=np.int32)
        self.classes = classes

    def scores(self, matrix: Matrix) -> Floats:
        margins = np.asarray(matrix.values @ self.coef.T) + self.intercept
        if len(self.present) == 2:
            second = expit(margins[:, 0])
            known = np.column_stack([1 - second, second])
        else:
            known = softmax(margins, axis=1)
        return spread(known, self.present, self.classes)


class Constant(MatrixScorer):
    """The shares of the classes, for every row alike: all that can be learned from one class or no feature."""

    def __init__(self, shares: NDArray[Any]) -> None:
        self.shares = shares

    @classmethod
    def fitted(cls, labels: Labels, weights: Floats | None, classes: int) -> Self:
        counted = np.bincount(labels, weights=weights, minlength=classes).astype(np.float64)
        return cls(counted / counted.sum())

    def scores(self, matrix: Matrix) -> Floats:
        return np.tile(self.shares, (matrix.rows, 1))


def spread(known: NDArray[Any], present: NDArray[Any], classes: int) -> Floats:
    """Scores of the classes seen in training into a matrix with a column for every class."""
    if len(present) == classes:
        return np.asarray(known, dtype=np.float64)
    scores = np.zeros((len(known), classes))
    scores[:, present] = known
    return scores
