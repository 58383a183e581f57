"""Words are taken out of texts, whole and in every spelling, in new rows as in those that were learnt."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.checks.leaking_phrases import LeakingPhrases, shortest
from melior.data.phrases import noted, phrases_of, without
from melior.data.read import read, read_like
from melior.errors import UserError
from melior.improvement.ask import taken_to_be_known
from melior.improvement.improve import improve_table
from melior.improvement.repair import repair_recipe
from melior.methods._base import methods
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.sklearn import ImprovedClassifier
from melior.trials.context import TableContext


@pytest.mark.parametrize(
    ("text", "phrases", "left"),
    [
        ("Case closed. Encased, closed-in.", ["case"], " closed. Encased, closed-in."),
        ("CASE CLOSED today", ["case closed"], " today"),
        ("case,\n closed", ["case closed"], ""),
        ("the closed case", ["case closed"], "the closed case"),
        ("已经转交仲裁处理", ["仲裁"], "已经转交处理"),
        ("a+b is not aab", ["a+b"], " is not aab"),
        ("refunds and refund", ["refund", "refunds and refund"], ""),
        ("naïve Über café", ["über"], "naïve  café"),
        ("now #closed, enclosed", ["#closed"], "now , enclosed"),
        ("nothing", [], "nothing"),
    ],
)
def test_whole_words_go_and_nothing_else(text, phrases, left):
    assert without(pl.Series([text, None]), phrases).to_list() == [left, None]


def test_what_was_taken_out_is_noted_once():
    first = noted({"n": {"decimal": ","}}, {"note": ["b", "a"]})
    again = noted(first, {"note": ["a", "c"]})
    assert phrases_of(again["note"]) == ["a", "b", "c"]
    assert again["n"] == {"decimal": ","}
    assert phrases_of({}) == []


def test_the_shortest_phrases_take_the_longer_ones_with_them():
    assert shortest(["the kestrel", "kestrel", "heron", "heron desk", "kestrels"]) == ["kestrel", "heron", "kestrels"]


def rows(count=400, seed=0):
    """Notes that say something of the answer, and a stamp that says nearly all."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, count)
    own = [np.where(random.random(8) < 0.62, c, 1 - c) for c in y]
    said = [" ".join(f"{'ab'[side]}word{number}" for side, number in zip(sides, random.integers(0, 40, 8), strict=True))
            for sides in own]  # fmt: skip
    stamp = np.where(random.random(count) < 0.97, y, 1 - y)
    notes = [f"It was {text}. Sent to the {('heron', 'kestrel')[s]} desk." for text, s in zip(said, stamp, strict=True)]
    return pl.DataFrame({"note": notes, "y": ["yes" if c else "no" for c in y]}), y


def improved(frame, **how):
    table = read(frame, target="y", columns={"note": "text"})
    never = [name for name in methods() if name != "class_weights"]
    recipe = Recipe(model="linear", metric="accuracy", data={"columns": {"note": "text"}})
    return improve_table(table, recipe, budget=3600.0, never=never, workers=1, **how)[0]


@pytest.fixture(scope="module")
def found():
    return improved(rows()[0])


def test_a_leaking_phrase_is_taken_out_and_the_column_stays(found):
    assert set(found.recipe.data.without["note"]) == {"heron", "kestrel"}
    (repair,) = [one for one in found.repairs if one.symptom == "target_leakage"]
    assert repair.phrases
    assert "known_at_prediction" in repair.undo
    assert found.reported_before_repair > found.final.high
    assert "note" in found.predictor.schema.features()


def test_new_rows_lose_it_too_also_after_saving(found, tmp_path):
    new = rows(300, seed=1)[0]
    swapped = new.with_columns(
        pl.col("note")
        .str.replace("heron", "?")
        .str.replace("kestrel", "heron")
        .str.replace("?", "kestrel", literal=True)
    )
    plain = found.predictor.predict(new.drop("y"))
    assert plain.drop("row").equals(found.predictor.predict(swapped.drop("y")).drop("row"))
    right = (plain["prediction"] == new["y"]).mean()
    assert 0.6 < right < 0.9
    assert found.final.low < right < found.final.high
    found.predictor.save(tmp_path)
    assert Predictor.load(tmp_path).predict(new.drop("y")).equals(plain)


def test_the_recipe_says_it_and_training_by_it_does_the_same(found, tmp_path):
    frame, _ = rows()
    frame.write_parquet(tmp_path / "rows.parquet")
    recipe = Recipe.checked({**found.recipe.model_dump(exclude_unset=True), "methods": []})
    recipe = recipe.with_data(path=str(tmp_path / "rows.parquet"), target="y")
    (tmp_path / "melior.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path / "melior.yaml").data.without == recipe.data.without
    trained = melior.train(str(tmp_path / "melior.yaml"))
    new = rows(200, seed=2)[0].drop("y")
    swapped = new.with_columns(pl.col("note").str.replace("heron|kestrel", "heron"))
    first, second = (trained.predictor.predict(one).drop("row") for one in (new, swapped))
    assert first.equals(second)


def test_what_the_user_took_out_stays_out():
    frame = rows()[0].with_columns(pl.col("note") + " Ours.")
    table = read(frame, target="y", columns={"note": "text"}).without_phrases({"note": ["ours"]})
    recipe = Recipe(data={"columns": {"note": "text"}, "without": {"note": ["ours"]}})
    finding = LeakingPhrases().measure(TableContext(table, recipe))
    repaired = repair_recipe(recipe, finding, separate_test=False)
    assert set(repaired.recipe.data.without["note"]) == {"ours", "heron", "kestrel"}


def test_an_empty_phrase_is_refused():
    with pytest.raises(UserError):
        Recipe.checked({"data": {"without": {"note": [" "]}}})


def test_language_models_do_not_pretend_to_take_words_out():
    with pytest.raises(UserError, match=r"data\.without is for task: classify"):
        Recipe.checked({"task": "generate", "data": {"path": "a.jsonl", "without": {"text": ["x"]}}})


def test_who_says_that_it_is_known_keeps_it():
    kept = improved(rows()[0], ask=taken_to_be_known)
    assert not kept.recipe.data.without
    assert kept.final.value > 0.93


def test_only_texts_lose_words(tmp_path):
    pl.DataFrame({"a": [1.0, 2.0] * 30, "y": ["no", "yes"] * 30}).write_parquet(tmp_path / "rows.parquet")
    data = {"target": "y", "without": {"a": ["x"]}, "path": str(tmp_path / "rows.parquet")}
    with pytest.raises(UserError, match=r"data\.without: 'a' is no text column"):
        melior.audit(Recipe.checked({"data": data}))


def test_reading_like_takes_out_what_is_noted():
    table = read(rows()[0], target="y", columns={"note": "text"}).without_phrases({"note": ["heron", "kestrel"]})
    again = read_like(rows(50, seed=3)[0], table.schema)
    assert not again.column("note").str.contains("heron|kestrel").any()
    assert again.column("note").str.contains("Sent to the  desk").all()


def test_the_classifier_is_fitted_anew_without_them():
    frame, y = rows()
    quick = [name for name in methods() if name != "class_weights"]
    fitted = ImprovedClassifier(budget=60, model="linear", metric="accuracy", never=quick, leaks="suspected",
                                columns={"note": "text"}, random_state=0)  # fmt: skip
    with pytest.warns(UserWarning, match="heron"):
        fitted.fit(frame.drop("y"), y)
    new = rows(60, seed=1)[0]
    told = new["note"].str.replace("heron", "merlin").str.replace("kestrel", "heron").str.replace("merlin", "kestrel")
    swapped = new.with_columns(told)
    assert np.array_equal(*(fitted.predict_proba(one.drop("y")) for one in (new, swapped)))
