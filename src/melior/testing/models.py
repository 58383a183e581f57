"""What every family of models must hold: it learns from training rows only, repeatably, and answers any rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from melior.data.schema import KINDS
from melior.data.table import Table
from melior.features._base import Matrix
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.testing.promises import (
    NAME,
    described,
    holds,
    kept_bit_for_bit,
    loaded_again,
    probabilities,
    refused,
    same_bits,
    same_state,
    settings_checked,
    settings_described,
)
from melior.trials.fit import Fitting, fit
from melior.trials.shared import Shared

ABILITIES = {
    "row_weights", "l1_penalty", "l2_penalty", "early_stopping", "transfer_learning", "going_on", "feature_weights",
}  # fmt: skip


class ModelSuite:
    """Promises of a family; `model` is the one under test.

    settings          settings that make it quick on a hundred rows
    weight_tolerance  how far scores (on average) may be apart between weights of 2 and rows that stand twice: exact
                      optimisers reach 1e-3, trees that count rows in a leaf do not
    row_tolerance     how far a row's scores may be apart when other rows stand beside it; large networks that score in
                      single precision need 1e-5
    """

    model: ClassVar[type[Model]]
    settings: ClassVar[dict[str, Any]] = {}
    weight_tolerance: ClassVar[float] = 1e-3
    row_tolerance: ClassVar[float] = 1e-9

    # ---- what it says

    def test_says_what_it_is(self) -> None:
        holds(NAME.fullmatch(self.model.name), f"{self.model.name!r} is no name such as linear")
        holds(self.model.kinds and self.model.kinds <= set(KINDS), "it names no column kinds, or unknown ones")
        holds(self.model.can <= ABILITIES, f"it can {sorted(self.model.can - ABILITIES)}, which nothing asks for")
        holds(self.model.cost > 0, "its cost is not positive")
        described(self.model)
        settings_described(self.model)

    def test_settings_are_checked(self) -> None:
        settings_checked(self.model, self.settings)

    def test_keeps_its_abilities(self) -> None:
        """What it says it can, it does, on a copy; what it cannot is refused with a sentence."""
        made = self.model(**self.settings)
        asked: dict[str, Callable[[], Any]] = {
            "l1_penalty": lambda: made.penalized(l1=3.0),
            "l2_penalty": lambda: made.penalized(l2=3.0),
            "early_stopping": lambda: made.early_stopped(0.2, 5),
        }
        for ability, act in asked.items():
            if ability not in self.model.can:
                refused(act, f"{ability}, which {made.name} cannot")
                continue
            changed = act()
            holds(type(changed) is type(made) and changed != made, f"{ability} changes nothing")
            holds(made == self.model(**self.settings), f"{ability} changes the family itself instead of a copy")
            table = self._plain(120)
            probabilities(self._fit(table, changed).scores(table), table)

    def test_transfers_where_it_says_so(self) -> None:
        """With the ability it begins with the folder that it is given, as a copy; without, it refuses in a sentence."""
        made = self.model(**self.settings)
        if not isinstance(made, NetworkModel):
            holds("transfer_learning" not in self.model.can, "only a network can begin with a pretrained one")
        elif "transfer_learning" not in self.model.can:
            refused(lambda: made.transferred("a folder", "none", 1), f"a pretrained model, which {made.name} has not")
        else:
            for trained in ("none", "last", "all"):
                changed = made.transferred("a folder", trained, 1)
                holds(type(changed) is type(made), "transfer_learning gives another family")
                holds(changed.pretrained_source() == "a folder", "it does not begin with the folder that it is given")
                again = changed.transferred("", trained, 1)
                holds(again.pretrained_source() == "a folder", "without a folder it forgets the one that it names")
            holds(made == self.model(**self.settings), "transfer_learning changes the family itself instead of a copy")

    def test_says_what_it_cannot_read(self) -> None:
        table = self._table()
        unread = [name for name in table.features() if table.schema.kinds[name] in self.model.kinds]
        reason = self.model(**self.settings).unsuitable(table.without_columns(unread))
        holds(reason and not reason.endswith("."), "a table without a column that it reads needs a reason")
        holds(self.model(**self.settings).unsuitable(table) is None, "it refuses a table with columns that it reads")

    # ---- what it learns

    def test_learns(self) -> None:
        table = self._table()
        inside, outside = table.take(np.arange(120)), table.take(np.arange(120, table.rows))
        right = np.mean(self._fit(inside).answers(outside) == outside.given_labels())
        holds(right > 0.55, f"on three classes that are easy to tell apart it is right in {right:.0%} of new rows")

    def test_held_out_rows_change_nothing(self) -> None:
        table, train = self._table(), np.random.default_rng(6).permutation(150)[:110]
        other = tables.spoiled(table, np.setdiff1d(np.arange(table.rows), train))
        same = same_state(self._fit(table.take(train)), self._fit(other.take(train)))
        holds(same, "what is fitted changes with rows that are not among the training rows")

    def test_same_seed_same_fit(self) -> None:
        table = self._table()
        first = self._fit(table)
        np.random.seed(1234)  # noqa: NPY002  # nothing may hang on numpy's global state
        second = self._fit(self._table())
        holds(same_state(first, second), "two fits with the same seed differ")
        two = self._fit(table, threads=2)
        holds(same_bits(first.scores(table), second.scores(table)), "two fits with the same seed score differently")
        holds(same_bits(first.scores(table), two.scores(table)), "fitted with two threads it scores differently")

    def test_weights_count_rows(self) -> None:
        """A row of weight 2 counts as one that stands twice; a weight of 0 as none."""
        if "row_weights" not in self.model.can:
            return
        table = self._plain(150)
        model = self.model(**self.settings)
        encoder = model.encoder(table, scaled=False).fit(table, 0)
        matrix, labels = encoder.transform(table), table.given_labels()
        counts = np.random.default_rng(3).integers(0, 3, table.rows)
        rows = np.repeat(np.arange(table.rows), counts)
        kept = np.flatnonzero(counts)
        weighted = model.fit(matrix.take(kept), labels[kept], counts[kept].astype(np.float64), 3, seed=0)
        repeated = model.fit(matrix.take(rows), labels[rows], None, 3, seed=0)
        plain = model.fit(matrix.take(kept), labels[kept], None, 3, seed=0)
        apart = float(np.abs(weighted.scores(matrix) - repeated.scores(matrix)).mean())
        unheeded = float(np.abs(plain.scores(matrix) - repeated.scores(matrix)).mean())
        holds(unheeded > 1e-4, "weights change nothing")
        holds(apart <= self.weight_tolerance, f"weights of 2 and rows that stand twice give scores {apart:.2g} apart")

    def test_a_class_without_rows_is_fine(self) -> None:
        for gone in range(3):
            table = self._table()
            scores = self._fit(tables.without_class(table, gone)).scores(table)
            probabilities(scores, table)
            right = np.mean(scores.argmax(axis=1) == table.given_labels())
            holds(right > 0.4, f"without rows of class {gone} the scores of the others are in the wrong columns")

    def test_one_class_or_no_feature_is_fine(self) -> None:
        """Members of ensembles may see such rows."""
        table = self._plain(60)
        model = self.model(**self.settings)
        matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
        one = model.fit(matrix, np.full(60, 2, dtype=np.int32), None, 3, seed=0).scores(matrix)
        probabilities(one, table)
        holds((one.argmax(axis=1) == 2).all(), "fitted on one class it answers another")
        none = Matrix(matrix.values[:, :0], (), ())
        probabilities(model.fit(none, table.given_labels(), None, 3, seed=0).scores(none), table)

    def test_several_labels(self) -> None:
        """Where a row may have several labels, each has a probability by itself, also one that no training row has."""
        table = tables.several_labels(self._table())
        inside, outside = table.take(np.arange(110)), table.take(np.arange(110, table.rows))
        assert inside.label_matrix is not None
        absent = inside.label_matrix.copy()
        absent[:, 2] = 0
        for train in (inside, replace(inside, label_matrix=absent)):
            predictor = self._fit(train)
            for rows in (outside, tables.new_rows(outside)):
                probabilities(predictor.scores(rows), rows)
            right = (predictor.answers(outside) == outside.truth()).mean(axis=0)
            holds((right[:2] > 0.6).all(), f"labels that are easy to tell are right in {right[:2]} of new rows")
            kept_bit_for_bit(predictor, tables.new_rows(outside), fresh=False, modules=(self.model.__module__,))
        holds((predictor.scores(outside)[:, 2] < 0.5).all(), "a label that no training row has is answered")

    # ---- what it answers

    def test_answers_any_rows(self) -> None:
        """Unknown categories and words, gaps, far numbers, no rows of a kind: every row has its scores."""
        table = self._table()
        predictor = self._fit(table)
        probabilities(predictor.scores(table), table)
        for seed in range(3):
            new = tables.new_rows(table, seed)
            probabilities(predictor.scores(new), new)
        none = table.take(np.arange(0))
        holds(predictor.scores(none).shape == (0, 3), "no rows should give no scores")

    def test_rows_have_no_order(self) -> None:
        """A row's scores do not depend on the rows beside it."""
        table = self._table()
        predictor = self._fit(table)
        order = np.random.default_rng(5).permutation(table.rows)
        scores = predictor.scores(table)
        apart = np.abs(predictor.scores(table.take(order)) - scores[order]).max()
        holds(apart <= self.row_tolerance, f"in another order rows score up to {apart:.2g} differently")
        alone = np.concatenate([predictor.scores(table.take(np.array([row]))) for row in range(12)])
        apart = np.abs(alone - scores[:12]).max()
        holds(apart <= self.row_tolerance, f"alone rows score up to {apart:.2g} differently")

    def test_odd_columns_and_few_rows_are_fine(self) -> None:
        for table in (tables.odd_table(), tables.tiny_table(), tables.rare_table(), tables.chinese_table()):
            if self.model(**self.settings).unsuitable(table) is None:
                predictor = self._fit(table)
                probabilities(predictor.scores(table), table)
                probabilities(predictor.scores(tables.new_rows(table)), table)

    def test_kept_bit_for_bit(self) -> None:
        for table in (self._table(), tables.binary_table(), tables.chinese_table()):
            if self.model(**self.settings).unsuitable(table) is not None:
                continue
            fresh = table.target_counts().keys() == self._table().target_counts().keys()
            predictor = self._fit(table)
            kept_bit_for_bit(predictor, tables.new_rows(table), fresh=fresh, modules=(self.model.__module__,))
            holds(same_state(predictor, loaded_again(predictor)), "saved twice, something is lost")

    def test_images_are_read(self) -> None:
        """Where the family reads images: it learns from them, from training rows alone, and survives files that are
        none; alone and in a fresh process an image has the same scores."""
        if "image" not in self.model.kinds or not images.HAVE_PILLOW:
            return
        table = images.image_table()
        train, held = np.arange(110), np.arange(110, table.rows)
        predictor = self._fit(table.take(train))
        right = np.mean(predictor.answers(table.take(held)) == table.given_labels()[held])
        holds(right > 0.7, f"on images of three classes that are easy to tell apart it is right in {right:.0%}")
        spoiled = tables.spoiled(table, held).take(train)
        holds(same_state(predictor, self._fit(spoiled)), "what is fitted changes with images that are not for training")
        new = tables.new_rows(table)
        probabilities(predictor.scores(new), new)
        alone = np.concatenate([predictor.scores(table.take(np.array([row]))) for row in range(6)])
        apart = np.abs(alone - predictor.scores(table)[:6]).max()
        holds(apart <= self.row_tolerance, "alone an image scores differently")
        kept_bit_for_bit(predictor, new, fresh=True, modules=(self.model.__module__,))

    # ----

    def _table(self) -> Table:
        """Rows of three classes of the kinds that it reads."""
        return self._read(tables.mixed_table)

    def _plain(self, rows: int) -> Table:
        """The simplest table of so many rows and three classes that it reads."""
        return self._read(lambda: tables.number_table(rows), lambda: tables.mixed_table(rows), images_of=rows)

    def _read(self, *made: Callable[[], Table], images_of: int = 150) -> Table:
        model = self.model(**self.settings)
        for make in made:
            if model.unsuitable(table := make()) is None:
                return table
        holds(images.HAVE_PILLOW, f"{model.name} reads none of the suite's tables but images, which need Pillow")
        return images.image_table(images_of)

    def _fit(self, table: Table, model: Model | None = None, threads: int = 1) -> Predictor:
        """Through the real surroundings; the family need not be one that a recipe can name."""
        model = model or self.model(**self.settings)
        context = Fitting(table, model, (), (), "macro_f1", 0, threads, Shared())
        scorer = context.base_learner().fit(table, context)
        return Predictor(table.schema, scorer, family=model.name, metric="macro_f1")

    def test_a_recipe_can_name_it(self) -> None:
        """Registered families give the same through a recipe as by hand."""
        from melior.models._base import families

        if families().get(self.model.name) is not self.model:
            return  # not registered under the entry point group melior.models
        table = self._table()
        recipe = Recipe(model=Choice(name=self.model.name, settings=self.settings), metric="macro_f1")
        holds(same_state(fit(recipe, table), self._fit(table)), "through a recipe the fit is another")
        unknown = Choice(name=self.model.name, settings={"no_such_setting": 1})
        refused(lambda: fit(recipe.with_model(unknown), table), "an unknown setting in a recipe")


def model_suite(
    model: type[Model],
    *,
    settings: dict[str, Any] | None = None,
    weight_tolerance: float = 1e-3,
    row_tolerance: float = 1e-9,
) -> type[ModelSuite]:
    """The suite for one family: `TestMine = model_suite(MyFamily)`; see `ModelSuite` for the rest."""
    given: dict[str, Any] = {"model": model, "settings": settings or {}, "weight_tolerance": weight_tolerance}
    given["row_tolerance"] = row_tolerance
    return type(f"Test_{model.name}", (ModelSuite,), {**given, "__doc__": ModelSuite.__doc__})
