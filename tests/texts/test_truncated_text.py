"""Texts that were cut at a length are found and named; texts of any natural lengths are not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sentences import SAID, column

from melior.checks.truncated_text import TruncatedText, blurred_spike, inner_spike, judged_ends, lengths, spike
from melior.models.linear import Linear
from melior.recipe import Recipe
from melior.testing.tables import table_of
from melior.trials.context import TableContext

LENGTHS = {
    "lognormal": lambda g, n: g.lognormal(5, 0.7, n),
    "poisson": lambda g, n: g.poisson(8, n),
    "geometric": lambda g, n: g.geometric(0.02, n),
    "uniform": lambda g, n: g.integers(1, 400, n),
    "narrow": lambda g, n: g.integers(95, 101, n),
    "normal": lambda g, n: g.normal(300, 60, n),
    "pareto": lambda g, n: 20 * g.pareto(1.5, n),
}


def long_texts(rows, seed=0):
    """English texts of 2 to 14 sentences, all finished."""
    random = np.random.default_rng(seed)
    one = column("en", rows * 7, seed)
    return [" ".join(one[7 * k : 7 * k + random.integers(1, 8)]) for k in range(rows)]


def findings(texts, recipe=None, **more):
    table = table_of({"note": texts, **more}, {"note": "text", **dict.fromkeys(more, "text")}, None, ())
    return TruncatedText().measure(TableContext(table, recipe or Recipe()))


@pytest.mark.parametrize("shape", LENGTHS)
@pytest.mark.parametrize("place", ["at the end", "inside"])
def test_natural_lengths_are_no_spike(shape, place):
    found = 0
    for seed in range(100):
        g = np.random.default_rng(seed)
        sizes = np.maximum(1, LENGTHS[shape](g, int(50 * 6 ** (seed % 4)))).astype(np.int64)
        if place == "inside":
            found += inner_spike(sizes)[2] < 0.01
        else:
            found += min(spike(sizes)[2], blurred_spike(sizes)[2]) < 0.01 / 2
    assert found <= 3  # of 100 at a level of 1 %: the ends of the texts are asked besides


def test_the_probability_is_that_of_the_formula():
    """20 texts at 100, 10 over the 5 lengths below: 19 or more of 29 where each has a sixth."""
    from math import comb

    sizes = np.array([100] * 20 + [95, 96, 97, 98, 99] * 2 + [50] * 30)
    expected = sum(comb(29, k) * 5.0 ** (29 - k) / 6.0**29 for k in range(19, 30))
    limit, _, p = spike(sizes)
    assert limit == 100
    assert p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("limit", [255, 200, 237])
def test_cut_texts_are_found_and_named(limit):
    texts = long_texts(300)
    cut = [text[:limit] for text in texts]
    (finding,) = findings(cut)
    assert finding.certain
    assert finding.measured["limit"] == limit
    assert finding.measured["unit"] == "characters"
    assert set(finding.rows.tolist()) == {k for k, text in enumerate(texts) if len(text) >= limit}
    assert finding.severity == pytest.approx(len(finding.rows) / 300)


def test_the_same_texts_uncut_are_nothing():
    assert findings(long_texts(300)) == []


def test_texts_cut_at_bytes():
    random = np.random.default_rng(7)
    words = " ".join(pair for name in ("ru", "uk", "bg") for pair in SAID[name]).split()
    texts = [" ".join(random.choice(words, random.integers(5, 60))) + "." for _ in range(300)]
    (finding,) = findings([text.encode()[:255].decode(errors="ignore") for text in texts])
    assert finding.measured["unit"] == "bytes"
    assert finding.measured["limit"] == 255
    assert set(finding.rows.tolist()) == {k for k, text in enumerate(texts) if len(text.encode()) > 251}


def test_texts_cut_at_words_and_with_dots():
    texts = long_texts(300, seed=2)
    (finding,) = findings([" ".join(text.split()[:40]) for text in texts])
    assert (finding.measured["unit"], finding.measured["limit"]) == ("words", 40)
    (dots,) = findings([text if len(text) <= 140 else text[:137] + "..." for text in texts])
    assert dots.measured["limit"] == 140
    assert dots.certain


def test_texts_that_were_trimmed_and_unescaped_after_the_cut():
    """Cut at 300 with entities in them, then read back: most have 300 characters, others a few more or less."""
    from html import unescape

    random = np.random.default_rng(3)
    texts = long_texts(600, seed=8)
    texts = [text.replace("in", "&amp;", 1) if random.random() < 0.3 else text for text in texts]
    cut = [unescape(text[:300]).strip() for text in texts]
    (finding,) = findings(cut)
    truth = {k for k, text in enumerate(texts) if len(text) > 300}
    assert finding.measured["limit"] == 300
    assert finding.certain
    assert len(truth - set(finding.rows.tolist())) <= 0.05 * len(truth)
    assert len(set(finding.rows.tolist()) - truth) <= 0.02 * len(truth)


def test_finished_texts_at_a_known_limit_are_a_suspicion():
    """As where people write to the last allowed letter."""
    texts = [text if len(text) < 255 else text[:254] + "." for text in long_texts(400, seed=4)]
    texts = [text for text in texts if len(text) < 255 or text[-3].isalpha()]
    texts = [text if len(text) < 255 else text[: 254 - len(" about")] + " about." for text in texts]
    texts += [text for text in long_texts(800, seed=6) if len(text) < 255]
    (finding,) = findings(texts)
    assert not finding.certain
    assert "may have been" in finding.message


@pytest.mark.parametrize(
    "texts",
    [
        ["the very same words in every row"] * 300,
        [f"{k:064d}" for k in range(300)],  # codes of one length
        [f"{'ab'[k % 2] * 30}{k:04d}" for k in range(300)],
        [""] * 50,
        [None] * 50,
        ["one"],
        [],
    ],
)
def test_texts_of_one_length_are_nothing(texts):
    assert findings(pl.Series(texts, dtype=pl.String).to_list()) == []


def test_a_copied_long_text_is_no_spike():
    texts = long_texts(200, seed=5)
    longest = max(texts, key=len)
    assert findings(texts + [longest] * 40) == []


def test_a_huge_cell():
    assert findings([*long_texts(100), "x" * 5_000_000]) == []


def test_ends_are_compared_with_those_of_other_texts():
    """Titles end without a full stop all the same: no sign of a cut."""
    titles = pl.Series([f"title of the book number {k % 7} of it {'a' * (k % 20)}" for k in range(200)])
    sizes = lengths(titles, "characters")
    p, unfinished, _ = judged_ends(titles, sizes == sizes.max(), sizes)
    assert unfinished == (1.0, 1.0)
    assert p > 0.01


# ---- the model's limit


class Reader(Linear):
    """A family that reads 50 words."""

    name = "reader"

    def token_limit(self, table):
        return 50


def test_the_models_limit(monkeypatch):
    from melior.trials import context

    texts = [*long_texts(100), None]
    table = table_of({"note": texts}, {"note": "text"}, None, ())
    surroundings = TableContext(table, Recipe(model="linear"))
    assert TruncatedText().measure(surroundings) == []
    monkeypatch.setattr(context, "resolve", lambda choice: Reader())
    (finding,) = TruncatedText().measure(TableContext(table, Recipe(model="linear")))
    words = np.array([len(text.split()) for text in texts[:100]])
    assert set(finding.rows.tolist()) == set(np.flatnonzero(words > 50).tolist())
    assert finding.rows[0] == words.argmax()
    assert finding.measured["share"] == pytest.approx((words > 50).mean())
    assert finding.measured["share_of_text"] == pytest.approx((words - 50)[words > 50].sum() / words.sum())
    assert finding.threshold == 50


def test_rows_are_those_of_the_file():
    texts = [text[:200] for text in long_texts(200)]
    table = table_of({"note": texts}, {"note": "text"}, None, ())
    table = replace(table, row_ids=np.arange(1000, 1200))
    (finding,) = TruncatedText().measure(TableContext(table, Recipe()))
    assert finding.rows.min() >= 1000


@pytest.mark.parametrize("share", [0.1, 0.2, 0.7])
def test_texts_cut_in_one_of_two_origins_are_found(share):
    texts = long_texts(800)
    whole = [len(text) > 63 for text in texts]
    cut = [row for row in np.random.default_rng(1).permutation(800)[: int(800 * share)] if whole[row]]
    for row in cut:
        texts[row] = texts[row][:63]
    found = findings(texts)
    assert [one.measured["limit"] for one in found] == [63]
    assert found[0].certain
    assert found[0].measured["others_longer"]
    assert set(cut) <= set(found[0].rows.tolist())
    assert len(found[0].rows) <= len(cut) + 12  # a few of the others are 63 characters long
    assert "others are longer" in found[0].message


def test_codes_and_set_phrases_of_one_length_are_not_cut_texts():
    texts = long_texts(400)
    codes = [f"AB-{row:06d}-XQ" for row in range(400)]
    stamps = [f"received on 2024-03-{1 + row % 28:02d} at {row:04d} by desk" for row in range(400)]
    for others in (codes, stamps):
        assert findings(texts + others) == []
