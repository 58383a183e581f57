"""How texts are written, beside their words: measured right, of training rows only, and of use."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from melior.data.read import read
from melior.data.schema import Schema
from melior.data.table import Table
from melior.features.text_form import FORM, TextForm, form_of
from melior.recipe import Recipe
from melior.trials.fit import fit

SHOUTED = "I LOVE it!!! Do you? (2 of 10)"


def measured(text):
    return dict(zip(FORM, form_of(pl.Series("text", [text]))[0].tolist(), strict=True))


def table(texts, labels=None):
    schema = Schema({"text": "text"}, "y", ("no", "yes"))
    codes = np.zeros(len(texts), dtype=np.int32) if labels is None else np.asarray(labels, dtype=np.int32)
    return Table.make(pl.DataFrame({"text": texts}, schema={"text": pl.String}), schema, codes)


def test_each_is_what_it_says():
    found = measured(SHOUTED)
    assert found["characters"] == pytest.approx(np.log(len(SHOUTED) + 1))
    assert found["words"] == pytest.approx(np.log(8 + 1))
    assert found["lines"] == 0
    letters = sum(c.isalpha() for c in SHOUTED)
    assert found["letters a word"] == pytest.approx(letters / 8)
    assert found["capitals"] == pytest.approx(sum(c.isupper() for c in SHOUTED) / letters)
    assert found["words in capitals"] == pytest.approx(1 / 8)
    assert found["digits"] == pytest.approx(3 / len(SHOUTED))
    assert found["marks"] == pytest.approx(6 / len(SHOUTED))
    assert found["exclamation marks"] == pytest.approx(np.log(4))
    assert found["question marks"] == pytest.approx(np.log(2))
    assert found["ends of sentences"] == pytest.approx(4 / 8)
    assert (found["begins with a capital"], found["ends as a sentence"]) == (1, 0)
    assert measured("“so it ends.”")["ends as a sentence"] == 1
    assert measured("“so”")["quotation marks"] == pytest.approx(np.log(3))
    assert measured("a\nb\nc")["lines"] == pytest.approx(np.log(3))


def test_full_width_marks_count_as_their_plain_ones():
    found = measured("真的吗？太好了！我喜欢，很好。")
    assert found["question marks"] == found["exclamation marks"] == pytest.approx(np.log(2))
    assert found["commas"] == 1
    assert found["ends as a sentence"] == 1


@pytest.mark.parametrize("text", [None, "", "   ", "\n", "👍", "a"])
def test_what_is_hardly_a_text_is_measured_too(text):
    values = form_of(pl.Series("text", [text], dtype=pl.String))
    assert values.shape == (1, len(FORM))
    assert np.isfinite(values).all()


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_texts_give_finite_numbers_row_by_row(texts):
    values = form_of(pl.Series("text", texts))
    assert values.shape == (len(texts), len(FORM))
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert np.array_equal(values[-1], form_of(pl.Series("text", texts[-1:]))[0])


def test_scaled_by_training_rows_and_longer_texts_mean_nothing_new():
    texts = [" ".join(["word"] * n) for n in range(1, 30)]
    block = TextForm("text", scale=0.5).fit(table(texts), 0)
    shown = block.transform(table(texts))
    spread = shown.std(axis=0)
    assert shown.mean(axis=0) == pytest.approx(np.zeros(len(FORM)), abs=1e-9)
    assert set(np.round(spread, 9)) <= {0.0, 0.5}
    longest, longer = table([texts[-1]]), table([" ".join(["word"] * 9000)])
    assert np.allclose(block.transform(longer)[0], block.transform(longest)[0], atol=0.02)
    assert np.array_equal(
        TextForm("text", scale=None).fit(table(texts), 0).transform(table(texts)), form_of(pl.Series(texts))
    )


def test_no_training_rows_and_the_same_text_everywhere():
    for texts in ([], ["the same"] * 5):
        block = TextForm("text", scale=0.5).fit(table(texts), 0)
        assert np.isfinite(block.transform(table(["another one!"]))).all()


def test_names_say_column_and_measure():
    block = TextForm("text", scale=None).fit(table(["a"]), 0)
    assert block.names()[0] == "text: characters"
    assert block.sources() == ["text"] * len(FORM)


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_the_same_words_written_otherwise_are_told_apart(family):
    """Words say nothing: only how they are written does. Without that no family can know."""
    random = np.random.default_rng(3)
    words = np.array([f"w{chr(97 + n)}{chr(97 + n)}" for n in range(20)])

    def some(count):
        loud = random.random(count) < 0.5
        said = [" ".join(random.choice(words, 12)) for _ in range(count)]
        texts = [text.title() + "!" if own else text + "." for text, own in zip(said, loud, strict=True)]
        return pl.DataFrame({"text": texts, "y": np.where(loud, "loud", "calm")})

    train, new = some(300), some(300)
    scores = {}
    only_words = {"characters": False} if family == "linear" else {}
    for form in (True, False):
        recipe = Recipe(model={"name": family, "settings": {"text_form": form} | only_words}, metric="macro_f1")
        predictor = fit(recipe, read(train, target="y", columns={"text": "text"}))
        answers = predictor.predict(new.drop("y"))["prediction"].to_numpy()
        scores[form] = f1_score(new["y"].to_numpy(), answers, average="macro")
    assert scores[True] > 0.99
    assert scores[False] < 0.65
