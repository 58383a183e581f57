"""Methods that would do nothing, or break, are refused before any work; so are two that make each other pointless."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.data.schema import Schema
from melior.data.table import Table
from melior.errors import UserError
from melior.improvement.plan import candidates
from melior.methods._base import check, methods
from melior.models._base import families
from melior.recipe import Choice, Recipe
from melior.trials.fit import fit


def texts():
    return melior.read(
        pl.DataFrame({"note": [f"word{n % 7} and word{n % 5}" for n in range(60)], "y": ["a", "b", "c"] * 20}),
        target="y",
        columns={"note": "text"},
    )


def rivals():
    """Pairs that make each other pointless, of methods that can be used with texts each by itself."""
    table, model = texts(), families()["linear"]()
    able = [name for name, method in methods().items() if not method().refused(Recipe(), table, model)]
    return [(one, other) for one in able for other in sorted(methods()[one].rivals) if other in able]


@pytest.mark.parametrize("name", ["dimension_reduction", "l1_selection", "sparse_coding"])
def test_a_network_that_reads_words_has_no_features(name):
    pytest.importorskip("torch")
    recipe = Recipe(methods=[name]).with_model("text_encoder")
    with pytest.raises(UserError, match=f"{name} cannot be used here: text_encoder reads words .*; use linear"):
        check(recipe, texts(), families()["text_encoder"]())
    assert check(recipe.with_model("linear"), texts(), families()["linear"]())


@pytest.mark.parametrize("name", ["dimension_reduction", "sparse_coding"])
@pytest.mark.parametrize("family", ["trees", "tabular_network"])
def test_codes_of_categories_alone_are_nothing_to_reduce(name, family):
    """Codes pass by, so that nothing would be done; beside a number, and by one-hot features, something is."""
    frame = pl.DataFrame(
        {"c": [f"k{n % 7}" for n in range(60)], "x": [n % 11 / 7 for n in range(60)], "y": ["a", "b"] * 30}
    )
    alone, beside = (melior.read(frame.drop(drop), target="y") for drop in (["x"], []))
    if family == "tabular_network":
        pytest.importorskip("torch")
    with pytest.raises(UserError, match=f"{name} cannot be used here: {family} reads categories as codes"):
        check(Recipe(methods=[name]), alone, families()[family]())
    assert check(Recipe(methods=[name]), beside, families()[family]())
    assert check(Recipe(methods=[name]), alone, families()["linear"]())


@pytest.mark.parametrize("family", ["linear", "trees"])
@pytest.mark.parametrize(
    "method", ["dimension_reduction", "l1_selection", "sparse_coding", {"undersampling": {"kind": "tomek"}}]
)
def test_empty_texts_are_no_reason_to_break(method, family):
    """There are no features then, and the answer is each class's share, as without the method."""
    frame = pl.DataFrame({"note": pl.Series([None] * 40, dtype=pl.String)})
    labels = np.tile([0, 1, 1, 1], 10).astype(np.int32)
    table = Table.make(frame, Schema({"note": "text"}, "y", ("a", "b")), labels)
    scores = fit(Recipe(model=family, metric="macro_f1", methods=[method]), table).scores(table)
    assert np.allclose(scores, scores[0])
    assert np.allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize(("one", "other"), rivals())
def test_two_that_make_each_other_pointless_are_refused(one, other):
    table, model = texts(), families()["linear"]()
    with pytest.raises(UserError, match=r"(\w+) and (\w+) are never used together"):
        check(Recipe(methods=[one, other]), table, model)


def test_what_a_recipe_names_is_not_joined_by_what_makes_it_pointless():
    recipe = Recipe(methods=["bagging"]).with_model("linear")
    planned, refused = candidates(recipe, (), texts(), attempt=["voting", "l2_penalty"])
    assert {one.method.name for one in planned} >= {"l2_penalty"}
    assert "voting" not in {one.method.name for one in planned}
    assert "bagging" in next(one.reason for one in refused if one.name == "voting")


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_a_loss_below_the_usual_is_no_spike(value):
    pytest.importorskip("torch")
    from melior.models._base import resolve

    with pytest.raises(UserError, match="spike: should be more than 1"):
        resolve(Choice(name="tabular_network", settings={"spike": value}))
    assert resolve(Choice(name="tabular_network", settings={"spike": 2.0})).spike == 2.0


def test_languages_that_the_pairs_do_not_have_are_refused(tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("en,de\n" + "".join(f"word {n},Wort {n}\n" for n in range(30)))
    method = methods()["multilingual_augmentation"](pairs=str(pairs), languages=["fr"])
    assert method.refused(Recipe(), texts(), families()["linear"]()) == "the pairs are in de and en, not in fr"


def tables():
    numbers = {"x": [float(n % 7) for n in range(60)], "z": [float(n % 5) for n in range(60)]}
    answers = {"y": ["a", "b", "c"] * 20}
    return {
        "texts": texts(),
        "numbers": melior.read(pl.DataFrame({**numbers, **answers}), target="y"),
        "categories": melior.read(
            pl.DataFrame({"c": ["red", "blue"] * 30, **answers}), target="y", columns={"c": "category"}
        ),
    }


@pytest.mark.parametrize("family", ["linear", "trees", "tabular_network", "text_encoder"])
def test_every_refusal_says_what_to_do_instead(family):
    if family.endswith(("network", "encoder")):
        pytest.importorskip("torch")
    model = families()[family]()
    bare = {
        (kind, name): reason
        for kind, table in tables().items()
        for name, method in methods().items()
        for settings in ({}, *method.candidates)
        if (reason := method(**settings).refused(Recipe(), table, model)) and ";" not in reason
    }
    assert not bare
