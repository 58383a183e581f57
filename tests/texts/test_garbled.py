"""Garbled letters: made by reading bytes wrongly they are found and put right; right texts are left alone."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import SAID

from melior.texts.garbled import garbled, repaired

BEYOND_ASCII = {name: " ".join(pair) for name, pair in SAID.items() if not " ".join(pair).isascii()}


@pytest.mark.parametrize("language", SAID)
def test_right_texts_are_left_alone(language):
    assert repaired(" ".join(SAID[language])) is None
    assert len(garbled(pl.Series([*SAID[language], " ".join(SAID[language]).upper()])).positions) == 0


@pytest.mark.parametrize("language", BEYOND_ASCII)
def test_utf8_read_as_latin1_is_put_right(language):
    text = BEYOND_ASCII[language]
    assert repaired(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize("language", ["de", "fr", "es", "pt", "it", "sv", "vi"])
def test_utf8_read_as_windows_1252_is_put_right(language):
    text = BEYOND_ASCII.get(language, "È così — l’età")
    bad = "".join(
        bytes([one]).decode("cp1252", errors="ignore") or chr(one)
        for one in text.encode()  # as browsers read it
    )
    assert repaired(bad) == text


def test_quotation_marks_alone_are_enough():
    assert repaired("Â«yesÂ» and Â no") == "«yes» and Â no"
    assert repaired("100\u00c2\u00a0km") == "100\u00a0km"


def test_garbled_twice():
    text = "Größe – “naïve” café"
    once = text.encode().decode("latin-1")
    assert repaired(once.encode().decode("latin-1")) == text


def test_garbled_in_part():
    """A right word beside a garbled one, as where files of two encodings were put together."""
    assert repaired("Größe und GrÃ¶ÃŸe, é et Ã©") == "Größe und Größe, é et é"


@pytest.mark.parametrize(
    "text",
    [
        "«LIBERTÉ», «ÉGALITÉ» ", "« un café\xa0» et l’été\xa0»", "das große „Ä“ und „Ü“", "IRMÃ “NÃO”", "5 Â", "Ã",
        "naïve…", "à\xa0» la\xa0» ", "È…", "ÐÞ æð ÁÉÍ", "Þórður á Íslandi", "«Å»", "¡Ñandú!", "联通", "联通公司的服务",
        "½ © ® ™ € £", "x² ≤ 5 µm ± 3 °C", "😀👍🏽", "nejnížší", "größer þá þá", "ÚŽASNÉ a ÍŽ", "Ça va\xa0? Ça va\xa0!",
    ],
)  # fmt: skip
def test_letters_that_only_look_garbled(text):
    assert repaired(text) is None
    assert len(garbled(pl.Series([text])).positions) == 0


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_chinese_and_japanese_read_as_gbk(language):
    text = "".join(SAID[language])
    bad = text.encode().decode("gbk", errors="ignore")
    assert len(garbled(pl.Series([bad])).positions) == 1
    even = text[: 2 * (len(text) // 2)]
    assert repaired(even.encode().decode("gbk", errors="replace").replace("\ufffd", "?")) is not None


def test_cyrillic_read_as_gbk():
    assert repaired("Приветствие".encode().decode("gbk")) == "Приветствие"


def test_old_encodings_read_as_latin1():
    assert repaired("房间很干净，人们也非常友好".encode("gbk").decode("latin-1")) == "房间很干净，人们也非常友好"
    assert repaired("Комната была чистой".encode("cp1251").decode("latin-1")) == "Комната была чистой"


def test_lost_letters_have_no_repair():
    found = garbled(pl.Series(["na\ufffdve", "caf锟斤拷", "ï¿½", None, "fine"]))
    assert found.positions.tolist() == [0, 1, 2]
    assert found.repaired == [None, None, None]


def test_empty_columns_and_huge_cells():
    assert len(garbled(pl.Series([], dtype=pl.String)).positions) == 0
    assert len(garbled(pl.Series([None, ""], dtype=pl.String)).positions) == 0
    found = garbled(pl.Series(["é" * 2_500_000, "Ã©" * 200_000]))
    assert found.positions.tolist() == [1]
    assert found.repaired == ["é" * 200_000]


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_gives_an_answer_and_repairs_settle(text):
    better = repaired(text)
    assert better != text
    garbled(pl.Series([text]))


LATIN = [
    "schön", "größer", "café", "naïve", "señor", "Åben", "ça", "êtes", "über", "Ägypten", "Öl", "été", "où", "ağır",
    "żółć", "œuvre", "ñandú", "þá",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LATIN), min_size=1, max_size=8), st.sampled_from([" ", ", ", "–", "\n", " “"]))
def test_latin_texts_come_back(words, between):
    """Whatever is repaired is what it was: the text as it is, and the text garbled."""
    text = between.join(words)
    assert repaired(text) is None
    bad = text.encode().decode("latin-1")
    if bad != text:
        assert repaired(bad) == text
