"""What holds of every method: frozen, checked, documented, repeatable, kept on disk, and kind to rare classes."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from pydantic import ValidationError
from toys import Toy, ToyContext, made_table

from melior.data.table import Floats, Labels
from melior.findings import SYMPTOMS
from melior.methods._base import Method, methods, resolve
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.storage import load_fitted, save_fitted

EXPECTED = {
    "deduplication", "data_cleaning", "label_cleaning", "noise_correction", "class_weights", "oversampling",
    "undersampling", "threshold", "calibration", "normalization", "dimension_reduction", "l1_selection", "l1_penalty",
    "l2_penalty", "early_stopping", "bagging", "balanced_ensemble", "boosting", "stacking", "text_augmentation",
    "table_augmentation", "voting", "model_fusion", "few_shot_head", "incremental_training",
}  # fmt: skip
EVERY = pytest.mark.parametrize("method", methods().values(), ids=methods())


@dataclass(frozen=True)
class Held:
    labels: Labels
    scores: Floats
    weights: Floats | None
    classes: tuple[str, ...]
    metric: str = "macro_f1"


def fitted(method: Method, table, context):
    """The whole way: rows, columns, model, learner, predictor."""
    step = method.columns()
    steps = () if step is None else (step,)
    table_steps = tuple(s for s in steps if hasattr(s, "scales"))
    own = ToyContext(
        seed=context.seed,
        classes=table.classes,
        model=method.model(Toy()),
        table_steps=table_steps,
        matrix_steps=tuple(s for s in steps if s not in table_steps),
    )
    learner = method.learner(own.base_learner())
    train = method.rows(table, own)
    predictor = Predictor(table.schema, learner.fit(train, own), family="toy", metric="macro_f1")
    if type(method).predictor is Method.predictor:
        return predictor  # held-out scores would be of no use
    held = Held(table.given_labels(), own.out_of_fold(own.base_learner(), table), table.weights, table.classes)
    return method.predictor(predictor, held)


def test_expected_methods_are_found():
    assert set(methods()) >= EXPECTED


@EVERY
def test_says_what_it_is(method):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", method.name)
    assert method.__module__.endswith(f".{method.name}")
    assert method.treats
    assert method.treats <= set(SYMPTOMS)
    assert method.questions
    assert all(1 <= number <= 30 for number in method.questions)
    assert len(method.reference) > 15
    assert method.rivals <= set(methods())
    assert method.name not in method.rivals
    assert all(method.name in methods()[rival].rivals for rival in method.rivals), "rivalry is mutual"
    assert method.cost > 0
    assert 1 <= len(method.candidates) <= 3
    assert method.candidates[0] == {}
    module = __import__(method.__module__, fromlist=["x"])
    assert module.__doc__
    assert "\n" not in module.__doc__.strip()


@EVERY
def test_documents_every_setting(method):
    for name in method.model_fields:
        assert re.search(rf"^    .*\b{name}\b  ", method.__doc__, re.MULTILINE), name


@EVERY
def test_is_frozen_and_checks_its_settings(method):
    made = method()
    with pytest.raises(ValidationError):
        method(no_such_setting=1)
    for name, field in method.model_fields.items():
        with pytest.raises(ValidationError):
            setattr(made, name, field.default)
        if field.annotation is not bool and name not in ("second", "families", "source"):
            with pytest.raises(ValidationError):
                method(**{name: -(10.0**12)})
            with pytest.raises(ValidationError):
                method(**{name: "no such thing"})


@EVERY
def test_what_is_for_networks_is_refused_for_others_and_the_rest_is_not(method, table):
    assert bool(method().refused(Recipe(metric="macro_f1"), table, Toy())) == bool(method.networks or method.needs)


def test_candidates_are_valid_and_resolve(case):
    method, settings = case
    (made,) = resolve([Choice(name=method.name, settings=settings)])
    assert made == method(**settings)


@EVERY
def test_suits_an_ordinary_table(method, table):
    if not (method.networks or method.needs):
        assert method().unsuitable(Recipe(metric="macro_f1"), table, Toy()) is None


def test_same_seed_same_scores_and_saved_equals_loaded(case, table, context, tmp_path):
    method, settings = case
    first = fitted(method(**settings), table, context)
    again = fitted(method(**settings), table, context)
    scores = first.scores(table)
    assert np.array_equal(scores, again.scores(table))
    assert scores.shape == (table.rows, 3)
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-9)
    save_fitted(first, tmp_path, "predictor")
    loaded = load_fitted(tmp_path, "predictor")
    assert np.array_equal(scores, loaded.scores(table))
    assert np.array_equal(first.answers(table), loaded.answers(table))
    assert (first.answers(table) == table.labels).mean() > 0.6


@pytest.mark.parametrize(("seed", "weighted"), [(0, False), (1, True)])
def test_rows_stay_sound(case, seed, weighted):
    method, settings = case
    table = made_table(rows=140, share=[0.86, 0.1, 0.04], seed=seed, wrong=0.25)
    if weighted:
        table = table.with_weights(np.random.default_rng(seed).uniform(0.5, 2, table.rows))
    before = table.frame.clone(), table.labels.copy()
    train = method(**settings).rows(table, ToyContext(seed=seed, classes=table.classes))
    assert set(np.unique(train.given_labels())) == set(np.unique(table.given_labels())), "a class was emptied"
    weights = train.row_weights()
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert len(train.given_labels()) == train.rows == len(train.row_ids) == len(weights)
    assert train.frame.schema == table.frame.schema
    assert set(train.row_ids) <= set(table.row_ids)
    assert table.frame.equals(before[0])
    assert np.array_equal(table.labels, before[1]), "a table is never changed in place"


def test_steps_leave_new_rows_in_place(case, table, context):
    method, settings = case
    step = method(**settings).columns()
    if step is None or not hasattr(step, "scales"):
        return
    step.fit(table, 0)
    changed = step.transform(table.take(np.arange(7)))
    assert changed.rows == 7
    assert changed.frame.schema == table.frame.schema
    one_by_one = [step.transform(table.take(np.array([row]))).frame for row in range(7)]
    assert all(one.equals(changed.frame[row]) for row, one in enumerate(one_by_one)), "rows are changed one by one"


def test_what_a_family_cannot_do_is_refused(table):
    class Bare(Toy):
        can = frozenset()

    for name in ("class_weights", "noise_correction", "l1_penalty", "l2_penalty", "early_stopping", "boosting"):
        assert "toy" not in (reason := methods()[name]().unsuitable(Recipe(), table, Bare()) or "") or ";" in reason
        assert reason


def test_threshold_is_refused_for_metrics_of_scores(table):
    threshold = methods()["threshold"]()
    assert threshold.always
    assert threshold.unsuitable(Recipe(metric="log_loss"), table, Toy())
    assert threshold.unsuitable(Recipe(metric="roc_auc"), table, Toy())
    assert threshold.unsuitable(Recipe(metric="accuracy"), table, Toy()) is None
