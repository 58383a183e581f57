"""Files of translation pairs."""

import polars as pl
import pytest

from melior.data.dictionaries import dictionaries
from melior.data.pairs import translation_pairs
from melior.errors import UserError


def written(folder, frame, name="pairs.csv"):
    path = folder / name
    pl.DataFrame(frame).write_csv(path)
    return str(path)


def test_columns_that_name_the_languages(tmp_path):
    path = written(
        tmp_path, {"en": ["a house", "a book", " ", "a book"], "de": ["ein Haus", "ein Buch", "x", "ein Buch"]}
    )
    pairs = translation_pairs(path)
    assert pairs.source == ("a house", "a book")
    assert pairs.target == ("ein Haus", "ein Buch")
    assert set(pairs.source_language) == {"en"}
    assert set(pairs.target_language) == {"de"}


def test_languages_that_are_told_or_read(tmp_path):
    told = {"source": ["one", "deux"], "target": ["un", "two"], "source_language": ["en", "fr_FR"],
            "target_language": ["fr", "en-GB"]}  # fmt: skip
    pairs = translation_pairs(written(tmp_path, told))
    assert (pairs.source_language, pairs.target_language) == (("en", "fr"), ("fr", "en"))
    ways = {(one, other): (own.source, own.target) for one, other, own in pairs.directions()}
    assert ways["en", "fr"] == (("one", "two"), ("un", "deux"))
    assert ways["fr", "en"] == (("un", "deux"), ("one", "two")) or set(ways["fr", "en"][0]) == {"deux", "un"}
    read = {
        "source": ["Where is the next station, please?"] * 2,
        "target": ["Wo ist bitte der nächste Bahnhof?", "Wo?"],
    }
    assert translation_pairs(written(tmp_path, read)).target_language == ("de", "de")


def test_what_is_no_pairs_is_refused(tmp_path):
    with pytest.raises(UserError, match="it has the columns a, b"):
        translation_pairs(written(tmp_path, {"a": ["x"], "b": ["y"]}))
    with pytest.raises(UserError, match="holds no pairs"):
        translation_pairs(written(tmp_path, {"en": [""], "de": ["x"]}))
    with pytest.raises(UserError, match="cannot be told"):
        translation_pairs(written(tmp_path, {"source": ["1"], "target": ["2"]}))
    with pytest.raises(UserError):
        translation_pairs(tmp_path / "nothing.csv")


def test_single_words_are_a_dictionary(tmp_path):
    path = written(tmp_path, {"en": ["House", "house", "red"], "de": ["Haus", "Gebäude", "rot"]})
    found = dictionaries(path)
    assert found["en"]["de"] == {"house": ("Haus", "Gebäude"), "red": ("rot",)}
    assert found["de"]["en"]["haus"] == ("House",)
    assert dictionaries(path, ["en"]) == {"de": found["de"]}


def test_words_of_many_letters_are_a_dictionary_too(tmp_path):
    """Words of Chinese have several letters without spaces; that they are words the other side tells."""
    path = written(tmp_path, {"en": ["apple", "chocolate", "book"], "zh": ["苹果", "巧克力", "书"]})
    found = dictionaries(path)
    assert found["en"]["zh"] == {"apple": ("苹果",), "chocolate": ("巧克力",), "book": ("书",)}
    assert found["zh"]["en"] == {"苹果": ("apple",), "巧克力": ("chocolate",), "书": ("book",)}


def test_a_changed_file_is_read_again(tmp_path):
    path = written(tmp_path, {"en": ["house"], "de": ["Haus"]})
    assert set(dictionaries(path)["en"]["de"]) == {"house"}
    written(tmp_path, {"en": ["house", "garden"], "de": ["Haus", "Garten"]})
    assert set(dictionaries(path)["en"]["de"]) == {"house", "garden"}
