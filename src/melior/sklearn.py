"""The scikit-learn door: `melior improve` as a classifier for pipelines, cross-validation and searches.

>>> from sklearn.datasets import load_breast_cancer
>>> from melior.sklearn import ImprovedClassifier
>>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
>>> better = ImprovedClassifier(budget="60s", random_state=0).fit(X, y)      # doctest: +SKIP
>>> better.improvement_                                                      # doctest: +SKIP
>>> better.predict(X)                                                        # doctest: +SKIP
"""

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from melior.data.arrays import (
    class_names,
    column_of,
    frame_and_names,
    frame_of,
    free_name,
    is_frame,
    labels_of,
    weights_of,
)
from melior.data.files import usable_names
from melior.data.read import read, read_like
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.evidence import Evidence
from melior.findings import Finding
from melior.improvement.ask import nobody, taken_to_be_known
from melior.improvement.few import fit_plain, too_few
from melior.improvement.improve import improve_table
from melior.improvement.improvement import Improvement
from melior.improvement.last_fit import fit_all
from melior.improvement.looking import Parts
from melior.improvement.plan import known_names
from melior.improvement.repair import as_read
from melior.metrics.registry import metric as named_metric
from melior.models._base import resolve
from melior.predictor import Predictor
from melior.progress import Progress, lines, silent
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.storage import write_atomic
from melior.trials.run import content_hash
from melior.trials.threads import cores
from melior.verbs.improve import budget_seconds, write_improvement

SETTLED_ROWS = 500  # up to here the clock decides nothing: the same rows give the same answer


@dataclass(frozen=True)
class _Told:
    """What a report shows beside the outcome: rows, which are in no pickle."""

    parts: Parts
    plain: Predictor
    name: str


class ImprovedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Finds what is wrong with X and y, tries what treats it, and answers by what provably helps.

    `fit` does the whole job of `melior improve`: a part of the rows is sealed; the rest is looked at; columns that are
    the answer in disguise are left out; methods that treat what was found are tried beside the plain recipe on the
    same folds; those that are provably better are kept and scored once on the sealed rows. Where rows are too few for
    a proof (`melior.improvement.few`), the plain recipe is fitted and `notes_` say so.

    budget      how long `fit` may take, "60s", "5m", "1h" or seconds. Few rows take far less. The checks and the last
                fits are not cut short
    metric      what is to be better; a name of `melior.metrics`. `score` is scikit-learn's accuracy whatever it is
    model       a family of models, {family: settings}, or "auto": the best in a short trial
    attempt     names of methods to try whatever is found
    never       names of methods not to try
    margin      the smallest gain that matters, in units of the metric, >= 0
    thorough    use all of the budget, where proofs otherwise end after half a minute or some cross-validations
    test_size   share of the rows that is sealed, above 0 and at most 0.5
    folds       of the cross-validation on the other rows, 2..20
    repeats     how often it is repeated with other folds, 1..20; None: up to 5 times on few rows, where time allows
    columns     kinds of columns that are inferred otherwise, {"zip": "category"}; columns of an array are x0, x1, ...
    known_at_prediction   names of columns that are legitimate however much they look like the answer
    leaks       which columns that look like the answer are left out: "certain", or "suspected" ones too, which alone
                say more than all others together, as `melior improve` does. A warning names those left out; all
                are in `findings_`
    refit       fit the recipe that was found once more, on all rows. `improvement_` then speaks of the predictor before
                that, which saw only the rows that were not sealed; what it says of the sealed rows is as true for
                `predictor_`, which saw more, as a score of held-out rows ever is for a final fit
    n_jobs      trials side by side; None for 1, -1 for one a core
    random_state  seed of all draws. Up to 500 rows the same X, y and seed give the same predictor on the same versions
                of the libraries, unless a note says that the time ran out; beyond, the clock decides which candidate
                gets how many folds
    verbose     0: silent; 1: a line a stage; 2: a line a step

    After `fit`:

    classes_    (classes,) the labels, in the order of the columns of `predict_proba`
    predictor_  the predictor (`melior.Predictor`)
    recipe_     the recipe that it was fitted with
    findings_   what was found, the worst first (tuple of `melior.Finding`)
    evidence_   what was tried, with effects, intervals and verdicts (tuple of `melior.Evidence`)
    improvement_  the whole outcome (scores on the sealed rows before and after, repairs), which shows itself as text
                and as HTML; None where rows were too few
    notes_      what else is to be known, one sentence each
    n_features_in_, feature_names_in_   as everywhere in scikit-learn

    The answer is not always the most probable class: thresholds are a method that may help. There is no
    `decision_function`, since probabilities and answers are all that a predictor has.

    >>> import numpy as np
    >>> few = ImprovedClassifier(random_state=0).fit(np.array([[0.0], [1.0], [2.0], [3.0]]), ["no", "no", "yes", "yes"])
    >>> few.predict([[-1.0], [4.0]]).tolist()
    ['no', 'yes']
    >>> few.improvement_ is None
    True
    """

    def __init__(
        self,
        *,
        budget: str | float = "60s",
        metric: str = "macro_f1",
        model: str | Mapping[str, Any] = "auto",
        attempt: Sequence[str] = (),
        never: Sequence[str] = (),
        margin: float = 0.0,
        thorough: bool = False,
        test_size: float = 0.2,
        folds: int = 5,
        repeats: int | None = None,
        columns: Mapping[str, str] | None = None,
        known_at_prediction: Sequence[str] = (),
        leaks: Literal["certain", "suspected"] = "certain",
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.model = model
        self.attempt = attempt
        self.never = never
        self.margin = margin
        self.thorough = thorough
        self.test_size = test_size
        self.folds = folds
        self.repeats = repeats
        self.columns = columns
        self.known_at_prediction = known_at_prediction
        self.leaks = leaks
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> "ImprovedClassifier":
        """Improves on these rows.

        X              (rows, columns) an array, or a pandas or polars frame of numbers, categories, texts and times;
                       nan and None are missing
        y              (rows,) classes: texts, whole numbers or truth values
        sample_weight  (rows,) how much a row counts in a fit, >= 0; rows of weight 0 are left out. Scores count every
                       row once
        groups         (rows,) rows of one group are on one side of every split
        """
        started = time.monotonic()
        seconds, recipe = budget_seconds(self.budget), self._settings()
        progress = lines(seconds, every=self.verbose > 1) if self.verbose else silent
        progress("reading", 0, 1)
        frame = self._frame(X, reset=True)
        table, grouped = self._table(frame, y, sample_weight, groups)
        recipe = recipe.with_data(target=table.target)
        if grouped is not None:
            recipe = recipe.with_split(kind="group", column=grouped)
        named_metric(recipe.metric, table.classes)
        self._told: _Told | None = None
        few = too_few(table, recipe)
        if few:
            self.recipe_, self.predictor_ = fit_plain(recipe, table)
            self.findings_: tuple[Finding, ...] = ()
            self.evidence_: tuple[Evidence, ...] = ()
            self.improvement_: Improvement | None = None
            self.notes_ = (*table.notes, f"nothing was looked for or tried, the plain recipe was fitted: {few}.")
            return self
        self._improve(table, recipe, seconds - (time.monotonic() - started), progress)
        return self

    def _improve(self, table: Table, recipe: Recipe, seconds: float, progress: Progress) -> None:
        started = time.monotonic()
        workers = self._workers()
        found, parts, plain = improve_table(
            table,
            recipe,
            budget=max(seconds, 1.0),
            attempt=tuple(self.attempt),
            never=tuple(self.never),
            margin=self.margin,
            workers=workers,
            progress=progress,
            ask=nobody if self.leaks == "suspected" else taken_to_be_known,
            settled=table.rows <= SETTLED_ROWS,
            thorough=bool(self.thorough),
            refit=False,
        )
        notes = [*table.notes, *(repair.message for repair in found.repairs)]
        notes += [*([found.begins] if found.begins else []), *found.notes]
        self.predictor_, self.recipe_ = found.predictor, found.recipe
        if self.refit:
            self.predictor_ = fit_all(found.recipe, as_read(table, found.recipe), progress, threads=workers)
            own = found.rows["development"]
            notes.append(f"predictor_ was fitted on all {table.rows:,} rows; improvement_ is of one fitted on {own:,}")
        self.improvement_ = replace(found, seconds=time.monotonic() - started)
        self.findings_, self.evidence_, self.notes_ = found.findings, found.evidence, tuple(notes)
        self._told = _Told(parts, plain, table.name)
        for repair in found.repairs:
            if repair.symptom == "target_leakage":
                columns = ", ".join(map(repr, repair.columns))
                said = f"{repair.message}. To keep it: known_at_prediction=[{columns}]."
                warnings.warn(said, UserWarning, stacklevel=3)

    def predict(self, X: Any) -> NDArray[Any]:
        """(rows,) the answers, of the type of the labels in y."""
        rows = self._rows(X)
        found: NDArray[Any] = self.classes_[self.predictor_.answers(rows)]
        return found

    def predict_proba(self, X: Any) -> Floats:
        """(rows, classes) probabilities, in the order of `classes_`; each row sums to 1."""
        rows = self._rows(X)
        return self.predictor_.scores(rows)

    def report(self, path: str | Path) -> Path:
        """Writes the report of the improvement to an HTML file that is not there yet, and returns its path.

        It shows rows of X, which a pickled classifier does not have: write it before pickling.
        """
        check_is_fitted(self, "predictor_")
        path = Path(path)
        if self.improvement_ is None:
            raise UserError(f"there is nothing to report: {self.notes_[-1]}")
        if self._told is None:
            raise UserError("a report shows rows, which a pickled classifier does not have; write it before pickling.")
        if path.exists():
            raise UserError(f"{path} exists and is not overwritten; give another path.")
        with tempfile.TemporaryDirectory() as aside:
            rows = content_hash(self._told.parts.development, self._told.parts.sealed)
            run = Run.begin(Path(aside) / "run", "improve", self.recipe_, rows)
            write_improvement(run, self.improvement_, self._told.parts, self._told.plain, name=self._told.name)
            write_atomic(path, (run.folder / "report.html").read_bytes())
        return path

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_told" in state:
            state["_told"] = None
        return state

    def _workers(self) -> int:
        """Trials side by side; -2 is one less than there are cores, as everywhere in scikit-learn."""
        asked = self.n_jobs or 1
        return asked if asked > 0 else max(cores() + 1 + asked, 1)

    # ---- from what scikit-learn gives to a Table

    def _settings(self) -> Recipe:
        """The recipe that the arguments make; one sentence where one of them is wrong."""
        if not (isinstance(self.test_size, Real) and 0 < self.test_size <= 0.5):
            raise UserError(f"test_size: {self.test_size!r} is not above 0 and at most 0.5.")
        if self.leaks not in ("certain", "suspected"):
            raise UserError(f'leaks: {self.leaks!r} is neither "certain" nor "suspected".')
        if not (isinstance(self.margin, Real) and 0 <= self.margin < np.inf):
            raise UserError(f"margin: {self.margin!r} is not a number of 0 or more.")
        for name in ("attempt", "never", "known_at_prediction"):
            if isinstance(getattr(self, name), str):
                raise UserError(f"{name}: give a list, [{getattr(self, name)!r}].")
        both = [name for name in self.attempt if name in self.never]
        if both:
            raise UserError(f"attempt and never both name {both[0]}: take one of them out.")
        if not isinstance(self.verbose, Integral | np.bool_) or self.verbose < 0:
            raise UserError(
                f"verbose: {self.verbose!r} is none of 0 (silent), 1 (a line a stage) and 2 (a line a step)."
            )
        if self.n_jobs is not None and not (isinstance(self.n_jobs, Integral) and self.n_jobs != 0):
            raise UserError(f"n_jobs: {self.n_jobs!r} is no number of trials; give 1 or more, or -1 for one a core.")
        known_names(self.attempt, self.never)
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        recipe = Recipe.checked(
            {
                "data": {
                    "columns": {str(name): kind for name, kind in (self.columns or {}).items()},
                    "known_at_prediction": tuple(map(str, self.known_at_prediction)),
                },
                "split": {"sealed": self.test_size, "folds": self.folds, "repeats": self.repeats},
                "metric": self.metric,
                "model": dict(self.model) if isinstance(self.model, Mapping) else self.model,
                "seed": int(seed),
            },
            "ImprovedClassifier",
        )
        if recipe.model.name != "auto":
            resolve(recipe.model)
        return recipe

    def _frame(self, X: Any, *, reset: bool) -> pl.DataFrame:
        """The columns of X under names of their own: its names, or x0, x1, ... in an array."""
        if issparse(X):
            raise UserError(
                "X is a sparse matrix, and ImprovedClassifier reads columns with a meaning each; give the texts or "
                "categories that it was made of as a frame, or X.toarray() where it has few columns."
            )
        numbers: dict[str, str] = {}
        if is_frame(X):
            frame, given = frame_and_names(X)
            if hasattr(X, "iloc"):
                validate_data(self, X, reset=reset, skip_check_array=True)
            else:
                self._named(given, reset=reset)
        else:
            values = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
            given = [f"x{number}" for number in range(values.shape[1])]
            frame = frame_of(values, given)
            if values.dtype.kind in "biuf":  # nobody numbers rows in a matrix: all that is filled is measured
                filled = [name for name in given if frame.get_column(name).null_count() < frame.height]
                numbers = dict.fromkeys(filled, "number")
        if reset:
            self._names, self._numbers = usable_names(given)[0], numbers
        frame.columns = self._names
        return frame

    def _named(self, names: list[str], *, reset: bool) -> None:
        """What scikit-learn does with the names of a pandas frame, for others, which not all its versions read."""
        if reset:
            self.n_features_in_, self.feature_names_in_ = len(names), np.asarray(names, dtype=object)
        elif len(names) != self.n_features_in_:
            raise UserError(f"X has {len(names)} features, but fit had {self.n_features_in_}; give the same columns.")
        elif names != list(getattr(self, "feature_names_in_", names)):
            own, other = next(pair for pair in zip(names, self.feature_names_in_, strict=True) if pair[0] != pair[1])
            raise UserError(f'X has the column "{own}" where fit had "{other}"; give the same columns in order.')

    def _table(
        self, frame: pl.DataFrame, y: Any, sample_weight: ArrayLike | None, groups: ArrayLike | None
    ) -> tuple[Table, str | None]:
        """The rows to learn from, those of weight 0 left out, and the name of the column of groups."""
        labels = labels_of(y)
        for name, given in (("sample_weight", sample_weight), ("groups", groups)):
            if given is not None and np.asarray(given).ndim == 0:
                raise UserError(f"{name}: {given!r} is one value; give one a row, {frame.height:,} of them.")
        check_consistent_length(frame, labels, sample_weight, groups)
        for name in self.known_at_prediction:
            if str(name) not in frame.columns:
                raise UserError(f"known_at_prediction: {name!r} is no column of X.")
        target = free_name(str(getattr(y, "name", None) or "y"), frame.columns)
        kinds, grouped = {**self._numbers, **(self.columns or {})}, None
        if groups is not None:
            grouped = free_name("groups", [*frame.columns, target])
            frame = frame.with_columns(column_of(grouped, np.asarray(groups)))
            kinds[grouped] = "ignore"
        weights = None if sample_weight is None else weights_of(sample_weight)
        kept = np.arange(frame.height) if weights is None else np.flatnonzero(weights > 0)
        table = read(frame[kept], columns=kinds, name="X")
        self.classes_, codes = np.unique(labels[kept], return_inverse=True)
        schema = replace(table.schema, target=target, classes=class_names(self.classes_))
        table = replace(table.with_schema(schema).with_labels(codes.astype(np.int32)), row_ids=kept.astype(np.int64))
        if weights is not None and (weights[kept] != 1).any():
            table = table.with_weights(weights[kept])
        return table, grouped

    def _rows(self, X: Any) -> Table:
        """Rows to answer, read as those of `fit` were."""
        check_is_fitted(self, "predictor_")
        table = read_like(self._frame(X, reset=False), self.predictor_.schema, name="X")
        for note in table.notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        return table
