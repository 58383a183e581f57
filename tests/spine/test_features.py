"""Columns to matrices: equal to scikit-learn's, learnt from training rows alone, the same shared or not."""

import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

import melior
from melior.data.schema import STORED_AS, Schema
from melior.data.table import Table
from melior.features.blocks import Blocks, Codes, Numbers, OneHot, Times
from melior.features.texts import Terms, TextDimensions, count_terms, words_of
from melior.storage import load_fitted, pack, save_fitted
from melior.testing import tables

WHITE = r"\s+"


def table_of(kind, values, name="x"):
    frame = pl.DataFrame({name: pl.Series(values, dtype=STORED_AS[kind], strict=False)})
    if kind == "number":
        frame = frame.fill_nan(None)
    return Table.make(frame, Schema({name: kind}))


def state(fitted):
    arrays = {}
    return pack(fitted, arrays), {key: value.tobytes() for key, value in arrays.items()}


def dense(values):
    return values.toarray() if hasattr(values, "toarray") else np.asarray(values)


def tokens(text):
    return words_of(pl.Series([text], dtype=pl.String)).to_list()[0]


# ---- terms

letters = st.sampled_from("abcé')你好喜かไ 1٣._-\n")
some_texts = st.lists(st.none() | st.text(letters, max_size=14), min_size=1, max_size=12)


def against_sklearn(texts, longest, *, fewest=2):
    own = Terms("x", longest=longest, fewest=fewest).fit(table_of("text", texts), 0)
    plain = [text or "" for text in texts]
    theirs = TfidfVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, longest), min_df=fewest,
        sublinear_tf=True, norm="l2", use_idf=True, smooth_idf=True,
    )  # fmt: skip
    try:
        wanted = theirs.fit_transform(plain).toarray()
    except ValueError:  # no term is in that many texts
        assert own.names() == []
        return
    names = {name.removeprefix("x: "): position for position, name in enumerate(own.names())}
    assert len(names) == len(own.names())
    assert set(names) == set(theirs.get_feature_names_out())
    order = [names[name] for name in theirs.get_feature_names_out()]
    found = own.transform(table_of("text", texts)).toarray()[:, order]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    new = ["a b", "你好 never", "", "c" * 30, "喜你好かb a"]
    found = own.transform(table_of("text", new)).toarray()[:, order]
    np.testing.assert_allclose(found, theirs.transform(new).toarray(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(texts=some_texts, longest=st.integers(1, 3))
def test_terms_are_those_of_sklearn(texts, longest):
    against_sklearn(texts, longest)


@pytest.mark.parametrize("words", [tables.WORDS, tables.CHINESE])
@pytest.mark.parametrize("longest", [1, 2, 3])
def test_terms_of_whole_sentences_are_those_of_sklearn(words, longest):
    against_sklearn(tables.mixed_table(80, words=words).column("note").to_list(), longest)


def runs_of_characters(text):
    """Runs of 2 to 4 characters of a text with a space at both ends; of an empty one the two spaces."""
    padded = f" {re.sub(WHITE, ' ', unicodedata.normalize('NFKC', text).lower())} "
    return [padded[start : start + size] for size in (2, 3, 4) for start in range(len(padded) - size + 1)]


@settings(max_examples=40, deadline=None)
@given(texts=some_texts)
def test_characters_are_those_of_sklearn(texts):
    own = Terms("x", unit="characters", shortest=2, longest=4).fit(table_of("text", texts), 0)
    theirs = TfidfVectorizer(analyzer=runs_of_characters, min_df=2, sublinear_tf=True)
    try:
        wanted = theirs.fit_transform([text or "" for text in texts]).toarray()
    except ValueError:  # no term is in that many texts
        assert own.names() == []
        return
    names = {name.removeprefix("x: "): position for position, name in enumerate(own.names())}
    assert set(names) == set(theirs.get_feature_names_out())
    order = [names[name] for name in theirs.get_feature_names_out()]
    np.testing.assert_allclose(own.transform(table_of("text", texts)).toarray()[:, order], wanted, atol=1e-12)
    new = ["é' ba", "你好", "", "1 - 1"]
    found = own.transform(table_of("text", new)).toarray()[:, order]
    np.testing.assert_allclose(found, theirs.transform(new).toarray(), atol=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's GREAT, isn't it?", ["it's", "great", "isn't", "it"]),
        ("很喜欢iPhone15这个", ["很", "喜", "欢", "iphone15", "这", "个"]),
        ("\uff21\uff22\uff23 caf\u00e9 cafe\u0301", ["abc", "café", "café"]),
        ("かなカナ", ["か", "な", "カ", "ナ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("a_b 3.5 --- 😀", ["a_b", "3", "5", "😀"]),
        ("", []),
    ],
)
def test_words_of_many_scripts(text, words):
    assert tokens(text) == words


def test_missing_empty_and_no_texts():
    for texts in ([], [None], [None, None], ["", ""], [" ", "\n"], ["one"], ["one", "two"]):
        for unit, longest in (("words", 2), ("characters", 4)):
            block = Terms("x", unit=unit, longest=longest).fit(table_of("text", texts), 0)
            made = block.transform(table_of("text", texts))
            assert made.shape == (len(texts), len(block.names()))
            assert np.isfinite(made.data).all()
            assert block.transform(table_of("text", ["one two", None])).shape == (2, len(block.names()))
        few = TextDimensions("x", dimensions=3).fit(table_of("text", texts), 0)
        assert few.transform(table_of("text", ["one two", None])).shape == (2, len(few.names()))


def test_rows_have_length_scale_or_nothing():
    table = tables.mixed_table()
    made = Terms("note", scale=2.5).fit(table, 0).transform(table)
    lengths = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
    assert set(lengths.round(12)) <= {0.0, 2.5}


def test_most_terms_are_those_in_most_rows():
    table = tables.mixed_table()
    every = Terms("note", longest=2).fit(table, 0)
    few = Terms("note", longest=2, most=10).fit(table, 0)
    rows = {
        name: (column > 0).sum() for name, column in zip(every.names(), dense(every.transform(table)).T, strict=True)
    }
    assert len(few.names()) == 10
    assert min(rows[name] for name in few.names()) >= max(rows[name] for name in rows if name not in few.names())


def test_counting_drops_only_what_no_training_rows_can_have():
    counted = count_terms(pl.Series(["a b", "a c", "a a b"]), 1, 2)
    assert counted.words[:2] == ["a", "b"]
    assert counted.counts.toarray()[2].tolist() == [2.0, 1.0, 1.0]  # a, b, "a b"; "a a" and c are in one row only


# ---- sharing


def fresh(table, rows):
    """The rows as a file of their own."""
    return Table.make(table.frame[rows], table.schema, None if table.labels is None else table.labels[rows])


BLOCKS = {
    "words": lambda: Terms("note"),
    "few words": lambda: Terms("note", most=12),
    "characters": lambda: Terms("note", unit="characters", shortest=2, longest=4),
    "few characters": lambda: Terms("note", unit="characters", shortest=1, longest=3, most=20),
    "dimensions": lambda: TextDimensions("note", dimensions=5),
    "few terms in dimensions": lambda: TextDimensions("note", dimensions=4, most=15),
    "numbers": lambda: Numbers(["size", "weight", "price"], scaled=True),
    "plain numbers": lambda: Numbers(["size", "price"], scaled=False),
    "categories": lambda: OneHot("colour"),
    "few categories": lambda: OneHot("colour", most=1),
    "codes": lambda: Codes(["colour", "language"]),
    "times": lambda: Times(["day"], cyclic=True),
    "plain times": lambda: Times(["day"], cyclic=False),
}


@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("words", [tables.WORDS, tables.CHINESE], ids=["english", "chinese"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_fold_learns_what_its_own_file_would_teach(make, words, seed):
    """Counts are shared by all rows of a file; nothing of the rows outside the fold may show, to the last bit."""
    table = tables.mixed_table(120, seed=seed, words=words)
    order = np.random.default_rng(seed).permutation(120)
    inside, outside = order[:80], order[80:]
    shared = make().fit(table.take(inside), 3)
    alone = make().fit(fresh(table, inside), 3)
    assert state(shared) == state(alone)
    for rows in (inside, outside, order):
        one, two = dense(shared.transform(table.take(rows))), dense(alone.transform(fresh(table, rows)))
        assert one.tobytes() == two.tobytes(), "shared rows and the same rows read anew are encoded differently"
        assert one.tobytes() == dense(shared.transform(fresh(table, rows))).tobytes()


@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_kept_on_disk(make, tmp_path):
    table = tables.mixed_table(60)
    block = make().fit(table, 0)
    save_fitted(block, tmp_path, "block")
    loaded = load_fitted(tmp_path, "block")
    new = tables.new_rows(table)
    assert loaded.names() == block.names()
    assert loaded.sources() == block.sources()
    assert loaded.categorical() == block.categorical()
    assert dense(loaded.transform(new)).tobytes() == dense(block.transform(new)).tobytes()


@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_one_row_at_a_time_is_the_same(make):
    table = tables.mixed_table(40)
    block = make().fit(table, 0)
    together = dense(block.transform(table))
    assert together.shape == (40, len(block.names())) == (40, len(block.sources()))
    alone = np.vstack([dense(block.transform(table.take(np.array([row])))) for row in range(40)])
    np.testing.assert_allclose(alone, together, atol=1e-12)
    assert dense(block.transform(table.take(np.arange(0)))).shape == (0, together.shape[1])


# ---- numbers


def test_numbers_scaled():
    train = table_of("number", [1.0, 2.0, np.nan, 6.0])
    block = Numbers(["x"], scaled=True).fit(train, 0)
    filled = np.array([1, 2, 2, 6.0])
    made = block.transform(train)
    np.testing.assert_allclose(made[:, 0], (filled - filled.mean()) / filled.std(), atol=1e-15)
    assert made[:, 1].tolist() == [0, 0, 1, 0]
    assert block.names() == ["x", "x is missing"]
    assert block.sources() == ["x", "x"]


@pytest.mark.parametrize("values", [[7.0] * 5, [0.1 + 0.2, 0.3, 0.3], [1e9, 1e9 + 1e-6], [0.0, 0.0]])
def test_a_constant_column_is_not_blown_up(values):
    block = Numbers(["x"], scaled=True).fit(table_of("number", values), 0)
    assert np.abs(block.transform(table_of("number", [*values, values[0] * (1 + 1e-15)]))).max() < 1e-3


def test_an_empty_column_is_nothing():
    block = Numbers(["x"], scaled=True).fit(table_of("number", [np.nan] * 4), 0)
    made = block.transform(table_of("number", [np.nan, 3.0]))
    assert np.isfinite(made).all()


def test_a_gap_only_in_new_rows_is_the_median():
    block = Numbers(["x"], scaled=True).fit(table_of("number", [1.0, 2.0, 9.0]), 0)
    assert block.names() == ["x"]
    assert block.transform(table_of("number", [np.nan]))[0, 0] == block.transform(table_of("number", [2.0]))[0, 0]


def test_numbers_unscaled_keep_their_values():
    values = [1.0, np.nan, -3.5]
    block = Numbers(["x"], scaled=False).fit(table_of("number", values), 0)
    np.testing.assert_array_equal(block.transform(table_of("number", values))[:, 0], values)


@pytest.mark.parametrize("far", [1e300, -1.7e308])
def test_huge_numbers_give_finite_features(far):
    """Infinite cells are missing once read; the largest numbers are not."""
    for values in ([1.0, 2.0, far, 3.0], [far, far, far]):
        block = Numbers(["x"], scaled=True).fit(table_of("number", values), 0)
        assert np.isfinite(block.transform(table_of("number", [1.0, far, np.nan]))).all()


# ---- categories


def test_one_hot():
    train = table_of("category", ["a", "b", "a", None, None, "c", "b"])
    block = OneHot("x").fit(train, 0)
    assert block.names() == ["x = (missing)", "x = a", "x = b"]
    made = block.transform(table_of("category", ["a", None, "c", "never", "b"])).toarray()
    assert made.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert OneHot("x", most=1).fit(train, 0).names() == ["x = (missing)"]
    assert OneHot("x", fewest=1).fit(train, 0).transform(train).sum() == 7


def test_codes():
    train = table_of("category", ["a", "b", "b", None, "c"])
    block = Codes(["x"]).fit(train, 0)
    made = block.transform(table_of("category", ["b", "a", "c", None, "never"]))[:, 0]
    assert made[:3].tolist() == [0, 1, 2]
    assert np.isnan(made[3:]).all()
    assert block.categorical() == [0]


@pytest.mark.parametrize("values", [[], [None, None], ["a"] * 3, ["only", "once"]])
def test_categories_without_much_in_them(values):
    for block in (OneHot("x"), Codes(["x"])):
        made = dense(block.fit(table_of("category", values), 0).transform(table_of("category", ["a", None])))
        assert made.shape == (2, len(block.names()))


# ---- times


def test_times():
    moments = ["2024-02-29T18:00:00", None, "1969-12-31T00:00:00"]
    table = table_of("time", [None if m is None else np.datetime64(m, "us").item() for m in moments])
    block = Times(["x"], cyclic=False).fit(table, 0)
    made = block.transform(table)
    assert block.names() == [f"x: {part}" for part in Times.PARTS]
    assert made[0].tolist() == [19782.75, 2024, 2, 29, 4, 18]
    assert np.isnan(made[1]).all()
    assert made[2].tolist() == [-1, 1969, 12, 31, 3, 0]
    cyclic = Times(["x"], cyclic=True).fit(table, 0)
    assert np.isfinite(cyclic.transform(table)).all()
    assert set(cyclic.sources()) == {"x"}


def test_times_with_a_colon_in_the_name_know_their_column():
    table = table_of("time", [np.datetime64("2024-01-01", "us").item()] * 3 + [None], name="at: local")
    for cyclic in (False, True):
        assert set(Times(["at: local"], cyclic=cyclic).fit(table, 0).sources()) == {"at: local"}


# ---- side by side


def test_blocks_side_by_side():
    table = tables.mixed_table()
    blocks = Blocks([Numbers(["size"], scaled=True), Codes(["colour"]), OneHot("language"), Terms("note")]).fit(
        table, 0
    )
    matrix = blocks.transform(table)
    assert len(matrix.names) == len(matrix.sources) == matrix.features
    assert [matrix.sources[number] for number in matrix.categorical] == ["colour"]
    assert {"size", "colour", "language", "note"} == set(matrix.sources)
    wide = Blocks([Numbers(["size"], scaled=True), Terms("note", unit="characters", shortest=2, longest=4)]).fit(
        table, 0
    )
    assert wide.transform(table).sparse
    assert not matrix.sparse or matrix.features > 256
    none = Blocks([]).fit(table, 0).transform(table)
    assert none.values.shape == (table.rows, 0)


def test_emoji_are_words_with_the_signs_that_belong_to_them():
    texts = pl.Series(["Great😀😡 ❤️ 👍🏽👍 🇩🇪🇫🇷 it's", "手✅"])
    assert words_of(texts).to_list() == [["great", "😀", "😡", "❤️", "👍🏽", "👍", "🇩🇪", "🇫🇷", "it's"], ["手", "✅"]]


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_what_only_emoji_say_is_learned(family):
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 800)
    filler = [f"word{number}" for number in range(12)]
    texts = [" ".join([*random.choice(filler, 4), "😀😡"[code]]) for code in answer]
    frame = pl.DataFrame({"text": texts, "y": [f"class {code}" for code in answer]})
    predictor = melior.train(frame[:600], target="y", model=family).predictor
    assert (predictor.predict(frame[600:])["prediction"] == frame["y"][600:]).mean() > 0.95
