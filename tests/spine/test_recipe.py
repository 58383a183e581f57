"""The recipe: YAML and back, short forms, one sentence for what is wrong, and a fingerprint of what a trial needs."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from melior.errors import UserError
from melior.layout import Layout
from melior.recipe import Choice, Recipe, names, schema

FULL = Recipe.model_validate(
    {
        "data": {
            "path": "评论.csv",
            "test": "test.csv",
            "target": "y: z",
            "columns": {"zip": "category", "no": "ignore"},
            "missing_target": "drop",
            "trusted": "checked",
            "known_at_prediction": ["a", "b"],
            "encoding": "gb18030",
            "separator": "\t",
        },
        "split": {"kind": "group", "column": "customer", "sealed": 0.25, "folds": 4, "repeats": 2},
        "metric": "recall[yes]",
        "model": {"trees": {"rounds": 30}},
        "methods": ["class_weights", {"threshold": {"resamples": 20}}],
        "train": {"parallel": {"data": 4, "sharded": True, "tensor": 2}},
        "seed": 7,
    }
)
# PyYAML takes NEL and the Unicode line separators for spaces: such names do not survive a file
words = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), min_size=1, max_size=12)
recipes = st.builds(
    lambda path, target, columns, sealed, folds, metric, model, methods, seed: Recipe.model_validate(
        {
            "data": {"path": path, "target": target, "columns": columns},
            "split": {"sealed": sealed, "folds": folds},
            "metric": metric,
            "model": model,
            "methods": methods,
            "seed": seed,
        }
    ),
    st.none() | words,
    st.none() | words,
    st.dictionaries(words, st.sampled_from(["number", "text", "ignore"]), max_size=3),
    st.floats(0, 0.5),
    st.integers(2, 20),
    words,
    words
    | st.dictionaries(
        words.filter(lambda word: word != "name"),
        st.dictionaries(words, st.integers() | words, max_size=2),
        min_size=1,
        max_size=1,
    ),
    st.lists(words, unique=True, max_size=3),
    st.integers(0, 2**31 - 1),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(recipe=recipes)
def test_yaml_and_back(recipe):
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_everything_survives_yaml():
    again = Recipe.from_yaml(FULL.to_yaml())
    assert again == FULL
    assert again.fingerprint() == FULL.fingerprint()
    assert "评论.csv" in FULL.to_yaml()
    assert Recipe.model_validate_json(FULL.model_dump_json()) == FULL


def test_defaults_are_not_written():
    assert yaml.safe_load(Recipe().to_yaml()) == {"task": "classify"}
    assert Recipe.from_yaml("") == Recipe()


def test_short_forms():
    recipe = Recipe.from_yaml("model: linear\nmethods: [bagging, {threshold: {resamples: 9}}, {calibration: }]")
    assert recipe.model == Choice(name="linear")
    assert recipe.methods[1] == Choice(name="threshold", settings={"resamples": 9})
    assert recipe.methods[2] == Choice(name="calibration")
    assert names(recipe.methods) == ("bagging", "threshold", "calibration")
    assert str(recipe.methods[1]) == "threshold(resamples=9)"
    assert yaml.safe_load(recipe.to_yaml())["methods"] == ["bagging", {"threshold": {"resamples": 9}}, "calibration"]


WRONG = {
    "nonsense: 1": "nonsense",
    "data: {pth: a.csv}": "data.pth",
    "data: {columns: {a: colour}}": "data.columns.a",
    "data: {missing_target: guess}": "data.missing_target",
    "split: {folds: 1}": "split.folds",
    "split: {folds: many}": "split.folds",
    "split: {sealed: 0.7}": "split.sealed",
    "split: {sealed: .nan}": "split.sealed",
    "split: {kind: group}": "split.column",
    "split: {kind: fancy}": "split.kind",
    "train: {parallell: auto}": "train.parallell",
    "train: {parallel: automatic}": "train.parallel",
    "train: {parallel: [2, 2]}": "train.parallel",
    "train: {parallel: {daata: 2}}": "'train.parallel.daata'",
    "train: {parallel: {data: 0}}": "train.parallel.data",
    "train: {parallel: {local_steps: 8, sharded: true}}": "train.parallel",
    "seed: -1": "seed",
    "seed: 1.5": "seed",
    "seed: 99999999999": "seed",
    "task: regress": "task",
    "metric: 3": "metric",
    "metric:": "metric",
    "methods: [a, a]": "methods",
    "methods: bagging": "methods",
    "methods: [{a: 1, b: 2}]": "methods",
    "methods: [{a: 1}]": "methods",
    "methods: [[a]]": "methods",
    "model: {linear: {c: 1}, trees: {}}": "model",
    "model: []": "model",
    "- a\n- b": "mapping",
    "just words": "mapping",
    "data: {path: [": "line 1",
    "a: b: c": "line 1",
    "data: a.csv": "data",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_one_sentence_with_the_key(text):
    with pytest.raises(UserError) as caught:
        Recipe.from_yaml(text, "melior.yaml")
    said = str(caught.value)
    assert said.startswith("melior.yaml")
    assert said.endswith((".", "?"))
    assert WRONG[text] in said
    assert "\n" not in said
    assert "pydantic" not in said
    assert "https://" not in said


def test_yaml_runs_nothing():
    with pytest.raises(UserError):
        Recipe.from_yaml("metric: !!python/object/apply:os.system [true]")


def test_a_recipe_is_frozen_and_changes_are_new_recipes():
    recipe = Recipe(methods=("bagging",))
    with pytest.raises(ValidationError):
        recipe.seed = 3
    more = recipe.with_methods("threshold", Choice(name="bagging", settings={"members": 3}))
    assert [str(choice) for choice in more.methods] == ["threshold", "bagging(members=3)"]
    assert recipe.methods == (Choice(name="bagging"),)
    assert more.without_methods("bagging", "unknown").methods == (Choice(name="threshold"),)
    assert recipe.with_model("trees").model.name == "trees"
    assert recipe.with_data(target="y").data.target == "y"
    assert recipe.with_split(folds=3).split.folds == 3
    assert recipe.with_methods() == recipe
    with pytest.raises(ValidationError):
        recipe.with_split(folds=1)


def test_with_data_checks_what_it_is_given():
    with pytest.raises(ValidationError):
        Recipe().with_data(missing_target="guess")


@pytest.mark.parametrize(
    "changed",
    [
        FULL.with_methods("bagging"),
        FULL.without_methods("threshold"),
        FULL.with_methods({"threshold": {"resamples": 21}}),
        FULL.with_model("linear"),
        FULL.with_model({"trees": {"rounds": 31}}),
        FULL.with_split(folds=5),
        FULL.with_split(sealed=0.2),
        FULL.with_data(target="other"),
        FULL.with_data(columns={"zip": "number"}),
        FULL.with_data(trusted=None),
        FULL.model_copy(update={"seed": 8}),
        FULL.model_copy(update={"metric": "accuracy"}),
    ],
    ids=lambda recipe: "",
)
def test_the_fingerprint_changes_with_what_a_trial_depends_on(changed):
    assert changed.fingerprint() != FULL.fingerprint()


def laid_out(**parallel):
    return Recipe.model_validate({"train": {"parallel": parallel}})


def test_the_fingerprint_changes_with_local_steps_alone():
    plain = Recipe()
    for layout in (laid_out(data=2), laid_out(sharded=True, timeout=9), laid_out(tensor=2, pipeline=2)):
        assert layout.fingerprint() == plain.fingerprint()
    alone = laid_out(data=2, local_steps=8)
    assert len({one.fingerprint() for one in (plain, alone, laid_out(data=2, local_steps=9))}) == 3


@pytest.mark.parametrize(
    "parallel",
    ["auto", {}, {"data": 2}, {"sharded": True, "tensor": 2}, {"pipeline": 4, "schedule": "gpipe", "pieces": 8}],
)
def test_a_layout_survives_yaml(parallel):
    recipe = Recipe.model_validate({"train": {"parallel": parallel}})
    again = Recipe.from_yaml(recipe.to_yaml())
    assert again == recipe
    assert again.train.parallel == ("auto" if parallel == "auto" else Layout(**parallel))


def test_the_fingerprint_does_not_change_with_where_things_lie():
    assert FULL.with_data(path="elsewhere.csv", test=None).fingerprint() == FULL.fingerprint()
    swapped = FULL.model_copy(
        update={"data": FULL.data.model_copy(update={"columns": {"no": "ignore", "zip": "category"}})}
    )
    assert swapped.fingerprint() == FULL.fingerprint()


def test_load(tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    path = tmp_path / "melior.yaml"
    path.write_text("data: {path: rows.csv, test: missing.csv}", encoding="utf-8")
    recipe = Recipe.load(path)
    assert recipe.data.path == str(tmp_path / "rows.csv")
    assert recipe.data.test == "missing.csv"
    for wrong, said in ((tmp_path / "none.yaml", "no such file"), (tmp_path / "latin.yaml", "UTF-8")):
        (tmp_path / "latin.yaml").write_bytes(b"metric: \xff\xfe")
        with pytest.raises(UserError, match=said):
            Recipe.load(wrong)


def test_places_of_models_are_beside_the_recipe(tmp_path, monkeypatch):
    for folder in ("own/model", "own/few", "elsewhere/model"):
        (tmp_path / folder).mkdir(parents=True)
    path = tmp_path / "own" / "melior.yaml"
    path.write_text("model: {text_encoder: {source: ./model}}\nmethods: [{few_shot_head: {source: few}}]")
    for where in (tmp_path, tmp_path / "own", tmp_path / "elsewhere"):
        monkeypatch.chdir(where)
        recipe = Recipe.load(Path(os.path.relpath(path)))
        assert recipe.model.settings == {"source": str(tmp_path / "own" / "model")}
        assert recipe.methods[0].settings == {"source": str(tmp_path / "own" / "few")}
    for name in ("some/name", "", 7):  # of the hub, none, and nonsense, about which the family has its sentence
        path.write_text(Recipe(model={"text_encoder": {"source": name}}).to_yaml())
        assert Recipe.load(path).model.settings == {"source": name}


def test_load_of_a_folder_is_one_sentence(tmp_path):
    with pytest.raises(UserError):
        Recipe.load(tmp_path)


def test_the_schema_is_one(tmp_path):
    import json

    made = schema()
    assert set(made["properties"]) == set(Recipe.model_fields)
    json.dumps(made)
