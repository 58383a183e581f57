"""Boosted trees (LightGBM) on numbers, categories, time parts, and texts and images in a few fitted dimensions."""

import threading
from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.features._base import Encoder, Matrix
from melior.features.blocks import Block, Blocks, Codes, Numbers, Times
from melior.features.images import ImageDimensions
from melior.features.selection import in_order
from melior.features.text_form import FORM, TextForm
from melior.features.texts import TextDimensions
from melior.models._base import MatrixScorer, Model, known_codes
from melior.models.linear import Constant, spread

BRIEF = {"rounds": 30, "leaves": 15, "learning_rate": 0.2}  # a third of the time, and less prone to learn wrong labels
MANY_CLASSES = 20  # from here on LightGBM's first steps can be so long that it never comes back (many_classes.py)
LONGEST_STEP = 10.0  # that a leaf says there, in logits, before the learning rate
FEW_ROWS = 20_000  # below this threads wait for one another longer than they work, minutes on a busy machine


class Trees(Model):
    """Gradient boosting over decision trees.

    Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.

    rounds          trees (times classes, for more than two), 1..10,000
    learning_rate   how much each tree adds, 0..1
    leaves          leaves of a tree, 2..1,024
    rows_in_leaf    fewest training rows in a leaf; auto: LightGBM's 20, fewer on tables of less than 1,000 rows, where
                    its bounds for categories are lower as well
    l1, l2          penalties on the values of leaves, >= 0
    text_dimensions dimensions of each text column
    text_form       also how texts are written: length, capitals, digits, marks
    image_dimensions dimensions of each image column
    stop_share      share of training rows that says when to stop; 0 trains all rounds
    stop_patience   rounds without a better loss there until it stops
    gains           column -> weight, >= 0: what a split of the column gains is multiplied by it; 0 leaves it out
    """

    kinds = frozenset({"number", "category", "language", "text", "image", "time"})
    can = frozenset({"row_weights", "l1_penalty", "l2_penalty", "early_stopping", "going_on", "feature_weights"})
    cost = 2

    rounds: Annotated[int, Field(ge=1, le=10_000)] = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    leaves: Annotated[int, Field(ge=2, le=1024)] = 31
    rows_in_leaf: Annotated[int, Field(ge=1)] | None = None
    l1: Annotated[float, Field(ge=0)] = 0.0
    l2: Annotated[float, Field(ge=0)] = 0.0
    text_dimensions: Annotated[int, Field(ge=1, le=512)] = 32
    text_form: bool = True
    image_dimensions: Annotated[int, Field(ge=1, le=728)] = 48
    stop_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    stop_patience: Annotated[int, Field(ge=1)] = 10
    gains: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(default_factory=dict)

    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        blocks: list[Block] = []
        numbers, times = table.of_kind("number"), table.of_kind("time")
        categories = table.of_kind("category", "language")
        if numbers:
            blocks.append(Numbers(numbers, scaled=False))
        if categories:
            blocks.append(Codes(categories))
        if times:
            blocks.append(Times(times, cyclic=False))
        for column in table.of_kind("text"):
            blocks.append(TextDimensions(column, dimensions=self.text_dimensions))
            if self.text_form:
                blocks.append(TextForm(column, scale=None))
        size = self.image_dimensions
        blocks += [ImageDimensions(column, dimensions=size, filled=False) for column in table.of_kind("image")]
        return Blocks(blocks)

    def seconds(self, table: Table) -> float:
        """Roughly: so many trees, each with a part that grows with the features and one with the cells."""
        times, texts, images = (len(table.of_kind(kind)) for kind in ("time", "text", "image"))
        features = len(table.of_kind("number", "category", "language")) + 6 * times
        features += texts * (self.text_dimensions + self.text_form * len(FORM)) + images * self.image_dimensions
        trees = self.rounds * (len(table.classes) if len(table.classes) > 2 else 1)
        return trees * (3e-4 + features * (1e-5 + 6e-9 * table.rows))

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
        import lightgbm

        present, codes = np.unique(labels, return_inverse=True)
        if len(present) < 2 or matrix.features == 0:
            return Constant.fitted(labels, weights, classes)
        settings = self._settings(matrix, len(present), seed, threads)
        rounds = self.rounds
        if self.stop_share > 0:
            rounds = self._rounds_until_stop(matrix, codes, weights, settings, seed)
        data = _dataset(matrix, codes, weights)
        booster = lightgbm.train(settings, data, num_boost_round=rounds)
        return TreesScorer(booster.model_to_string(num_iteration=-1), present, classes)

    def brief(self) -> Self:
        """Fewer and smaller trees, with larger steps."""
        return self.model_copy(update=BRIEF) if self.rounds * self.leaves > BRIEF["rounds"] * BRIEF["leaves"] else self

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
        """More trees after those of the earlier fit, each on what is still wrong in the further rows; as many as the
        amount says, since `stop_share` stops a fit from the beginning alone."""
        import lightgbm

        if not isinstance(start, TreesScorer):
            return self.fit(matrix, labels, weights, classes, seed=seed, threads=threads)
        codes = known_codes(labels, start.present, self.name)
        settings = self._settings(matrix, len(start.present), seed, threads)
        rounds = max(1, round(self.rounds * amount))
        before = lightgbm.Booster(model_str=start.text)
        booster = lightgbm.train(settings, _dataset(matrix, codes, weights), num_boost_round=rounds, init_model=before)
        return TreesScorer(booster.model_to_string(num_iteration=-1), start.present, classes)

    def _settings(self, matrix: Matrix, present: int, seed: int, threads: int) -> dict[str, Any]:
        usual = int(np.clip(matrix.rows // 50, 2, 20))
        # LightGBM's own bounds for categories (10, 10, 100) keep it from splitting by one on few rows; they fall with
        # the rows as the fewest of a leaf do (benchmarks/categories.py), and from 1,000 rows on they are LightGBM's
        categories = {"cat_smooth": usual / 2, "cat_l2": usual / 2, "min_data_per_group": 5 * usual}
        # a weight a feature, in their order
        weighed = {"feature_contri": [self.gains.get(one, 1.0) for one in matrix.sources]} if self.gains else {}
        return {
            **weighed,
            **categories,
            "objective": "binary" if present == 2 else "multiclass",
            **({} if present == 2 else {"num_class": present}),
            **({"max_delta_step": LONGEST_STEP} if present >= MANY_CLASSES else {}),
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": usual if self.rows_in_leaf is None else self.rows_in_leaf,
            "lambda_l1": self.l1,
            "lambda_l2": self.l2,
            "seed": seed,
            "num_threads": threads if matrix.rows >= FEW_ROWS else 1,
            "deterministic": True,  # the same trees for any number of threads
            "force_col_wise": True,
            "verbosity": -1,
        }

    def _rounds_until_stop(
        self, matrix: Matrix, codes: NDArray[Any], weights: Floats | None, settings: dict[str, Any], seed: int
    ) -> int:
        """How many rounds a part of the training rows finds best; all rows are then used for the fit itself."""
        import lightgbm

        held = _stratified_part(codes, self.stop_share, seed, _alike(matrix))
        if not held.any():
            return self.rounds
        data = _dataset(matrix.take(~held), codes[~held], None if weights is None else weights[~held])
        valid = _dataset(matrix.take(held), codes[held], None if weights is None else weights[held], data)
        stop = lightgbm.early_stopping(self.stop_patience, verbose=False)
        booster = lightgbm.train(settings, data, num_boost_round=self.rounds, valid_sets=[valid], callbacks=[stop])
        return max(int(booster.best_iteration), 1)

    def penalized(self, *, l1: float | None = None, l2: float | None = None) -> Self:
        if l1 is not None:
            return self.model_copy(update={"l1": self.l1 + l1})
        assert l2 is not None
        return self.model_copy(update={"l2": self.l2 + 10 * l2})

    def early_stopped(self, share: float, patience: int) -> Self:
        return self.model_copy(update={"stop_share": share, "stop_patience": patience})

    def with_feature_weights(self, weights: Mapping[str, float]) -> Self:
        return self.model_copy(update={"gains": {**self.gains, **weights}})


def _dataset(matrix: Matrix, codes: NDArray[Any], weights: Floats | None, like: Any = None) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        matrix.values,
        label=codes,
        weight=weights,
        reference=like,
        categorical_feature=list(matrix.categorical) or "auto",
        params={"verbosity": -1},
        free_raw_data=True,
    )


def _alike(matrix: Matrix) -> Rows:
    """(rows,) the same number for rows that are equal in all features."""
    if matrix.sparse:
        return np.arange(matrix.rows)
    values = np.ascontiguousarray(matrix.values + 0.0)  # + 0.0: minus zero is zero
    keys = values.view(np.dtype((np.void, values.shape[1] * values.itemsize)))[:, 0]
    return in_order(np.unique(keys, return_inverse=True)[1])


def _stratified_part(codes: NDArray[Any], share: float, seed: int, alike: Rows) -> NDArray[np.bool_]:
    """A mask of about this share of each class, rows that are alike together: copies of a row that was drawn more often
    would say that more trees are always better. A class of one row stays in training."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        which = in_order(alike[own])
        distinct = int(which.max()) + 1
        take = min(round(share * distinct), distinct - 1)
        held[own] = np.isin(which, random.permutation(distinct)[:take])
    return held


class TreesScorer(MatrixScorer):
    """The trees as LightGBM's text, and the classes seen in training."""

    def __init__(self, text: str, present: NDArray[Any], classes: int) -> None:
        self.text = text
        self.present = np.asarray(present, dtype=np.int32)
        self.classes = classes

    def scores(self, matrix: Matrix) -> Floats:
        import lightgbm

        if not matrix.rows:
            return np.zeros((0, self.classes))
        booster = getattr(self, "_booster", None)
        if booster is None:
            booster = self._booster = lightgbm.Booster(model_str=self.text)
        # LightGBM's number of threads is one for the whole process: changed by a prediction, it breaks what another
        # trial builds at the same moment
        alone = threading.current_thread() is threading.main_thread()
        known = np.asarray(booster.predict(matrix.values, num_threads=0 if alone else 1))
        if len(self.present) == 2:
            known = np.column_stack([1 - known, known])
        return spread(known, self.present, self.classes)
