"""Languages of texts: known sentences in 28 languages, columns of few languages, and texts that say nothing."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import SAID, column

from melior.texts.languages import (
    LANGUAGES,
    SCRIPTS,
    identify,
    letters_by_script,
    mixtures,
    probabilities,
    segments,
    together,
)
from melior.texts.names import NAMES


def test_at_least_fifty_languages_and_all_have_names():
    assert len(LANGUAGES) >= 50
    assert set(LANGUAGES) == set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize("language", sorted(set(SAID) - {"id"}))  # two sentences may as well be Malay
def test_two_sentences_by_themselves(language):
    found = identify(pl.Series([" ".join(SAID[language])]))
    assert found.names() == [language]
    assert 0.8 <= found.confidence[0] <= 1


def test_a_column_of_all_languages():
    texts = [text for pair in SAID.values() for text in pair]
    truth = [language for language in SAID for _ in range(2)]
    named = identify(pl.Series(texts)).names()
    wrong = [(name, right) for name, right in zip(named, truth, strict=True) if name not in (right, "unknown")]
    assert not wrong
    assert named.count("unknown") <= 0.2 * len(named)


def test_short_texts_are_judged_with_their_column():
    """A text too short to tell by itself is told by the others; alone it stays unknown."""
    short = "In Hotel"
    assert identify(pl.Series([short])).names() == ["unknown"]
    assert identify(pl.Series([short, *column("de", 600)])).names()[0] == "de"


def test_few_foreign_texts_are_not_swallowed():
    texts = [*column("en", 2000), *column("de", 6), *column("fr", 6)]
    found = identify(pl.Series(texts))
    assert found.counts() == {"en": 2000, "de": 6, "fr": 6}
    assert found.names()[2000:2006] == ["de"] * 6


@pytest.mark.parametrize(
    "text", ["", " ", "12345", "?!…", "😀😀", "https://example.org/wie/geht/das", "<b></b>", "ab", "\x00\x01", "𓀀𓀁𓀂𓀃𓀄"]
)
def test_what_has_no_letters_is_unknown(text):
    found = identify(pl.Series([text, None, SAID["en"][0]]))
    assert found.names()[:2] == ["unknown", "unknown"]
    assert found.confidence[:2].tolist() == [0, 0]
    assert found.codes[:2].tolist() == [-1, -1]


@pytest.mark.parametrize("texts", [pl.Series([], dtype=pl.String), pl.Series([None, None], dtype=pl.String)])
def test_empty_columns(texts):
    found = identify(texts)
    assert found.languages == ()
    assert found.known == 0
    assert len(mixtures(texts).positions) == 0
    assert len(segments(texts)[0]) == 0


def test_a_very_long_cell_is_read_in_part():
    found = identify(pl.Series([" ".join(SAID["fr"]) * 50_000, " ".join(SAID["de"])]))  # 5 MB
    assert found.names() == ["fr", "de"]


def test_foreign_words_and_links_change_nothing():
    text = SAID["ru"][0] + " https://example.org/the/people/were/friendly <b class='clean'>GNOME Shell</b>"
    assert identify(pl.Series([text])).names() == ["ru"]


def test_japanese_without_kana_is_chinese_only_alone():
    assert identify(pl.Series(["東京都 hotel"] * 3)).names() != ["ko"] * 3
    assert identify(pl.Series([SAID["ja"][0]])).names() == ["ja"]
    assert identify(pl.Series([SAID["zh"][0]])).names() == ["zh"]


def test_a_sample_is_said_to_be_one():
    texts = pl.Series(column("en", 300) + column("de", 300))
    found = identify(texts, most=100, seed=3)
    assert len(found.looked) == 100
    assert len(set(found.looked.tolist())) == 100
    assert (np.delete(found.codes, found.looked) == -1).all()
    assert (identify(texts, most=100, seed=3).codes == found.codes).all()
    assert (identify(texts, most=100, seed=4).looked != found.looked).any()


def test_the_order_of_rows_does_not_matter():
    texts = column("en", 40) + column("fr", 20)
    order = np.random.default_rng(0).permutation(60)
    there = identify(pl.Series(texts)).names()
    assert identify(pl.Series([texts[k] for k in order])).names() == [there[k] for k in order]


def test_letters_are_counted_by_script():
    counted = letters_by_script(pl.Series(["abc где 漢字 かな 12", "", None]))
    scripts = list(SCRIPTS)
    assert counted[0, scripts.index("Latin")] == 3
    assert counted[0, scripts.index("Cyrillic")] == 3
    assert counted[0, scripts.index("Han")] == 2 * 3  # a Chinese letter says as much as three Latin ones
    assert counted[1:].sum() == 0


# ---- shares


def test_shares_agree_with_the_formula():
    """One language in the column, probabilities that lean the other way in two texts: Bayes' rule with the shares."""
    likely = np.array([[0.9, 0.1]] * 98 + [[0.3, 0.7]] * 2)
    weighed = together(likely)
    shares = (weighed.sum(axis=0) + 1) / 102
    expected = likely * shares / (likely * shares).sum(axis=1, keepdims=True)
    assert np.allclose(weighed, expected, atol=1e-3)  # a fixed point
    assert (weighed.argmax(axis=1) == 0).all()


def test_a_single_text_is_judged_by_itself():
    likely = np.array([[0.55, 0.3, 0.15]])
    assert np.abs(together(likely) - likely).max() < 0.2


def test_shares_of_mixed_columns_are_recovered():
    """Texts drawn from two languages, 30 to 70, with probabilities from a known model: the shares come out right."""
    random = np.random.default_rng(5)
    language = random.random(4000) < 0.3
    evidence = random.normal(np.where(language, 1.0, -1.0), 1.0)  # log odds of equal shares: 2 x
    first = 1 / (1 + np.exp(-2 * evidence))
    weighed = together(np.column_stack([first, 1 - first]))
    assert weighed[:, 0].mean() == pytest.approx(0.3, abs=0.03)


def test_probabilities_sum_to_one_and_repeat_for_repeated_texts():
    found = probabilities(["Wo ist der Bahnhof?", "", "Wo ist der Bahnhof?"], "Latin")
    assert np.allclose(found.sum(axis=1), 1)
    assert (found[0] == found[2]).all()
    assert found.shape == (3, len(SCRIPTS["Latin"]) + 1)


# ---- mixed texts


def test_mixed_texts_are_found_and_no_others():
    texts = column("en", 60) + column("de", 60)
    texts += [f"{a} {b}" for a, b in zip(column("en", 20, seed=1), column("de", 20, seed=2), strict=True)]
    found = mixtures(pl.Series(texts))
    assert set(found.positions.tolist()) <= set(range(120, 140))
    assert len(found.positions) >= 14  # of 20; a short second sentence is under a fifth
    assert all(set(pair) == {"en", "de"} for pair in found.languages)
    assert ((found.shares >= 0.2) & (found.shares <= 0.7)).all()


def test_mixed_scripts():
    found = mixtures(pl.Series([f"{SAID['zh'][1]}{SAID['zh'][0]}\n{SAID['en'][0]}", SAID["zh"][1]]))
    assert found.positions.tolist() == [0]
    assert set(found.languages[0]) == {"en", "zh"}


def test_segments_know_their_text():
    pieces, rows = segments(pl.Series([SAID["en"][0] + " No. " + SAID["en"][1], None, "ok", SAID["zh"][1] * 2]))
    assert rows.tolist()[:2] == [0, 0]
    assert set(rows.tolist()) == {0, 3}
    assert not any(piece.strip() == "No" for piece in pieces)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=80)), max_size=8))
def test_any_text_gives_an_answer(texts):
    found = identify(pl.Series(texts, dtype=pl.String))
    assert len(found.codes) == len(found.confidence) == len(texts)
    assert ((found.confidence >= 0) & (found.confidence <= 1 + 1e-9)).all()
    assert ((found.codes >= -1) & (found.codes < max(1, len(found.languages)))).all()
    assert sum(found.counts().values()) == found.known
    mixtures(pl.Series(texts, dtype=pl.String))
