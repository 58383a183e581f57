"""The word dictionary out of pairs, beside a plain reckoning of the same model; switched words."""

import numpy as np
import pytest

from melior.texts.dictionary import learned_dictionary, switched, translation_probabilities, words


def plainly(sources, targets, rounds):
    """IBM model 1 as in the textbook, by loops: t(target | source) with an empty word in every source."""
    vocabulary = {f for target in targets for f in target}
    table = {(e, f): 1 / len(vocabulary) for source in sources for e in [-1, *source] for f in vocabulary}
    for _ in range(rounds):
        count, total = {}, {}
        for source, target in zip(sources, targets, strict=True):
            own = [-1, *source]
            for f in target:
                norm = sum(table[e, f] for e in own)
                for e in own:
                    share = table[e, f] / norm
                    count[e, f] = count.get((e, f), 0.0) + share
                    total[e] = total.get(e, 0.0) + share
        table = {(e, f): count.get((e, f), 0.0) / total[e] for e, f in table}
    return {key: value for key, value in table.items() if value > 0}


def test_model_1_is_that_of_the_textbook():
    random = np.random.default_rng(3)
    sources = [random.integers(0, 7, random.integers(1, 6)).tolist() for _ in range(30)]
    targets = [[(word * 3 + random.integers(0, 2)) % 9 for word in source] for source in sources]
    found = translation_probabilities(sources, targets, rounds=5)
    mine = {(int(e), int(f)): float(p) for e, f, p in zip(*found, strict=True)}
    expected = plainly(sources, targets, 5)
    assert set(mine) == {key for key in expected if key in mine}
    assert set(expected) <= set(mine)
    for key, value in expected.items():
        assert mine[key] == pytest.approx(value, abs=1e-12)
    for e in {key[0] for key in mine}:
        assert sum(p for key, p in mine.items() if key[0] == e) == pytest.approx(1)


def test_words_that_only_stand_together_are_no_translations():
    english = ["the house is red", "the book is old", "a book is red", "a house is old", "the sea", "a sea"]
    german = ["das Haus ist rot", "das Buch ist alt", "ein Buch ist rot", "ein Haus ist alt", "das Meer", "ein Meer"]
    found = learned_dictionary(english, german, fewest=2)
    assert {word: said[0] for word, said in found.items()} == {
        "the": "das", "house": "haus", "is": "ist", "red": "rot", "book": "buch", "old": "alt", "a": "ein",
        "sea": "meer",
    }  # fmt: skip
    assert "red" not in learned_dictionary(english, german, fewest=3)
    assert learned_dictionary([], []) == {}
    assert learned_dictionary(["..."], ["!"]) == {}


def test_words_of_scripts_without_spaces_are_letters():
    assert words("Use 'dpkg' 2 times; don't_x 使用する") == [
        "use",
        "dpkg",
        "times",
        "don't",
        "x",
        "使",
        "用",
        "す",
        "る",
    ]


def test_switched_keeps_all_but_the_words():
    known = {"house": ("haus",), "red": ("rot", "rötlich")}
    text = "A Red house, RED (house-boat) and 12 houses!"
    all_of_it, many = switched(text, known, 1.0, np.random.default_rng(0))
    assert many == 3
    assert (
        all_of_it.replace("Rötlich", "Rot").replace("RÖTLICH", "ROT") == "A Rot haus, ROT (house-boat) and 12 houses!"
    )
    assert switched(text, {}, 1.0, np.random.default_rng(0)) == (text, 0)
    many = [switched("red " * 200, known, 0.3, np.random.default_rng(seed))[1] for seed in range(20)]
    assert np.mean(many) == pytest.approx(60, abs=5)  # 200 x 0.3, standard error 1.5
    assert all(switched("red", known, 1.0, np.random.default_rng(s))[0] in ("rot", "rötlich") for s in range(9))


def test_words_without_spaces_get_some_in_a_script_that_has_them():
    known = {"手": ("phone",), "坏": ("bad",), "good": ("gut",), "书": ("本",)}
    random = np.random.default_rng(0)
    assert switched("手很坏。", known, 1.0, random) == ("phone 很 bad。", 2)
    assert switched("手坏", known, 1.0, random) == ("phone bad", 2)
    assert switched("看书吧", known, 1.0, random) == ("看本吧", 1)
    assert switched("Good3 (good), GOOD_x", known, 1.0, random) == ("Gut3 (gut), GUT_x", 3)


def test_the_longest_entry_counts():
    known = {"图书馆": ("library",), "图": ("picture",), "书": ("book",), "ice cream": ("Eis",), "ice": ("Frost",)}
    random = np.random.default_rng(0)
    assert switched("去图书馆看书", known, 1.0, random) == ("去 library 看 book", 2)
    assert switched("图书", known, 1.0, random) == ("picture book", 2)
    assert switched("Ice cream, no ice.", known, 1.0, random) == ("Eis, no Frost.", 2)
    many = [switched("图书馆" * 200, known, 0.3, np.random.default_rng(seed))[1] for seed in range(20)]
    assert np.mean(many) == pytest.approx(60, abs=5)  # an entry that is left is left whole: 200 x 0.3
