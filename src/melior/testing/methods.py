"""What every method must hold: it sees training rows only, is repeatable, checked, documented, and kept on disk."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from melior.data.table import Floats, Table
from melior.features._base import Matrix, MatrixStep, TableStep
from melior.findings import SYMPTOMS
from melior.methods._base import Method, methods
from melior.models._base import Encoding, Learner, Model, families
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.testing.inside import InsidePromises
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
from melior.trials import fit as trials
from melior.trials.fit import Fitting, Held
from melior.trials.shared import Shared

QUICK: dict[str, dict[str, Any]] = {
    "linear": {"longest": 1, "characters": False, "rounds": 200},
    "trees": {"rounds": 15, "leaves": 7, "text_dimensions": 4},
    "tabular_network": {
        "epochs": 15, "batch_rows": 16, "width": 16, "depth": 1, "texts": "words", "embedding": "none",
        "precision": "float32", "learning_rate": 0.02, "image_dimensions": 4,
    },
    "image_network": {"epochs": 4, "batch_rows": 16, "image_channels": 8, "precision": "float32"},
    "text_encoder": {
        "epochs": 3, "batch_rows": 32, "width": 8, "depth": 1, "heads": 2, "vocabulary": 320, "longest": 12,
        "learning_rate": 0.01, "precision": "float32",
    },
}  # fmt: skip
FEW = 4  # epochs of a network of which answers are asked, and not good ones
INSIDE = np.random.default_rng(6).permutation(150)[:110]  # training rows of the mixed table, held-out ones among them


class Watched(Fitting):
    """Real surroundings that remember the rows they were asked to learn from."""

    def encode(
        self, train: Table, model: Model, table_steps: Sequence[TableStep], matrix_steps: Sequence[MatrixStep]
    ) -> tuple[Encoding, Matrix]:
        ASKED.append(train)
        return super().encode(train, model, table_steps, matrix_steps)

    def out_of_fold(self, learner: Learner, train: Table) -> Floats:
        ASKED.append(train)
        return super().out_of_fold(learner, train)


ASKED: list[Table] = []


class MethodSuite(InsidePromises):
    """Promises of a method; `method` is the one under test. Each holds for all of its `candidates`.

    settings  settings to test beside the candidates
    """

    method: ClassVar[type[Method]]
    settings: ClassVar[tuple[dict[str, Any], ...]] = ()

    # ---- what it says

    def test_says_what_it_is(self) -> None:
        method = self.method
        holds(NAME.fullmatch(method.name), f"{method.name!r} is no name such as class_weights")
        holds(method.treats, "it treats nothing")
        unknown = sorted(method.treats - set(SYMPTOMS))
        holds(not unknown, f"it treats {unknown}, which are no symptoms")
        holds(method.questions, "it answers none of the thirty questions")
        holds(all(1 <= number <= 30 for number in method.questions), "questions are numbered 1 to 30")
        holds(len(method.reference) > 15, "its reference is neither a citation nor a link")
        holds(method.cost > 0, "its cost is not positive")
        holds(method.name not in method.rivals, "it is its own rival")
        described(method)
        settings_described(method)

    def test_settings_are_checked(self) -> None:
        settings_checked(self.method, {})

    def test_candidates_are_settings(self) -> None:
        candidates = self.method.candidates
        holds(candidates and candidates[0] == {}, "the first candidate is {}, the defaults")
        made = [self.method(**settings) for settings in candidates]
        holds(len({method.model_dump_json() for method in made}) == len(made), "two candidates are the same")

    def test_a_reason_is_a_reason(self) -> None:
        """unsuitable reads no values, and says nothing or something that goes before a full stop."""
        for method, table, model in self._everywhere():
            recipe = Recipe(model=Choice(name=model.name), metric="macro_f1")
            reason = method.unsuitable(recipe, table, model)
            holds(reason is None or (reason.strip() and not reason.endswith(".")), f"the reason {reason!r}")

    # ---- what it sees

    def test_held_out_rows_and_luck_change_nothing(self) -> None:
        """Fitted again with the same seed, beside other rows that are not for training: the same to the bit."""
        for settings in self._settings():
            table = tables.mixed_table()
            other = tables.spoiled(table, np.setdiff1d(np.arange(table.rows), INSIDE)).take(INSIDE)
            first = fitted(self.method, _key(settings), "part")
            np.random.seed(99)  # noqa: NPY002  # nothing may hang on numpy's global state
            second = fit_with(self.method, settings, other)
            if not same_state(first, second):
                again = fit_with(self.method, settings, table.take(INSIDE))
                holds(same_state(first, again), f"{settings}: two fits with the same seed differ")
                holds(False, f"{settings}: what is fitted changes with rows that are not among the training rows")
            scores = first.scores(table)
            holds(same_bits(scores, second.scores(table)), f"{settings}: the same seed scores differently")

    def test_rows_hook_sees_training_rows_only(self) -> None:
        for method, context, train in self._contexts():
            allowed = set(train.row_ids.tolist())
            ASKED.clear()
            made = method.rows(train, context)
            for one in (made, *ASKED):
                holds(set(one.row_ids.tolist()) <= allowed, "it uses rows that are not among the training rows")

    def test_rows_hook_gives_sound_rows(self) -> None:
        for method, context, train in self._contexts():
            before = train.frame.clone(), train.given_labels().copy()
            made = method.rows(train, context)
            holds(train.frame.equals(before[0]) and np.array_equal(train.given_labels(), before[1]), "a table changed")
            holds(made.schema == train.schema, "it changes the schema; that is for columns")
            holds(made.frame.schema == train.frame.schema, "it changes how columns are stored")
            holds(len(made.given_labels()) == len(made.row_ids) == made.rows, "labels or row numbers are missing")
            weights = made.row_weights()
            holds(len(weights) == made.rows and np.isfinite(weights).all(), "weights are not one finite number a row")
            holds((weights > 0).all(), "a weight is not above 0: take the row out instead")
            left = set(np.unique(made.given_labels()).tolist())
            holds(left == set(np.unique(train.given_labels()).tolist()), "a class is emptied, or a new one made")
            again = method.rows(train, context)
            same = made.frame.equals(again.frame) and np.array_equal(made.row_weights(), again.row_weights())
            holds(same and np.array_equal(made.labels, again.labels), "the same seed picks other rows")  # type: ignore[arg-type]

    def test_steps_leave_rows_in_place(self) -> None:
        """A column step gives the same rows, each from its own values alone."""
        for settings in self._settings():
            step = self.method(**settings).columns()
            if isinstance(step, TableStep):
                table = tables.mixed_table()
                step.fit(table, 0)
                changed = step.transform(table)
                holds(np.array_equal(changed.row_ids, table.row_ids), "a column step changes which rows there are")
                order = np.random.default_rng(0).permutation(table.rows)[:20]
                holds(step.transform(table.take(order)).frame.equals(changed.frame[order]), "rows depend on each other")
            elif isinstance(step, MatrixStep):
                matrix, labels, classes = self._matrix()
                step.fit(matrix, labels, None, classes, 0)
                made = step.transform(matrix)
                holds(made.rows == matrix.rows, "a matrix step changes how many rows there are")
                holds(len(made.names) == len(made.sources) == made.features, "a name a feature is needed")
                order = np.random.default_rng(0).permutation(matrix.rows)[:20]
                apart = np.abs(step.transform(matrix.take(order)).dense() - made.dense()[order]).max(initial=0)
                holds(apart < 1e-9, "rows depend on each other")

    # ---- what comes out

    def test_answers_any_rows(self) -> None:
        for settings in self._settings():
            predictor = fitted(self.method, _key(settings), "part")
            table = tables.mixed_table()
            for rows in (table, tables.new_rows(table)):
                probabilities(predictor.scores(rows), rows)
                answers = predictor.answers(rows)
                holds(answers.shape == (rows.rows,) and set(answers.tolist()) <= {0, 1, 2}, "answers are no classes")

    def test_rows_have_no_order(self) -> None:
        for settings in self._settings():
            predictor = fitted(self.method, _key(settings), "part")
            table = tables.mixed_table()
            order = np.random.default_rng(5).permutation(table.rows)
            apart = np.abs(predictor.scores(table.take(order)) - predictor.scores(table)[order]).max()
            holds(apart <= 1e-9, f"{settings}: in another order rows score up to {apart:.2g} differently")

    def test_still_learns(self) -> None:
        for settings in self._settings():
            predictor, table = fitted(self.method, _key(settings), "part"), tables.mixed_table()
            right = np.mean(predictor.answers(table) == table.given_labels())
            holds(right > 0.5, f"{settings}: right in {right:.0%} of rows of three classes that are easy to tell apart")

    def test_other_tables_are_fine(self) -> None:
        """Two or rare classes, a class without rows, Chinese, odd columns, ten rows, images: fitted, or refused."""
        settings = [*self._settings(), *self.method.candidates][0]
        for name in ("binary", "rare", "absent", "chinese", "odd", "tiny", "images"):
            if name not in TABLES:
                continue
            table = TABLES[name]()
            predictor = fit_with(self.method, settings, table, refusable=True, epochs=FEW)
            if predictor is not None:
                probabilities(predictor.scores(table), table)
                probabilities(predictor.scores(tables.new_rows(table)), table)

    def test_several_labels(self) -> None:
        """Where a row may have several labels it works and sees training rows only, or is refused with a reason."""
        whole = tables.several_labels(tables.mixed_table())
        train = whole.take(INSIDE)
        for settings in self._settings():
            method = self.method(**settings)
            for name, family in families().items():
                recipe = Recipe(model=Choice(name=name), metric="macro_f1")
                reason = method.refused(recipe, train, family(**QUICK.get(name, {})))
                holds(method.multilabel or reason, "it does not say that it works, and is not refused")
            if family_for(method, train) is None:
                continue
            ASKED.clear()
            predictor = fit_with(self.method, settings, train)
            holds(all(set(one.row_ids.tolist()) <= set(INSIDE.tolist()) for one in ASKED), "it uses other rows")
            probabilities(predictor.scores(whole), whole)
            right = (predictor.answers(whole) == whole.truth()).mean(axis=0)
            holds((right[:2] > 0.6).all(), f"{settings}: labels that are easy to tell are right in {right[:2]} of rows")
            holds(
                same_bits(predictor.scores(whole), loaded_again(predictor).scores(whole)),
                "saved, it scores differently",
            )

    def test_kept_bit_for_bit(self) -> None:
        for number, settings in enumerate(self._settings()):
            predictor = fitted(self.method, _key(settings), "part")
            new = tables.new_rows(tables.mixed_table())
            kept_bit_for_bit(predictor, new, fresh=number == 0, modules=(self.method.__module__,))

    def test_a_recipe_can_name_it(self) -> None:
        if methods().get(self.method.name) is not self.method:
            return  # not registered under the entry point group melior.methods
        recipe = Recipe(model="linear", metric="macro_f1")
        unknown = Choice(name=self.method.name, settings={"no_such_setting": 1})
        refused(lambda: trials.fit(recipe.with_methods(unknown), tables.number_table()), "an unknown setting")
        known = methods()
        missing = sorted(rival for rival in self.method.rivals if rival not in known)
        holds(not missing, f"its rivals {missing} do not exist")
        one_sided = sorted(name for name in self.method.rivals if self.method.name not in known[name].rivals)
        holds(not one_sided, f"{one_sided} are its rivals and do not say so")

    # ----

    def _settings(self) -> list[dict[str, Any]]:
        """What is fitted: a method that needs something has only the settings that the suite is given."""
        return [*([] if self.method.needs else self.method.candidates), *self.settings]

    def _everywhere(self) -> list[tuple[Method, Table, Model]]:
        made = [table() for table in TABLES.values()]
        return [
            (self.method(**settings), table, family(**QUICK.get(name, {})))
            for settings in [*self.method.candidates, *self.settings]
            for table in made
            for name, family in families().items()
        ]

    def _contexts(self) -> list[tuple[Method, Watched, Table]]:
        if self.method.rows is Method.rows:
            return []
        found = []
        for settings in self._settings():
            for whole in (tables.mixed_table(), tables.rare_table()):
                train = whole.take(np.arange(0, whole.rows, 2))
                method = self.method(**settings)
                model = family_for(method, train)
                if model is not None:
                    found.append((method, Watched(train, model, (), (), "macro_f1", 0, 1, Shared()), train))
        return found

    def _matrix(self) -> tuple[Matrix, Any, int]:
        table = tables.mixed_table()
        model = next(iter(families().values()))()
        matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
        return matrix, table.given_labels(), len(table.classes)


TABLES: dict[str, Callable[[], Table]] = {
    "part": lambda: tables.mixed_table().take(INSIDE),
    "binary": tables.binary_table,
    "rare": tables.rare_table,
    "absent": lambda: tables.without_class(tables.mixed_table(), 1),
    "chinese": tables.chinese_table,
    "odd": tables.odd_table,
    "tiny": tables.tiny_table,
}
if images.HAVE_PILLOW:
    TABLES["images"] = images.image_table


def family_for(method: Method, table: Table, *, network: bool = False, epochs: int = 1000) -> Model | None:
    """The cheapest family that a method works with on a table; network: of those that are networks; epochs: at most."""
    for name, family in families().items():
        if network and not family.is_network:
            continue
        settings = dict(QUICK.get(name, {}))
        if "epochs" in settings:
            settings["epochs"] = min(settings["epochs"], epochs)
        model = family(**settings)
        recipe = Recipe(model=Choice(name=name), metric="macro_f1")
        if model.unsuitable(table) is None and method.refused(recipe, table, model) is None:
            return model
    return None


def fit_with(
    method: type[Method],
    settings: dict[str, Any],
    train: Table,
    *,
    refusable: bool = False,
    network: bool = False,
    given: Model | None = None,
    epochs: int = 1000,
) -> Any:
    """The predictor of a recipe with this one method; None where it suits no family and `refusable` is set. given: the
    family, where it is not to be the cheapest. epochs: of a network, at most.

    By the hooks themselves, as a fit does it, so that a method need not be registered to be tested.
    """
    made = method(**settings)
    model = given or family_for(made, train, network=network, epochs=epochs)
    if model is None:
        holds(refusable, f"{method.name} suits no family on an ordinary table")
        return None
    model = made.model(model)
    if made.acts():
        model = model.taught_by(made)
    step = made.columns()
    context = Fitting(
        base=train,
        model=model,
        table_steps=(step,) if isinstance(step, TableStep) else (),
        matrix_steps=(step,) if isinstance(step, MatrixStep) else (),
        metric="macro_f1",
        seed=0,
        threads=1,
        shared=Shared(),
    )
    scorer = trials.procedure([made], train, context)
    predictor = Predictor(train.schema, scorer, family=model.name, metric="macro_f1")
    if method.predictor is not Method.predictor:
        scores = trials.held_out_scores([made], train, context) if made.uses_held_out() else np.empty((0, 0))
        labels = train.given_label_matrix().astype(np.int32) if train.multilabel else train.given_labels()
        held = Held(labels, scores, train.weights, train.classes, "macro_f1")
        predictor = made.predictor(predictor, held)
    return predictor


@cache
def fitted(method: type[Method], settings: str, name: str) -> Predictor:
    """The same fit for several promises."""
    import json

    made = fit_with(method, json.loads(settings), TABLES[name]())
    assert isinstance(made, Predictor)
    return made


def _key(settings: dict[str, Any]) -> str:
    import json

    return json.dumps(settings)


def method_suite(method: type[Method], *, settings: Sequence[dict[str, Any]] = ()) -> type[MethodSuite]:
    """The suite for one method: `TestMine = method_suite(MyMethod)`; settings to test beside its candidates."""
    given = {"method": method, "settings": tuple(settings)}
    return type(f"Test_{method.name}", (MethodSuite,), {**given, "__doc__": MethodSuite.__doc__})
