"""Repeated passages: planted ones are found where they stand; copies and short phrases are not taken for them."""

import numpy as np
import polars as pl
import pytest
from sentences import SAID

from melior.texts.passages import MOST_TEXTS, passages

WORDS = np.array([f"w{k}" for k in range(3000)])
NOTICE = "This message was sent to you because you asked our shop for news and it may be read by nobody else"


def own_texts(rows, words=40, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, words)) for _ in range(rows)]


def brute(texts, fewest, length=12):
    """For each text the share of its words in word n-grams that `fewest` texts have, counted plainly."""
    split = [text.lower().split() for text in texts]
    holders = {}
    for number, words in enumerate(split):
        for k in range(len(words) - length + 1):
            holders.setdefault(tuple(words[k : k + length]), set()).add(number)
    shares = []
    for words in split:
        covered = set()
        for k in range(len(words) - length + 1):
            if len(holders[tuple(words[k : k + length])]) >= fewest:
                covered |= set(range(k, k + length))
        shares.append(len(covered) / len(words))
    return np.array(shares)


def test_planted_passages_are_found():
    texts = own_texts(300)
    for k in range(0, 300, 20):
        texts[k] = f"{texts[k]}. {NOTICE.upper() if k % 40 else NOTICE}!"
    found = passages(pl.Series(texts), 5)
    assert sorted(found.positions.tolist()) == list(range(0, 300, 20))
    assert found.longest.lower() == NOTICE.lower()
    assert found.texts == 15
    many = len(NOTICE.split())
    assert found.shares == pytest.approx(many / (40 + many))
    assert found.share == pytest.approx(15 * many / (300 * 40 + 15 * many))


def test_as_counted_plainly():
    random = np.random.default_rng(1)
    few = [" ".join(random.choice(WORDS[:3], 14)) for _ in range(8)]
    texts = [f"{one} {few[k % 8]} {other}" for k, (one, other) in
             enumerate(zip(own_texts(60, 15), own_texts(60, 10, seed=2), strict=True))]  # fmt: skip
    expected = brute(texts, 5)
    found = passages(pl.Series(texts), 5)
    shares = np.zeros(60)
    shares[found.positions] = found.shares
    assert shares == pytest.approx(expected)
    assert passages(pl.Series(texts), 9) is None


def test_fewer_texts_than_asked_for_are_nothing():
    texts = own_texts(100)
    for k in range(4):
        texts[k] += " " + NOTICE
    assert passages(pl.Series(texts), 5) is None
    assert passages(pl.Series(texts), 4) is not None


def test_eleven_words_are_no_passage():
    eleven = " ".join(NOTICE.split()[:11])
    assert passages(pl.Series([f"{text} {eleven}" for text in own_texts(50)]), 5) is None
    twelve = " ".join(NOTICE.split()[:12])
    assert passages(pl.Series([f"{text} {twelve}" for text in own_texts(50)]), 5) is not None


def test_copies_are_no_passages():
    once = own_texts(1)[0]
    assert passages(pl.Series([f"{once} {k}" for k in range(50)] + own_texts(50, seed=3)), 5) is None
    assert passages(pl.Series([once] * 50 + own_texts(50, seed=3)), 5) is None


def test_a_word_over_and_over_in_one_text_is_no_passage():
    assert passages(pl.Series(["ha " * 500, *own_texts(50)]), 2) is None


def test_languages_without_spaces():
    notice = "".join(SAID["zh"])
    random = np.random.default_rng(4)
    letters = [chr(k) for k in range(0x4E00, 0x5E00)]
    texts = ["".join(random.choice(letters, 60)) + (notice if k % 5 == 0 else "") for k in range(100)]
    found = passages(pl.Series(texts), 5)
    assert sorted(found.positions.tolist()) == list(range(0, 100, 5))
    short = [text.replace(notice, notice[:10]) for text in texts]
    assert passages(pl.Series(short), 5) is None


def test_own_texts_have_none():
    assert passages(pl.Series(own_texts(2000)), 2) is None


@pytest.mark.parametrize("texts", [[], [None], [""], ["", None, "one"], ["...", "!!!"]])
def test_empty_columns(texts):
    assert passages(pl.Series(texts, dtype=pl.String), 1) is None


def test_huge_cells_and_many_rows():
    assert passages(pl.Series(["word " * 1_000_000, *own_texts(30)]), 2) is None
    many = [f"{k} one two three four five six seven eight nine ten {k % 7} eleven" for k in range(MOST_TEXTS + 500)]
    assert passages(pl.Series(many), 50) is None
