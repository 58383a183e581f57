"""Fits one recipe on one set of training rows: the hooks of its methods in order, around its family."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from melior.data.table import Floats, Labels, Rows, Table, said_row
from melior.errors import UserError
from melior.features._base import Matrix, MatrixStep, TableStep
from melior.methods._base import Method, check
from melior.methods._done import Done
from melior.models._base import Encoding, FamilyLearner, FitContext, Learner, Model, resolve
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe, Split
from melior.storage import Fitted, pack
from melior.trials.shared import Shared
from melior.trials.together import STRATIFIED, inner_folds

T = TypeVar("T")


def key_of(value: Any) -> str:
    """A short name of a step, encoder or model: the same for the same settings."""
    if isinstance(value, Model):
        return f"{value.name}{value.model_dump_json()}{value.taught}"
    if isinstance(value, Fitted):
        arrays: dict[str, Any] = {}
        tree = json.dumps(pack(value, arrays), sort_keys=True)
        for array in arrays.values():
            tree += hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return tree
    return repr(value)


def rows_key(table: Table) -> str | None:
    """A name of the rows of a table, their labels and weights; None where values were changed or made up."""
    if table.root is None or table.positions is None:
        return None
    digest = hashlib.sha256(str(table.root.number).encode())
    digest.update(table.positions.tobytes())
    digest.update(json.dumps(table.schema.to_dict(), sort_keys=True).encode())
    for part in (table.labels, table.weights):
        digest.update(b"-" if part is None else part.tobytes())
    if table.label_matrix is not None:
        digest.update(table.label_matrix.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Fitting:
    """The surroundings of one fit (see `FitContext`)."""

    base: Table  # the rows that methods pick from; encodings are fitted on these
    model: Model
    table_steps: tuple[TableStep, ...]
    matrix_steps: tuple[MatrixStep, ...]
    metric: str
    seed: int
    threads: int
    shared: Shared
    encoding_seed: int | None = None  # where it is not `seed`: members of an ensemble share one encoding
    split: Split = STRATIFIED  # how rows are held out inside the fit

    @property
    def encoded_with(self) -> int:
        return self.seed if self.encoding_seed is None else self.encoding_seed

    @property
    def classes(self) -> tuple[str, ...]:
        return self.base.classes

    def reseeded(self, number: int) -> FitContext:
        return replace(
            self,
            seed=int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0] >> 1),
            encoding_seed=self.encoded_with,
        )

    def base_learner(self) -> Learner:
        return FamilyLearner(self.model, self.table_steps, self.matrix_steps)

    def family(self, choice: Choice | str) -> Learner:
        return FamilyLearner(resolve(Choice.model_validate(choice)), self.table_steps, self.matrix_steps)

    def encode(
        self, train: Table, model: Model, table_steps: Sequence[TableStep], matrix_steps: Sequence[MatrixStep]
    ) -> tuple[Encoding, Matrix]:
        which = picked(train, self.base)
        base = self.base if which is not None else train
        encoding, matrix = self._encoded(base, model, table_steps)
        if which is not None and not np.array_equal(which, np.arange(base.rows)):
            matrix = matrix.take(which)
        steps: list[MatrixStep] = []
        for step in matrix_steps:
            fresh = type(step).rebuilt(dict(vars(step)))
            beside: dict[str, Any] = {"ids": train.row_ids} if fresh.holds_out else {}
            fresh.fit(matrix, train.strata(), train.weights, len(train.classes), self.seed, **beside)
            matrix = fresh.transform(matrix)
            steps.append(fresh)
        if not steps:
            return encoding, matrix
        return Encoding(encoding.table_steps, encoding.encoder, steps), matrix

    def _encoded(self, base: Table, model: Model, table_steps: Sequence[TableStep]) -> tuple[Encoding, Matrix]:
        def make() -> tuple[Encoding, Matrix]:
            changed, steps = base, []
            for step in table_steps:
                fresh = type(step).rebuilt(dict(vars(step)))
                steps.append(fresh.fit(changed, self.encoded_with))
                changed = fresh.transform(changed)
            encoder = model.encoder(changed, scaled=any(step.scales for step in steps))
            encoder.fit(changed, self.encoded_with)
            return Encoding(steps, encoder, []), encoder.transform(changed)

        rows = rows_key(replace(base, labels=None, label_matrix=None, weights=None))
        if rows is None:
            return make()
        key = (
            rows,
            key_of(model.encoder(base, scaled=False)),
            tuple(key_of(s) for s in table_steps),
            self.encoded_with,
        )
        encoded: tuple[Encoding, Matrix] = self.shared.once("encoding", key, make)
        return encoded

    def out_of_fold(self, learner: Learner, train: Table) -> Floats:
        rows = rows_key(train)
        if rows is None or not isinstance(learner, FamilyLearner):
            return self._out_of_fold(learner, train)
        steps = tuple(key_of(step) for step in (*learner.table_steps, *learner.matrix_steps))
        key = (rows, key_of(learner.model), steps, repr(self.split), self.seed)
        scores: Floats = self.shared.once("scores", key, lambda: self._out_of_fold(learner, train))
        return scores.copy()

    def once(self, train: Table, what: str, make: Callable[[], T]) -> T:
        rows = rows_key(train)
        if rows is None:
            return make()
        steps = tuple(key_of(step) for step in (*self.table_steps, *self.matrix_steps))
        found: T = self.shared.once(
            "scores", (what, rows, key_of(self.model), steps, repr(self.split), self.seed), make
        )
        return found

    def _out_of_fold(self, learner: Learner, train: Table) -> Floats:
        scores = np.empty((train.rows, len(train.classes)))
        for inside, outside in inner_folds(train, self.seed, self.split):
            inner = train.take(inside)
            scores[outside] = learner.fit(inner, replace(self, base=inner)).scores(train.take(outside))
        return scores


def picked(train: Table, base: Table) -> Rows | None:
    """Where each row of `train` stands in `base`, or None where it holds rows that are not from there."""
    if train.root is None or train.root is not base.root or train.positions is None or base.positions is None:
        return None
    if train.schema != base.schema:
        return None
    order = np.argsort(base.positions, kind="stable")
    found = np.searchsorted(base.positions[order], train.positions)
    found = np.minimum(found, len(order) - 1)
    if not np.array_equal(base.positions[order][found], train.positions):
        return None
    return order[found]


@dataclass(frozen=True)
class Held:
    """Training rows scored by fits that did not see them (see `HeldOut`)."""

    labels: Labels
    scores: Floats
    weights: Floats | None
    classes: tuple[str, ...]
    metric: str


def fit(
    recipe: Recipe,
    train: Table,
    *,
    shared: Shared | None = None,
    threads: int = 1,
    seed: int | None = None,
    few: bool = False,
) -> Predictor:
    """The predictor that a recipe gives on these training rows. recipe.model and recipe.metric must be named.

    few  fewer than 10 rows, or rows of one class, are no mistake
    """
    chosen, context = begun(recipe, train, shared or Shared(), threads, seed, few=few)
    rows = picked_rows(chosen, train, context)
    scorer = learner_of(chosen, context).fit(rows, context)
    predictor = Predictor(train.schema, scorer, family=context.model.name, metric=recipe.metric)
    predictor = predictor.with_notes(rows.notes[len(train.notes) :])
    after = [method for method in chosen if type(method).predictor is not Method.predictor]
    if after:
        scores = held_out_scores(chosen, train, context) if any(m.uses_held_out() for m in after) else np.empty((0, 0))
        for method in after:
            labels = train.given_label_matrix().astype(np.int32) if train.multilabel else train.given_labels()
            held = Held(labels, predictor.rescored(scores), train.weights, train.classes, recipe.metric)
            predictor = method.predictor(predictor, held)
    return predictor


def begun(
    recipe: Recipe, train: Table, shared: Shared, threads: int = 1, seed: int | None = None, *, few: bool = False
) -> tuple[tuple[Method, ...], Fitting]:
    """The recipe's methods, checked, and the surroundings of a fit on these training rows."""
    if not few:
        enough(train)
    model = resolve(recipe.model)
    reason = model.unsuitable(train)
    if reason:
        raise UserError(f"model.{model.name} cannot be used here: {reason}.")
    chosen = check(recipe, train, model)
    for method in chosen:
        model = method.model(model)
    inside = [method for method in chosen if method.acts()]
    if inside:
        model = model.taught_by(*inside)
    steps = [step for method in chosen if (step := method.columns()) is not None]
    context = Fitting(
        base=train,
        model=model,
        table_steps=tuple(step for step in steps if isinstance(step, TableStep)),
        matrix_steps=tuple(step for step in steps if isinstance(step, MatrixStep)),
        metric=recipe.metric,
        seed=recipe.seed if seed is None else seed,
        threads=threads,
        shared=shared,
        split=recipe.split,
    )
    return chosen, context


def changes(
    recipe: Recipe, train: Table, *, shared: Shared | None = None, threads: int = 1, seed: int | None = None
) -> list[Done]:
    """What the recipe's methods do to these training rows and why, for people. With what a fit of the same shared it
    costs little."""
    chosen, context = begun(recipe, train, shared or Shared(), threads, seed)
    telling = [number for number, method in enumerate(chosen) if type(method).done is not Method.done]
    rows, found = train, list[Done]()
    for number, method in enumerate(chosen[: max(telling, default=-1) + 1]):
        found += method.done(rows, context)
        if number < telling[-1]:
            rows = method.rows(rows, context)
    return found


def procedure(chosen: Sequence[Method], train: Table, context: Fitting) -> Any:
    """Everything up to the scorer: rows hooks, then the learner with its wraps."""
    return learner_of(chosen, context).fit(picked_rows(chosen, train, context), context)


def picked_rows(chosen: Sequence[Method], train: Table, context: Fitting) -> Table:
    """The rows to learn from. A method may add a sentence about what it did to their notes."""
    rows = train
    for method in chosen:
        rows = method.rows(rows, context)
    return rows


def learner_of(chosen: Sequence[Method], context: Fitting) -> Learner:
    learner: Learner = context.base_learner()
    for method in chosen:
        learner = method.learner(learner)
    return learner


def held_out_scores(chosen: Sequence[Method], train: Table, context: Fitting) -> Floats:
    """(rows, classes) scores of the training rows by the whole procedure, each by a fit that did not see the row."""
    acting = [m for m in chosen if type(m).rows is not Method.rows or type(m).learner is not Method.learner]
    if not acting:
        return context.out_of_fold(context.base_learner(), train)

    def make() -> Floats:
        scores = np.empty((train.rows, len(train.classes)))
        for inside, outside in inner_folds(train, context.seed, context.split):
            inner = train.take(inside)
            scores[outside] = procedure(acting, inner, replace(context, base=inner)).scores(train.take(outside))
        return scores

    rows = rows_key(train)
    if rows is None:
        return make()
    own = tuple(f"{m.name}{m.model_dump_json()}" for m in acting)
    steps = tuple(key_of(step) for step in (*context.table_steps, *context.matrix_steps))
    key = ("held", rows, own, key_of(context.model), steps, repr(context.split), context.seed)
    scores: Floats = context.shared.once("scores", key, make)
    return scores


def enough(train: Table) -> None:
    """Refuses what nothing can be learned from."""
    unlabelled = np.flatnonzero(~train.answered())
    if len(unlabelled):
        where = said_row(int(train.row_ids[unlabelled[0]]))
        raise UserError(
            f'{train.name}, {where}: "{train.target}" is empty; only rows with an answer can be trained on.'
        )
    if train.multilabel:
        _enough_labels(train)
        return
    counts = np.bincount(train.given_labels(), minlength=len(train.classes))
    seen = int((counts > 0).sum())
    if train.rows < 10 or seen < 2:
        why = f"{train.rows} rows" if train.rows < 10 else "rows of one class only"
        raise UserError(
            f"{train.name}: {why} to train on is too little; give at least 10 training rows and two classes."
        )


def _enough_labels(train: Table) -> None:
    """The same where a row may have several labels: one of them must stand on some rows and not on others."""
    share = train.given_label_matrix().mean(axis=0)
    if train.rows < 10 or not ((share > 0) & (share < 1)).any():
        why = f"{train.rows} rows" if train.rows < 10 else "rows that all have the same labels"
        raise UserError(
            f"{train.name}: {why} to train on is too little; give at least 10 training rows, some with a label that "
            "others do not have."
        )
