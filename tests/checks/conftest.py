"""A context with scikit-learn behind it, and tables made on the spot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from threadpoolctl import threadpool_limits

from melior.data.schema import STORED_AS, Schema
from melior.data.table import Table
from melior.recipe import Recipe
from melior.texts.near import NearCopies, near_copies


@pytest.fixture(autouse=True)
def one_thread():
    """The threads of scikit-learn's trees wait far longer than they work where tests run side by side."""
    with threadpool_limits(1, "openmp"):
        yield


def table_of(
    columns: NDArray[Any] | dict[str, Any],
    labels: NDArray[Any] | None = None,
    *,
    kinds: dict[str, str] | None = None,
    unparsed: dict[str, dict[int, str]] | None = None,
    classes: Sequence[str] | None = None,
    row_ids: NDArray[np.int64] | None = None,
) -> Table:
    """A table from a matrix (columns x0, x1, ...) or from columns; numbers unless `kinds` says otherwise."""
    if not isinstance(columns, dict):
        columns = {f"x{j}": columns[:, j] for j in range(columns.shape[1])}
    said = {name: (kinds or {}).get(name, "number") for name in columns}
    frame = pl.DataFrame(
        {
            n: (pl.Series(v).cast(STORED_AS[said[n]]).fill_nan(None) if said[n] == "number"
                else pl.Series(v).cast(STORED_AS[said[n]]))
            for n, v in columns.items()
        }
    )  # fmt: skip
    coded = None
    names: tuple[str, ...] = ()
    if labels is not None:
        coded = np.asarray(labels, dtype=np.int32)
        many = int(coded.max()) + 1 if len(coded) and coded.max() >= 0 else 1
        names = tuple(classes) if classes else tuple(f"class {k}" for k in range(many))
    schema = Schema(said, "answer" if labels is not None else None, names)
    return Table.make(frame, schema, coded, unparsed=unparsed, row_ids=row_ids)


class SmallContext:
    """The context of the contract with scikit-learn models: 'linear' (logistic regression) or 'trees' (boosted)."""

    def __init__(
        self, table: Table, other: Table | None = None, *, family: str = "linear", recipe: Recipe | None = None,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.table, self.other, self.family, self.seed = table, other, family, seed
        self.recipe = recipe or Recipe()
        self.fits, self.targets = 0, 1
        self.folds, self.threads = 5, 1
        self._kept: dict[Any, Any] = {}

    @property
    def has_target(self) -> bool:
        return self.table.labels is not None

    def once(self, key: Any, make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def late(self) -> bool:
        return False

    def numbers(self) -> tuple[NDArray[np.float64], list[str]]:
        names = self.table.of_kind("number")
        if not names:
            return np.empty((len(self.table), 0)), names
        return np.column_stack([self.table.numbers(n) for n in names]), names

    def embedding(self) -> NDArray[np.float64]:
        def make() -> NDArray[np.float64]:
            parts = []
            values = self.numbers()[0]
            values = np.where(np.isfinite(values), values, np.nan)
            values = values[:, np.isfinite(values).any(axis=0)]
            if values.size:
                parts.append(RobustScaler().fit_transform(SimpleImputer(strategy="median").fit_transform(values)))
            for name in self.table.features():
                if self.table.schema.kinds[name] == "text":
                    words = TfidfVectorizer().fit_transform(self.table.column(name).fill_null("none").to_list())
                    parts.append(TruncatedSVD(min(8, words.shape[1] - 1), random_state=0).fit_transform(words))
            return np.hstack(parts) if parts else np.zeros((len(self.table), 1))

        return self.once("embedding", make)

    def neighbours(
        self, k: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        assert among is None, "these tables are small"

        def make() -> Any:
            found = NearestNeighbors(n_neighbors=k + 1).fit(self.embedding()).kneighbors(self.embedding())
            return found[0][:, 1:], found[1][:, 1:]

        return self.once(("neighbours", k), make)

    def near_texts(self, column: str) -> NearCopies:
        parts = [part.column(column) for part in (self.table, self.other) if part is not None]
        return self.once(("near", column), lambda: near_copies(pl.concat(parts), seed=self.seed))

    def model(self, columns: Sequence[str], family: str) -> Any:
        kinds = self.table.schema.kinds
        numbers = [c for c in columns if kinds[c] == "number"]
        categories = [c for c in columns if kinds[c] == "category"]
        if family == "trees":
            codes = OrdinalEncoder(encoded_missing_value=-1, handle_unknown="use_encoded_value", unknown_value=-2)
            steps = [("passthrough", numbers), (codes, categories)]
            last: Any = HistGradientBoostingClassifier(random_state=self.seed, max_iter=60, early_stopping=False)
        else:
            impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
            steps = [(make_pipeline(impute, StandardScaler()), numbers),
                     (OneHotEncoder(handle_unknown="ignore"), categories)]  # fmt: skip
            steps += [(TfidfVectorizer(min_df=2, sublinear_tf=True), c) for c in columns if kinds[c] == "text"]
            last = LogisticRegression(max_iter=300)
        return make_pipeline(make_column_transformer(*[s for s in steps if s[1]]), last)

    def frame(self) -> Any:
        def make() -> Any:
            import pandas as pd

            kinds = self.table.schema.kinds
            return pd.DataFrame({c: self.table.numbers(c) if kinds[c] == "number"
                                 else self.table.column(c).fill_null("" if kinds[c] == "text" else "(none)").to_list()
                                 for c in self.table.features() if kinds[c] != "time"})  # fmt: skip

        return self.once("frame", make).replace([np.inf, -np.inf], np.nan)

    def scored(self, columns: Sequence[str], family: str, folds: Any) -> NDArray[np.float64]:
        labels = self.table.given_labels()
        many = len(self.table.classes)
        found = np.full((len(labels), many), np.nan)
        frame = self.frame()[[c for c in columns if c in self.frame()]]
        for train, test in folds:
            train = train[labels[train] >= 0]
            if not frame.shape[1] or len(np.unique(labels[train])) < 2:
                found[test] = (np.bincount(labels[train], minlength=many) + 1) / (len(train) + many)
                continue
            self.fits += 1
            fitted = self.model(list(frame), family).fit(frame.iloc[train], labels[train])
            found[test] = 0
            found[np.ix_(test, fitted.classes_)] = fitted.predict_proba(frame.iloc[test])
        return found

    def dealt(self) -> list[Any]:
        labels = self.table.given_labels()
        kfold = StratifiedKFold(5, shuffle=True, random_state=self.seed)
        return list(kfold.split(np.zeros(len(labels)), labels))

    def out_of_fold(self) -> NDArray[np.float64]:
        return self.once("oof", lambda: self.scored(self.table.features(), self.family, self.dealt()))

    def fitting_best(self) -> NDArray[np.float64]:
        return self.out_of_fold()

    def in_sample(self) -> NDArray[np.float64]:
        everything = np.arange(len(self.table))
        return self.once("in", lambda: self.scored(self.table.features(), self.family, [(everything, everything)]))

    def tokens(self, column: str) -> tuple[NDArray[np.int64], int] | None:
        return None

    def metric_value(self, scores: NDArray[np.float64], which: NDArray[np.int64] | None = None) -> float:
        labels = self.table.given_labels()
        which = np.flatnonzero(labels >= 0) if which is None else which
        return float(f1_score(labels[which], scores[which].argmax(1), average="macro", zero_division=0))

    def score_without(self, columns: tuple[str, ...]) -> NDArray[np.float64]:
        kept = [c for c in self.table.features() if c not in columns]
        return self.once(("without", columns), lambda: self.scored(kept, self.family, self.dealt()))

    def score_of_column(self, column: str) -> NDArray[np.float64]:
        family = "trees" if self.table.schema.kinds[column] == "number" else "linear"

        def make() -> NDArray[np.float64]:
            if family == "linear":
                return self.scored([column], family, self.dealt())
            return small_tree(self, column)

        return self.once(("column", column), make)

    def score_of_columns(self, columns: tuple[str, ...]) -> NDArray[np.float64]:
        return self.once(("columns", columns), lambda: self.scored(list(columns), "trees", self.dealt()))

    def score_under(self, kind: str, column: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        def make() -> Any:
            values = self.table.column(column).cast(pl.String).fill_null("").to_numpy()
            if kind == "group":
                folds = list(GroupKFold(5, shuffle=True, random_state=self.seed).split(values, groups=values))
            else:
                order = np.argsort(self.table.column(column).to_numpy(), kind="stable")
                pieces = np.array_split(order, 6)
                folds = [(np.concatenate(pieces[:i]), pieces[i]) for i in range(1, 6)]
            scored = self.scored(self.table.features(), self.family, folds)
            return scored, np.flatnonzero(np.isfinite(scored[:, 0]))

        return self.once((kind, column), make)

    def out_of_fold_from(self, part: float) -> NDArray[np.float64]:
        def make() -> Any:
            labels = self.table.given_labels()
            rank = np.random.default_rng(self.seed).permutation(len(labels))

            def few(train: NDArray[np.int64]) -> NDArray[np.int64]:
                own = [train[labels[train] == k] for k in np.unique(labels[train][labels[train] >= 0])]
                return np.concatenate([k[np.argsort(rank[k])][: max(2, round(part * len(k)))] for k in own])

            return self.scored(self.table.features(), self.family, [(few(a), b) for a, b in self.dealt()])

        return self.out_of_fold() if part == 1 else self.once(("from", part), make)

    def scores_between(self, one: Table, two: Table) -> NDArray[np.float64]:
        from melior.recipe import Recipe
        from melior.trials.context import TableContext

        return TableContext(one, Recipe()).scores_between(one, two)


def small_tree(context: SmallContext, column: str) -> NDArray[np.float64]:
    """Out-of-fold class shares in the leaves of a small tree over one number column."""
    from sklearn.tree import DecisionTreeClassifier

    labels = context.table.given_labels()
    values = context.table.numbers(column)[:, None]
    values = np.where(np.isinf(values), np.nan, values)
    many = len(context.table.classes)
    found = np.zeros((len(labels), many))
    for train, test in context.dealt():
        train = train[labels[train] >= 0]
        leaf = max(5, len(train) // 50)
        fitted = DecisionTreeClassifier(min_samples_leaf=leaf, max_leaf_nodes=16).fit(values[train], labels[train])
        leaves = fitted.apply(values[train])
        prior = np.bincount(labels[train], minlength=many) / len(train)
        for leaf_number in np.unique(leaves):
            inside = np.bincount(labels[train][leaves == leaf_number], minlength=many)
            found[test[fitted.apply(values[test]) == leaf_number]] = (inside + prior) / (inside.sum() + 1)
    return found


@pytest.fixture
def make_table():
    return table_of


@pytest.fixture
def make_context():
    def make(columns: Any, labels: Any = None, *, other: Table | None = None, family: str = "linear",
             recipe: Recipe | None = None, **kwargs: Any) -> SmallContext:  # fmt: skip
        table = columns if isinstance(columns, Table) else table_of(columns, labels, **kwargs)
        return SmallContext(table, other, family=family, recipe=recipe)

    return make
