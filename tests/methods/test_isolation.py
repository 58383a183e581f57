"""Nothing but training rows is learnt from: held-out rows can say anything and no fitted state changes by a bit.

Here with the settings that are nobody's candidates; the public suite promises the same of the candidates, and
test_poisoned looks at all methods from outside.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from toys import ToyContext, made_table

from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.storage import pack
from melior.trials import fit as trials_fit


def spoiled(table, rows, seed):
    """The table with the values and labels of some rows replaced by nonsense."""
    random = np.random.default_rng(seed)
    changed = []
    for name in table.of_kind("number"):
        values = table.numbers(name).copy()
        values[rows] = random.choice([1e9, -999.0, np.nan], len(rows))
        changed.append(pl.Series(name, values, dtype=pl.Float64, nan_to_null=True))
    for name in table.of_kind("category", "text"):
        values = table.column(name).to_list()
        for row in rows:
            values[row] = "never seen"
        changed.append(pl.Series(name, values, dtype=pl.String))
    labels = table.labels.copy()
    labels[rows] = random.integers(0, len(table.classes), len(rows))
    frame = table.frame.with_columns(changed)
    # read anew: a table of its own, as if the file had been another
    return type(table).make(frame, table.schema, labels)


def state(value):
    arrays = {}
    tree = pack(value, arrays)
    return tree, arrays


def same(one, other):
    (tree, arrays), (other_tree, other_arrays) = state(one), state(other)
    return tree == other_tree and all(np.array_equal(arrays[key], other_arrays[key], equal_nan=True) for key in arrays)


def test_held_out_rows_change_nothing(beyond):
    method, settings = beyond
    table = made_table(rows=130, wrong=0.15)
    held_out = np.arange(100, 130)
    other = spoiled(table, held_out, seed=1)
    train, other_train = table.take(np.arange(100)), other.take(np.arange(100))
    recipe = Recipe(model="linear", metric="macro_f1", methods=[{method.name: settings}])
    first = trials_fit.fit(recipe, train)
    assert isinstance(first, Predictor)
    assert same(first, trials_fit.fit(recipe, other_train))


def test_rows_hooks_ask_for_training_rows_only(beyond):
    method, settings = beyond
    table = made_table(rows=130)
    train = table.take(np.arange(0, 130, 2))
    asked = []

    class Watching(ToyContext):
        def out_of_fold(self, learner, train):
            asked.append(train)
            return super().out_of_fold(learner, train)

        def encode(self, train, *rest):
            asked.append(train)
            return super().encode(train, *rest)

    made = method(**settings).rows(train, Watching(classes=table.classes))
    for one in (made, *asked):
        assert set(one.row_ids) <= set(train.row_ids)


def test_held_out_scores_never_see_their_row(case):
    """A row's label is turned around: its own held-out score must stay what it was."""
    method, settings = case
    if not method(**settings).uses_held_out():
        return
    table = made_table(rows=120)
    turned = table.with_labels(np.where(np.arange(120) == 60, (table.labels + 1) % 3, table.labels))
    recipe = Recipe(model="linear", metric="macro_f1", methods=[{method.name: settings}])
    seen = []

    def watched(chosen, train, context):
        scores = original(chosen, train, context)
        inside = [
            inside for inside, outside in trials_fit.inner_folds(train, context.seed, context.split) if 60 in outside
        ]
        seen.append((scores[60], inside[0]))
        return scores

    original = trials_fit.held_out_scores
    trials_fit.held_out_scores = watched
    try:
        trials_fit.fit(recipe, replace(table, root=table.root))
        trials_fit.fit(recipe, turned)
    finally:
        trials_fit.held_out_scores = original
    assert 60 not in seen[0][1]
    if np.array_equal(seen[0][1], seen[1][1]):  # folds are stratified, so another label may move the row elsewhere
        np.testing.assert_array_equal(seen[0][0], seen[1][0])
