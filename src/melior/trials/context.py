"""What checks ask of their surroundings, each expensive thing computed once (see `melior.checks._base.Context`)."""

import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.schema import Schema
from melior.data.splits import Fold, folds
from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.features.neighbours import EXACT, REFERENCE, nearest, sample_positions
from melior.methods._base import methods
from melior.methods._base import resolve as chosen_methods
from melior.metrics import Metric, one_hot
from melior.metrics.registry import metric
from melior.models._base import Model, families, resolve
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe, Split
from melior.runs.study import agreed
from melior.texts.near import NearCopies, near_copies
from melior.trials.family import ROWS, some_rows
from melior.trials.fit import fit
from melior.trials.shared import Shared
from melior.trials.threads import cores, one_thread_each

T = TypeVar("T")

FOLDS = 5
COLUMN_FOLDS = 3  # a single column's model is small; three folds rank columns as five do
NEIGHBOURS = 20  # searched for at once
MOST_TRAINING = 30_000  # rows that a model of the checks learns from; all rows are scored
WORTH = 0.97  # of the loss: another scale that gains less is not worth four more fits
SKEWED = 2.0  # skewness; 0 for a normal distribution, 2 for an exponential one
SMALL_TEXT = Choice(name="linear")
SMALL_TREES = Choice(name="trees", settings={"rounds": 40, "leaves": 8})


FARTHEST = 1e9  # robust standard deviations: squares of it can be added up


def _made_once(kept: dict[Any, Any], key: Any, make: Callable[[], T]) -> T:
    if key not in kept:
        kept[key] = make()
    found: T = kept[key]
    return found


class TableContext:
    """A table with everything that checks may ask about it."""

    def __init__(self, table: Table, recipe: Recipe, *, other: Table | None = None, folds: int = FOLDS) -> None:
        self.table = table
        self.folds = folds
        self.threads = cores()
        self.other = other
        self.recipe = recipe
        self.seed = recipe.seed
        self._kept: dict[Any, Any] = {}
        self._of_rows: dict[Any, Any] = {}  # what has nothing to do with the target
        self._shared = Shared()
        self.notes: list[str] = []  # what was drawn rather than looked at whole
        self.targets = 1
        self.deadline: float | None = None  # by time.monotonic(), for checks that look at many labels

    def late(self) -> bool:
        deadline = self.deadline
        if deadline is None or not agreed("labels are late", lambda: time.monotonic() >= deadline, each=True):
            return False
        self._note("leaks and wrong labels were not looked for at all labels, because the time ran out.")
        return True

    def of_label(self, code: int, targets: int) -> "TableContext":
        def make() -> TableContext:
            label = self.table.classes[code]
            schema = replace(self.table.schema, classes=(f"not {label}", label), label_sets=None)
            own = self.table.given_label_matrix()[:, code].astype(np.int32)
            recipe = self.recipe.model_copy(update={"metric": "macro_f1"})
            found = TableContext(
                replace(self.table, schema=schema, labels=own, label_matrix=None), recipe, folds=self.folds
            )
            found._of_rows, found.notes, found.targets = self._of_rows, self.notes, targets
            return found

        return self._once(("label", code, targets), make)

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        return _made_once(self._kept, key, make)

    def _once_of_rows(self, key: Any, make: Callable[[], T]) -> T:
        return _made_once(self._of_rows, key, make)

    def _note(self, said: str) -> None:
        if said not in self.notes:
            self.notes.append(said)

    def _learnt(self, rows: Rows) -> Rows:
        """The rows that a model learns from: all of them, or as many as are enough to tell what is wrong."""
        if len(rows) <= MOST_TRAINING:
            return rows
        self._note(f"the checks' models learned from {MOST_TRAINING:,} drawn rows each, because there are so many.")
        return rows[sample_positions(len(rows), MOST_TRAINING, self.seed)]

    # ---- rows

    @property
    def has_target(self) -> bool:
        return self.table.labels is not None

    def numbers(self) -> tuple[NDArray[np.float64], list[str]]:
        names = self.table.of_kind("number")

        def make() -> NDArray[np.float64]:
            if not names:
                return np.empty((self.table.rows, 0))
            return np.column_stack([self.table.numbers(name) for name in names])

        return self._once_of_rows("numbers", make), names

    def embedding(self) -> NDArray[np.float64]:
        return self._once_of_rows("embedding", self._embedding)

    def _embedding(self) -> NDArray[np.float64]:
        from melior.features.blocks import OneHot
        from melior.features.images import ImageDimensions
        from melior.features.texts import TextDimensions

        parts: list[NDArray[np.float64]] = []
        values, names = self.numbers()
        if names:
            with np.errstate(all="ignore"):
                known = np.where(np.isfinite(values), values, np.nan)
                centre = np.array([np.nanmedian(v) if np.isfinite(v).any() else 0.0 for v in known.T])
                low, high = (
                    np.array([np.nanquantile(v, q) if np.isfinite(v).any() else 0.0 for v in known.T])
                    for q in (0.25, 0.75)
                )
                # the interquartile range of a normal distribution is 1.349 standard deviations; halves of the largest
                # numbers that there are can be subtracted
                spread = np.where(high > low, 2 * (high / 1.349 / 2 - low / 1.349 / 2), 1.0)
                scaled = (known - centre) / spread
            parts.append(np.clip(np.nan_to_num(scaled, nan=0.0), -FARTHEST, FARTHEST))
        for column in self.table.of_kind("category", "language"):
            hot = OneHot(column, most=50).fit(self.table, self.seed).transform(self.table).toarray()
            parts.append(hot / np.sqrt(2))  # two rows of different categories are at distance 1
        for column in self.table.of_kind("text"):
            flat = TextDimensions(column, dimensions=16).fit(self.table, self.seed).transform(self.table)
            if flat.shape[1]:
                parts.append(flat / max(float(flat.std(axis=0).max()), 1e-9))
        for column in self.table.of_kind("image"):
            shown = ImageDimensions(column, dimensions=16, scale=1.0).fit(self.table, self.seed)
            parts.append(shown.transform(self.table)[:, : len(shown.axes)])  # what it shows; sizes have a check
        return np.hstack(parts) if parts else np.zeros((self.table.rows, 1))

    def neighbours(self, k: int, among: Rows | None = None) -> tuple[Floats, Rows]:
        if among is not None:
            return nearest(self.embedding()[among], k, seed=self.seed, threads=self.threads)
        # most checks ask for a few: one search serves them all
        wanted = max(k, NEIGHBOURS)
        distances, found = self._once_of_rows(
            ("neighbours", wanted), lambda: nearest(self.embedding(), wanted, seed=self.seed, threads=self.threads)
        )
        if self.table.rows > EXACT:
            self._note(f"rows are compared with {REFERENCE:,} drawn ones, because there are so many.")
        return distances[:, :k], found[:, :k]

    def near_texts(self, column: str) -> NearCopies:
        def make() -> NearCopies:
            texts = self.table.column(column)
            if self.other is not None and column in self.other.frame.columns:
                texts = pl.concat([texts, self.other.column(column)])
            return near_copies(texts, seed=self.seed)

        return self._once_of_rows(("near texts", column), make)

    # ---- models

    @property
    def labelled(self) -> Rows:
        return self._once("labelled", lambda: np.flatnonzero(self.table.given_labels() >= 0))

    def metric(self) -> Metric:
        name = self.recipe.metric if self.recipe.metric != "auto" else "macro_f1"
        several = self.table.multilabel
        return self._once("metric", lambda: metric(name, self.table.classes, multilabel=several))

    def model(self) -> Model:
        """The recipe's family; where it says auto, logistic regression for texts, else the family of lower loss, as it
        is fitted quickly (`Model.brief`): a dozen questions are asked of it before anything is tried."""
        return self._once("model", self._model)

    def _model(self) -> Model:
        if self.recipe.model.name != "auto":
            return resolve(self.recipe.model)
        known = families()
        if self.table.of_kind("text") or "trees" not in known:
            return known["linear"]()
        quick = (known[name]().brief() for name in ("linear", "trees"))
        suited = [family for family in quick if family.unsuitable(self.table) is None]
        if len(suited) < 2:
            return suited[0] if suited else known["linear"]()
        few = self
        if len(self.labelled) > ROWS:
            labelled = self.table.take(self.labelled)
            few = TableContext(labelled.take(some_rows(labelled, self.seed)), self.recipe)
        codes = few.table.given_labels()[few.labelled]

        def loss(model: Model) -> float:
            scores = few._crossed(few.table, model, FOLDS)[few.labelled]
            return float(-np.log(np.maximum(scores[np.arange(len(codes)), codes], 1e-12)).mean())

        return min(suited, key=loss)

    def ahead(self) -> float:
        """About how many seconds the first question to a model takes; 0 once one was asked."""
        if "model" in self._kept:
            return 0.0
        if self.recipe.model.name != "auto":
            model = resolve(self.recipe.model)
        else:
            model = families()["linear" if self.table.of_kind("text") else "trees"]().brief()
        few = self.table.take(np.arange(min(self.table.rows, MOST_TRAINING)))
        return model.seconds(few) * (self.folds - 1) / min(self.threads, self.folds)

    def _recipe(self, model: Model) -> Recipe:
        settings = model.model_dump(exclude_defaults=True)
        return self.recipe.model_copy(
            update={"model": Choice(name=model.name, settings=settings), "methods": (), "metric": self.metric().name}
        )

    def _crossed(self, table: Table, model: Model, number: int) -> Floats:
        """Out-of-fold scores of every row; rows without a label by the mean of the folds' models."""

        def make() -> Floats:
            split = Split(kind="stratified", folds=number, repeats=1)
            parts = folds(table.take(self.labelled), split, self.seed)
            scores, _, first = self._by_folds(table, self._recipe(model), parts)
            if table is self.table:
                self._kept["fitted", *key] = first
            return scores

        key = self._key(table, model, number)
        return self._once(key, make)

    @staticmethod
    def _key(table: Table, model: Model, number: int) -> tuple[Any, ...]:
        return ("crossed", tuple(table.schema.kinds.items()), model.name, model.model_dump_json(), number)

    def _by_folds(
        self, table: Table, recipe: Recipe, parts: list[Fold], few: Callable[[Fold], Rows] | None = None
    ) -> tuple[Floats, Rows, tuple[Predictor, Rows]]:
        """Scores of the rows that some fold tests, by what it trains on (`few`: which of it), their positions, and what
        the first fold gave with the rows that it learned from."""
        scores = np.zeros((table.rows, len(table.classes)))
        times = np.zeros(table.rows)
        unlabelled = np.flatnonzero(table.given_labels() < 0)

        def scored_by(fold: Fold) -> tuple[Rows, Floats, Predictor, Rows]:
            with one_thread_each():
                learnt = self._learnt(self.labelled[fold.train if few is None else few(fold)])
                train = table.take(learnt)
                predictor = fit(recipe, train, shared=self._shared, threads=1)
                where = np.concatenate([self.labelled[fold.test], unlabelled])
                return where, predictor.scores(table.take(where)), predictor, learnt

        first = None
        with ThreadPoolExecutor(cores()) as pool:
            # added up in the order of the folds, whoever ends first
            for where, found, predictor, learnt in pool.map(scored_by, parts):
                scores[where] += found
                times[where] += 1
                first = first or (predictor, learnt)
        scored = np.flatnonzero(times > 0)
        scores[scored] /= times[scored, None]
        assert first is not None
        return scores, scored, first

    def out_of_fold(self) -> Floats:
        return self._crossed(self.table, self.model(), self.folds)

    def fitting_best(self) -> Floats:
        plain = self.out_of_fold()
        power = Choice(name="normalization", settings={"kind": "power"})
        scaling = methods()[power.name].model_validate(power.settings)
        if not self._skewed() or scaling.unsuitable(self.recipe, self.table, self.model()):
            return plain

        def loss(scores: Floats, rows: Rows) -> float:
            return float(-np.log(np.maximum(scores[rows, self.table.given_labels()[rows]], 1e-12)).mean())

        def make() -> Floats:
            split = Split(kind="stratified", folds=self.folds, repeats=1)
            parts = folds(self.table.take(self.labelled), split, self.seed)
            recipe = self._recipe(self.model()).with_methods(power)
            # the first fold tells whether the others are worth their time
            first = self.labelled[parts[0].test]
            if loss(self._by_folds(self.table, recipe, parts[:1])[0], first) >= WORTH * loss(plain, first):
                return plain
            return self._by_folds(self.table, recipe, parts)[0]

        return min((plain, self._once("scaled", make)), key=lambda scores: loss(scores, self.labelled))

    def _skewed(self) -> bool:
        """Whether a number column leans so far that its scale may be what a linear model fails on."""
        from scipy.stats import skew

        values, _ = self.numbers()
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, of a column with one value
            return bool((np.abs(np.nan_to_num(skew(values, axis=0, nan_policy="omit"))) > SKEWED).any())

    def in_sample(self) -> Floats:
        def make() -> Floats:
            self.out_of_fold()
            predictor, learnt = self._kept["fitted", *self._key(self.table, self.model(), self.folds)]
            scores = np.full((self.table.rows, len(self.table.classes)), np.nan)
            with one_thread_each():
                scores[learnt] = predictor.scores(self.table.take(learnt))
            return scores

        return self._once("in_sample", make)

    def tokens(self, column: str) -> tuple[NDArray[np.int64], int] | None:
        if self.recipe.model.name == "auto":
            return None  # it picks among families that read all
        reader = self._once("reader", self._reader)
        limit = reader.token_limit(self.table)
        if limit is None:
            return None
        return self._once(("tokens", column), lambda: reader.tokens(self.table.column(column))), limit

    def _reader(self) -> Model:
        """The recipe's family as its methods change it: chunking and sparse attention read more of a text."""
        model = self.model()
        for method in chosen_methods(self.recipe.methods):
            if method.refused(self.recipe, self.table, model) is None:
                model = method.model(model)
        return model

    def metric_value(self, scores: Floats, which: Rows | None = None) -> float:
        rows = self.labelled if which is None else which[self.table.given_labels()[which] >= 0]
        truth = one_hot(self.table.given_labels()[rows], len(self.table.classes))
        return self.metric().measure(truth, scores[rows], scores[rows].argmax(axis=1))

    def score_without(self, columns: tuple[str, ...]) -> Floats:
        table = self.table.without_columns(columns)
        if self.model().unsuitable(table) is not None:
            return self._shares()
        return self._crossed(table, self.model(), self.folds)

    def score_without_phrases(self, column: str, phrases: tuple[str, ...]) -> Floats:
        table = self.table.without_phrases({column: phrases})
        key = ("without phrases", column, phrases)
        return self._once(key, lambda: TableContext(table, self.recipe)._crossed(table, self.model(), self.folds))

    def score_of_column(self, column: str) -> Floats:
        return self.score_of_columns((column,))

    def score_of_columns(self, columns: tuple[str, ...]) -> Floats:
        own = self.table.schema.kinds
        kept = {name: "category" if own[name] in ("id", "language") else own[name] for name in columns}
        kinds = {name: kept.get(name, "ignore") for name in own}
        table = self.table.with_schema(replace(self.table.schema, kinds=kinds))
        small = resolve(SMALL_TEXT if "text" in kept.values() else SMALL_TREES)
        if small.unsuitable(table) is not None:
            return self._shares()
        return self._crossed(table, small, COLUMN_FOLDS)

    def score_under(self, kind: Literal["group", "time"], column: str) -> tuple[Floats, Rows]:
        def make() -> tuple[Floats, Rows]:
            split = Split(kind=kind, column=column, folds=self.folds, repeats=1)
            try:
                parts = folds(self.table.take(self.labelled), split, self.seed)
            except UserError:  # too few groups or times for such folds: nothing can be said
                return np.zeros((self.table.rows, len(self.table.classes))), np.empty(0, dtype=np.int64)
            return self._by_folds(self.table, self._recipe(self.model()), parts)[:2]

        return self._once(("under", kind, column), make)

    def out_of_fold_from(self, part: float) -> Floats:
        if not 0 < part <= 1:
            raise ValueError(f"a part of the training rows must be above 0 and at most 1, not {part}")
        if part == 1:
            return self.out_of_fold()

        def make() -> Floats:
            codes = self.table.given_labels()[self.labelled]
            # every class in random order once for all parts: the first rows of each are the nested part
            order = np.random.default_rng([self.seed, 41]).permutation(len(codes))
            rank = np.argsort(order)

            def few(fold: Fold) -> Rows:
                kept = []
                for code in np.unique(codes[fold.train]):
                    own = fold.train[codes[fold.train] == code]
                    kept.append(own[np.argsort(rank[own])][: max(2, round(part * len(own)))])
                return np.sort(np.concatenate(kept))

            parts = folds(
                self.table.take(self.labelled), Split(kind="stratified", folds=self.folds, repeats=1), self.seed
            )
            return self._by_folds(self.table, self._recipe(self.model()), parts, few)[0]

        return self._once(("from", part), make)

    def scores_between(self, one: Table, two: Table) -> Floats:
        kinds = {
            name: kind if kind != "time" and name in two.frame.columns else "ignore"
            for name, kind in one.schema.kinds.items()
        }
        names = [name for name in one.frame.columns if name in two.frame.columns]
        frame = pl.concat([one.frame.select(names), two.frame.select(names)], how="vertical_relaxed")
        schema = Schema({name: kinds[name] for name in names if name in kinds}, "part", ("one", "two"))
        labels = np.repeat(np.array([0, 1], dtype=np.int32), [one.rows, two.rows])
        both = TableContext(Table.make(frame, schema, labels), Recipe(seed=self.seed, model=SMALL_TREES))
        if both.model().unsuitable(both.table) is not None:
            return np.full(both.table.rows, two.rows / max(1, both.table.rows))
        scores: Floats = both._crossed(both.table, both.model(), COLUMN_FOLDS)[:, 1]
        return scores

    def _shares(self) -> Floats:
        """The classes' shares for every row: what is known without any column."""
        counts = np.array(list(self.table.target_counts().values()), dtype=np.float64)
        return np.tile(counts / counts.sum(), (self.table.rows, 1))
