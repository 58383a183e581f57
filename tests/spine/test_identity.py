"""What a run is taken for, and what a trial: files that a recipe names, mutes and limits, functions, versions."""

from dataclasses import replace
from typing import Literal, get_args, get_origin

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.splits import folds
from melior.errors import UserError
from melior.methods._base import methods
from melior.metrics import custom
from melior.models._base import families
from melior.models._generator import generators
from melior.recipe import Recipe, Split
from melior.runs.identity import BLOCK, BLOCKS, content, depends_on, identity
from melior.testing import tables
from melior.trials.executors import agree
from melior.trials.run import Trials


def test_a_file_that_the_recipe_names_is_part_of_it(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("good,fine\n")
    recipe = Recipe(methods=[{"text_augmentation": {"dictionaries": [str(words)], "changes": ["synonyms"]}}])
    before, plain = depends_on(recipe), Recipe(methods=["class_weights"])
    assert depends_on(plain) == plain.fingerprint()
    words.write_text("good,fine\nbad,poor\n")
    assert depends_on(recipe) != before
    words.write_text("good,fine\n")
    assert depends_on(recipe) == before


def test_a_trial_is_done_again_when_such_a_file_has_changed(tmp_path):
    table = tables.mixed_table(90, seed=3)
    words = tmp_path / "words.txt"
    words.write_text("good,fine\n")
    recipe = Recipe(
        model={"linear": {"longest": 1, "characters": False}},
        metric="macro_f1",
        methods=[{"text_augmentation": {"dictionaries": [str(words)], "changes": ["synonyms"]}}],
    )
    keys, cached = [], []
    for content_of_it in ("good,fine\n", "good,fine\n", "good,fine\nred,blue\n"):
        words.write_text(content_of_it)
        trials = Trials(table, folds(table, Split(folds=3), 0), store=tmp_path / "kept")
        trials.run(recipe, 0)
        keys.append(trials.key(recipe, 0))
        cached.append(trials.cached)
    assert cached == [0, 1, 0]
    assert keys[0] == keys[1] != keys[2]


def test_nothing_else_that_a_recipe_says_is_taken_for_a_file(tmp_path, monkeypatch):
    """A run may be called like a setting, and grows while its own trials are named; a stop text may be a full stop."""
    monkeypatch.chdir(tmp_path)
    recipes = [
        Recipe(methods=[{"oversampling": {"kind": "smote"}}]),
        Recipe(task="generate", model={"causal_lm": {"stop": ["."]}}),
    ]
    (tmp_path / "smote").mkdir()
    for recipe in recipes:
        assert depends_on(recipe) == recipe.fingerprint()


def free_text(annotation):
    if get_origin(annotation) is Literal:
        return False
    return annotation is str or any(map(free_text, get_args(annotation)))


# they hold texts that are no names of files: columns, families, languages, a span of time, texts that end an answer
NO_FILES = {"weights", "gains", "second", "families", "languages", "checkpoint_every", "stop"}


@pytest.mark.parametrize("kinds", [methods(), families(), generators()], ids=["methods", "families", "generators"])
def test_every_setting_that_holds_a_free_text_is_known_to_name_a_file_or_not(kinds):
    for name, kind in kinds.items():
        texts = {setting for setting, field in kind.model_fields.items() if free_text(field.annotation)}
        assert texts - NO_FILES == set(kind.files), name


def test_of_a_run_what_was_fitted_counts_and_no_report(tmp_path, monkeypatch):
    run = tmp_path / "run"
    (run / "predictor").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "predictor" / "model.txt").write_text("one")
    (run / "report.html").write_text("as it was")
    monkeypatch.setenv("HOME", str(tmp_path))
    recipes = [Recipe(methods=[{"incremental_training": {"source": one}}]) for one in (str(run), "~/run")]
    before = [depends_on(one) for one in recipes]
    (run / "report.html").write_text("drawn again")
    assert [depends_on(one) for one in recipes] == before
    (run / "predictor" / "model.txt").write_text("two, and longer")
    after = [depends_on(one) for one in recipes]
    assert not {*after} & {*before}


def test_large_files_and_folders_are_told_apart_wherever_they_lie(tmp_path):
    random = np.random.default_rng(0)
    large = random.integers(0, 256, BLOCK * BLOCKS * 2, dtype=np.uint8)
    other = large.copy()
    other[: len(other) // 2 : 7] += 1  # weights that were taught anew
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for folder, values in (("one", large), ("two", large)):
        (tmp_path / folder / "model.bin").write_bytes(values.tobytes())
    assert content(tmp_path / "one") == content(tmp_path / "two")
    (tmp_path / "two" / "model.bin").write_bytes(other.tobytes())
    assert content(tmp_path / "one") != content(tmp_path / "two")


def test_mutes_and_limits_are_of_the_run_and_not_of_its_trials():
    plain = Recipe(metric="macro_f1")
    muted = plain.model_copy(
        update={"mute": Recipe(mute=[{"symptom": "target_leakage", "reason": "it is known then"}]).mute}
    )
    assert depends_on(muted) == depends_on(plain)
    assert identity(muted) != identity(plain) == plain.fingerprint()


def test_a_version_of_a_library_is_part_of_a_trial(monkeypatch):
    table = tables.mixed_table(60, seed=3)
    trials = Trials(table, folds(table, Split(folds=3), 0))
    linear, network = Recipe(model="linear"), Recipe(model="tabular_network")
    before = [trials.key(one, 0) for one in (linear, network)]

    def other(name):
        monkeypatch.setattr(agree, "installed", lambda: {**there, name: "0.0.1"})
        agree.stamp.cache_clear()
        return [trials.key(one, 0) for one in (linear, network)]

    there = agree.installed()
    try:
        sklearn, torch = other("scikit-learn"), other("torch")
    finally:
        agree.stamp.cache_clear()
    assert not {*sklearn} & {*before}
    assert torch[0] == before[0]
    assert torch[1] != before[1]


def rows(folder):
    g = np.random.default_rng(0)
    x = g.normal(size=(150, 2))
    path = folder / "rows.csv"
    answers = np.where(x[:, 0] + 0.3 * g.normal(size=150) > 0, "yes", "no")
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": answers}).write_csv(path)
    return path


def test_a_finished_run_is_not_taken_for_one_with_another_goal_or_function(tmp_path, monkeypatch):
    path = rows(tmp_path)
    how = {"target": "y", "model": "linear", "budget": 5, "attempt": ["class_weights"]}
    melior.improve(path, run=tmp_path / "goal", goal="macro_f1, size<=25MB", **how)
    with pytest.raises(UserError, match="another recipe"):
        melior.improve(path, run=tmp_path / "goal", goal="macro_f1, size<=1KB", **how)

    def right(truth, said, sample_weight=None):
        return float(np.average(truth == said, weights=sample_weight))

    def wrong(truth, said, sample_weight=None):
        return float(np.average(truth != said, weights=sample_weight))

    recipe = Recipe(metric=custom.from_function(right, name="mine_here"))
    first = identity(recipe)
    assert identity(recipe) == first != recipe.fingerprint()
    monkeypatch.setitem(custom._known, recipe.metric, replace(custom._known[recipe.metric], function=wrong))
    assert identity(recipe) != first  # the function was written anew
