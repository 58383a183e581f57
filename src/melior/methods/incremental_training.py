"""Incremental training: a run's model goes on learning when new rows come, instead of beginning anew."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from melior.data.read import read_like
from melior.data.schema import Schema
from melior.data.splits import seal
from melior.data.table import Rows, Table
from melior.errors import UserError
from melior.methods._base import Method
from melior.methods._learners import beside, the_family
from melior.models._base import FamilyLearner, FamilyScorer, FitContext, Learner, Model
from melior.predictor import Predictor, Scorer
from melior.recipe import Recipe

SURE = 0.999  # that more rows stand in both than chance puts there


def earlier(folder: str) -> Predictor:
    """The predictor of a run folder, read once as long as its files are the same."""
    where = Path(folder) / "predictor"
    if not where.is_dir():
        raise UserError(
            f"methods.incremental_training: {folder}: there is no predictor here; give the folder of a run."
        )
    state = tuple(sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in where.iterdir()))
    return _earlier(str(where), state)


@lru_cache(maxsize=2)
def _earlier(where: str, state: Any) -> Predictor:
    return Predictor.load(where)


def differs(before: Schema, now: Schema) -> str | None:
    """Why a run on a table of one schema cannot go on with a table of another, or None."""
    lacking = [name for name in before.features() if name not in now.kinds]
    if lacking:
        return f'the run reads the column "{lacking[0]}", which is not there'
    for name in before.features():
        if now.kinds[name] != before.kinds[name]:
            return (
                f'"{name}" is of kind {now.kinds[name]} here and of kind {before.kinds[name]} in the run; say '
                f"data.columns: {{{name}: {before.kinds[name]}}}"
            )
    if before.classes != now.classes:
        new = sorted(set(now.classes) - set(before.classes))
        said = f"{new[0]!r} is a class that it never saw" if new else "some of its classes have no rows here"
        return f"the run answers with other classes ({said}); train anew on all rows"
    return None


def old_rows(folder: str, schema: Schema) -> Table:
    """The rows that a run was trained on, without those that it put aside; a sentence where they are not at hand."""
    recipe = Recipe.load(Path(folder) / "recipe.yaml")
    path = recipe.data.path
    if path is None or not Path(path).exists():
        where = "were in memory" if path is None else f"are not in {path} any more"
        raise UserError(
            f"methods.incremental_training: the rows of {folder} {where}, so none can be replayed; set replay: 0 to go "
            "on without them."
        )
    table = read_like(path, schema, encoding=recipe.data.encoding, separator=recipe.data.separator)
    if table.labels is None:
        raise UserError(
            f'methods.incremental_training: {path} has no column "{schema.target}" any more; set replay: 0.'
        )
    table = table.take(np.flatnonzero(table.answered()))
    if recipe.data.test is None and recipe.split.sealed > 0:
        table = table.take(seal(table, recipe.split, recipe.seed)[0])
    return table


def hashed(table: Table, names: list[str]) -> Rows:
    """(rows,) a number of what these columns and the answer say."""
    frame = table.frame.select(names).with_columns(pl.Series("__answer", np.array(table.classes)[table.given_labels()]))
    return frame.hash_rows(seed=3).to_numpy().view(np.int64)


def seen_before(new: Table, old: Table, names: list[str]) -> str | None:
    """Why the new rows hold rows that the run was trained on, or None: rows that are held out of them would not be new
    to it either. As many as stand twice among the old rows may be there by chance."""
    from scipy.stats import beta

    before = hashed(old, names)
    found = np.isin(hashed(new, names), before)
    _, which, counts = np.unique(before, return_inverse=True, return_counts=True)
    twice = int((counts[which] > 1).sum())
    usual = float(beta.ppf(SURE, twice + 1, max(old.rows - twice, 1)))
    most = usual + 3 * np.sqrt(usual * (1 - usual) / new.rows)
    if found.mean() <= most:
        return None
    return (
        f"{int(found.sum()):,} of {new.rows:,} training rows are among those that the run was trained on, so rows that "
        "are held out for scoring are too; give only the rows that came since"
    )


class GoingOnLearner:
    """Goes on from an earlier predictor, in its encoding, on the new rows and some of the old ones."""

    def __init__(self, inner: FamilyLearner, source: str, amount: float, replay: float) -> None:
        self.inner, self.model = inner, inner.model
        self.source, self.amount, self.replay = source, amount, replay

    def fit(self, train: Table, context: FitContext) -> Scorer:
        before = earlier(self.source)
        start = before.scorer
        assert isinstance(start, FamilyScorer)
        steps = [*self.inner.table_steps, *self.inner.matrix_steps]
        kept = [*start.encoding.table_steps, *start.encoding.matrix_steps]
        if steps and [type(step) for step in steps] != [type(step) for step in kept]:
            raise UserError(
                "methods.incremental_training: the run's own steps on columns are kept, and the recipe names others; "
                "name those of the run, or none."
            )
        rows = self._rows(train, before, context)
        encoding = type(start.encoding).rebuilt(start.encoding.kept())
        matrix = encoding.transform(rows)
        encoding.forget()
        fitted = self.model.fit_on(
            start.model, matrix, rows.given_labels(), rows.weights, len(train.classes),
            amount=self.amount, seed=context.seed, threads=context.threads,
        )  # fmt: skip
        return FamilyScorer(encoding, fitted)

    def _rows(self, train: Table, before: Predictor, context: FitContext) -> Table:
        if not self.replay:
            return train
        if train.of_kind("image"):
            raise UserError("methods.incremental_training: pictures cannot be replayed; set replay: 0.")
        old = old_rows(self.source, before.schema)
        names = before.schema.features()
        reason = seen_before(train, old, names)
        if reason:
            raise UserError(f"methods.incremental_training: {reason}.")
        random = np.random.default_rng([context.seed, 77])
        count = min(round(self.replay * train.rows), old.rows)
        old = old.take(np.sort(random.choice(old.rows, count, replace=False)))
        numbers = np.array([train.classes.index(label) for label in old.classes], dtype=np.int32)
        kinds = {name: before.schema.kinds[name] for name in names}
        schema = replace(train.schema, kinds=kinds, notation={})
        frame = pl.concat([train.frame.select(names), old.frame.select(names)])
        labels = np.concatenate([train.given_labels(), numbers[old.given_labels()]])
        made = Table.make(frame, schema, labels.astype(np.int32), name=train.name)
        return made.with_weights(np.concatenate([train.row_weights(), np.ones(old.rows)]))


class IncrementalTraining(Method):
    """Goes on from the model of a run on the rows of this recipe, which are new to it.

    Networks go on from the run's weights, boosted trees add trees to the run's, and a logistic regression is pulled to
    the run's weights instead of to 0. Words, categories and scales stay those of the run; so do its classes: for new
    classes, and for streams that go on and on, there is the continual part of the package.

    source  the folder of the run, of the same family (`melior train --run FOLDER`)
    amount  0.01..10: how much is learned, where 1 is as much as by a fit from the beginning: epochs, trees, and how
            far weights may move, default 0.3
    replay  0..10: for each new row so many of the run's own training rows are learned again, at most all, so that what
            they taught is not forgotten; their file must still be there. Default 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"small_data", "drift"})
    questions: ClassVar[tuple[int, ...]] = (23, 10)
    reference: ClassVar[str] = "Parisi et al., Continual Lifelong Learning with Neural Networks, Neural Networks 2019"
    order: ClassVar[int] = 77
    needs: ClassVar[str] = "a run whose model goes on learning"
    rivals: ClassVar[frozenset[str]] = frozenset({"model_fusion", "few_shot_head"})
    files: ClassVar[tuple[str, ...]] = ("source",)

    source: Annotated[str, Field(max_length=4096)] = ""
    amount: Annotated[float, Field(ge=0.01, le=10)] = 0.3
    replay: Annotated[float, Field(ge=0, le=10)] = 1.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not self.source:
            return "no run is named; give its folder as source"
        if "going_on" not in model.can:
            return f"{model.name} cannot go on from an earlier fit; linear, trees and networks can"
        try:
            before = earlier(self.source)
        except UserError as error:
            return str(error).rstrip(".")
        if before.family != model.name:
            return f"the run's model is {before.family} and the recipe's {model.name}; name the run's"
        if before.multilabel:
            return "the run answers with several labels a row; train anew on all rows"
        if not isinstance(before.scorer, FamilyScorer):
            return "the run's model is several models together; name a run of a single one"
        return differs(before.schema, table.schema) or beside(recipe, self.name)

    def learner(self, learner: Learner) -> Learner:
        return GoingOnLearner(the_family(learner, self.name), self.source, self.amount, self.replay)
