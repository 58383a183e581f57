"""Texts in pieces, segments of Chinese, words of the same company, and rows in other words that mean the same."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency
from toys import ToyContext

from melior.data.read import read
from melior.errors import UserError
from melior.features import word_vectors as vectors
from melior.methods._pieces import Pieces, cut, joined_pairs, log_likelihood_ratio, pairs_that_belong, segmented
from melior.methods.text_augmentation import Lexicon, TextAugmentation, learned, same_classes, varied, word_groups
from melior.recipe import Recipe
from melior.testing import tables
from melior.trials.fit import fit

TEXT = "  Don't panic, Mr. Müller: it's 3 o'clock — 你好，世界！ "


def context(table, seed=0):
    return ToyContext(seed=seed, classes=table.classes)


# ---- pieces


@pytest.mark.parametrize("text", [TEXT, "", "   ", "one", "，。", "สวัสดี ครับ", "a\nb\tc", "これはペンです。"])
def test_a_text_in_pieces_is_the_text(text):
    (pieces,) = cut(pl.Series([text]))
    assert pieces.text == text
    assert len(pieces.gaps) == len(pieces.words) + 1
    assert not any(word.strip() != word for word in pieces.words)


def test_pieces_change_words_and_nothing_else():
    (pieces,) = cut(pl.Series(["The cat, Tom, sat on a MAT!"]))
    assert pieces.replaced([1, 6], lambda word: "dog").text == "The dog, Tom, sat on a DOG!"
    assert pieces.replaced([0], lambda word: None) == pieces
    assert pieces.replaced([2], lambda word: "bob").text == "The cat, Bob, sat on a MAT!"
    assert pieces.swapped([(1, 2)]).text == "The Tom, cat, sat on a MAT!"
    assert pieces.without([4]).text == "The cat, Tom, sat a MAT!"
    assert pieces.without([0]).text == "cat, Tom, sat on a MAT!"
    assert pieces.without([6]).text == "The cat, Tom, sat on a!"
    assert pieces.without(range(7)).words == ("The",), "one word stays"
    assert pieces.inserted(0, "so").text == "so The cat, Tom, sat on a MAT!"
    assert pieces.inserted(7, "too").text == "The cat, Tom, sat on a MAT too!"
    assert pieces.inserted(3, "just").text == "The cat, Tom, just sat on a MAT!"


def test_chinese_is_changed_without_spaces():
    (pieces,) = cut(pl.Series(["我喜欢猫。"]))
    assert pieces.words == ("我", "喜", "欢", "猫")
    assert pieces.inserted(1, "很").text == "我很喜欢猫。"
    assert pieces.without([0]).text == "喜欢猫。"
    assert Pieces((), ("",)).inserted(0, "word").words == ("word",)


def test_the_log_likelihood_ratio_is_that_of_scipy():
    random = np.random.default_rng(0)
    cells = random.integers(0, 40, size=(30, 4)).astype(float) + (random.random((30, 4)) < 0.9)
    for both, one, other, neither in cells + 1:
        found = log_likelihood_ratio(*(np.array([v]) for v in (both, one, other, neither)))[0]
        known = chi2_contingency([[both, one], [other, neither]], correction=False, lambda_="log-likelihood").statistic
        assert found == pytest.approx(known, abs=1e-9)


def test_segments_of_chinese_are_found_and_chance_is_none():
    random = np.random.default_rng(0)
    words = ["喜欢", "质量", "商品", "收到", "今天", "便宜"]
    texts = pl.Series(["".join(random.choice(words, 5)) for _ in range(200)])
    found = {word for text in segmented(texts) for word in text.words}
    assert found == set(words)
    assert all(piece.text == text for piece, text in zip(segmented(texts), texts, strict=True))
    letters = "".join(words)
    noise = pl.Series(["".join(random.choice(list(letters), 10)) for _ in range(200)])
    assert len(pairs_that_belong(cut(noise))) == 0


def test_a_character_is_in_one_pair_and_the_surest_counts():
    (text,) = cut(pl.Series(["甲乙丙"]))
    assert joined_pairs(text, {("甲", "乙"): 1.0, ("乙", "丙"): 2.0}).words == ("甲", "乙丙")
    (apart,) = cut(pl.Series(["甲，乙"]))
    assert joined_pairs(apart, {("甲", "乙"): 1.0}).words == ("甲", "乙")


# ---- word vectors


def test_company_and_information_are_the_formulas():
    words, lengths = np.array([0, 1, 2, 0, -1, 2, 1, 1]), np.array([5, 3])
    found = vectors.company(words, lengths, 3, window=2).toarray()
    known = np.zeros((3, 3))
    texts = [[0, 1, 2, 0, -1], [2, 1, 1]]
    for text in texts:
        for i in range(len(text)):
            for j in range(len(text)):
                if i != j and abs(i - j) <= 2 and text[i] >= 0 and text[j] >= 0:
                    known[text[i], text[j]] += (3 - abs(i - j)) / 2
    np.testing.assert_allclose(found, known)
    information = vectors.positive_information(vectors.company(words, lengths, 3, window=2), smoothed=0.75).toarray()
    joint = known / known.sum()
    context = known.sum(axis=0) ** 0.75 / (known.sum(axis=0) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        wanted = np.maximum(np.log(joint / (joint.sum(axis=1)[:, None] * context)), 0)
    np.testing.assert_allclose(information, wanted, atol=1e-12)


def sentences(rows=600, seed=0):
    """Two groups of words that take the same places, told apart by nothing; and good and bad, by the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows)
    animals, places = ["cat", "dog", "horse", "sheep"], ["garden", "kitchen", "stable", "meadow"]
    texts = [
        f"the {random.choice(animals)} sleeps in the {random.choice(places)} and it was {'good' if label else 'bad'} "
        f"weather {random.choice(['today', 'yesterday', 'again'])}"
        for label in labels
    ]
    return texts, labels


def test_words_of_the_same_company_are_neighbours_and_opposites_are_not_synonyms():
    texts, labels = sentences()
    lexicon = learned(segmented(pl.Series(texts)), np.eye(2)[labels], seed=0)
    assert set(lexicon.synonyms["cat"]) <= {"dog", "horse", "sheep"}
    assert lexicon.synonyms["cat"]
    assert "bad" not in lexicon.synonyms.get("good", []), "they keep the same company, in other classes"
    assert lexicon.shares.sum() == pytest.approx(1)


def test_classes_are_compared_by_a_likelihood_ratio():
    random = np.random.default_rng(1)
    counts = random.integers(1, 60, size=(40, 3)).astype(float)
    found = same_classes(counts, 0, np.arange(1, 40))
    known = [chi2_contingency(counts[[0, n]], correction=False, lambda_="log-likelihood").pvalue for n in range(1, 40)]
    assert found.tolist() == [p >= 0.05 for p in known]
    assert same_classes(np.array([[3.0, 0.0], [5.0, 0.0]]), 0, np.array([1])).all()


def test_no_words_no_vectors_no_neighbours():
    assert learned([], np.zeros((0, 2)), 0).words == []
    assert vectors.word_vectors(np.empty(0, dtype=np.int64), np.zeros(3, dtype=np.int64), 0).shape == (0, 1)
    assert [len(one) for one in vectors.nearest(np.zeros((4, 1)), 3, -1.0)] == [0, 0, 0, 0]


def test_words_in_any_order_have_no_neighbours():
    random = np.random.default_rng(0)
    words, lengths = random.integers(0, 60, 6000), np.full(600, 10)
    least = vectors.by_chance(words, lengths, 60, seed=1)
    near = vectors.nearest(vectors.word_vectors(words, lengths, 60), 5, least)
    assert sum(len(one) for one in near) < 0.03 * 60 * 59, "about one pair in a hundred, by chance"


# ---- the method


def test_each_change_does_what_it_says():
    random = np.random.default_rng(0)
    (text,) = cut(pl.Series(["one two three four five six seven eight nine ten"]))
    lexicon = Lexicon(["zero"], np.array([1.0]), {"two": ["deux"]})
    assert varied(text, "synonyms", 0.5, lexicon, random).words == (*text.words[:1], "deux", *text.words[2:])
    assert len(varied(text, "delete", 0.3, lexicon, random)) == 7
    assert len(varied(text, "insert", 0.3, lexicon, random)) == 13
    replaced = varied(text, "replace", 0.3, lexicon, random)
    assert replaced.words.count("zero") == 3
    swapped = varied(text, "swap", 0.1, lexicon, random)
    assert sorted(swapped.words) == sorted(text.words)
    assert sum(a != b for a, b in zip(swapped.words, text.words, strict=True)) == 2
    (single,) = cut(pl.Series(["alone"]))
    assert varied(single, "delete", 0.5, lexicon, random) == single
    assert varied(single, "swap", 0.5, lexicon, random) == single
    (none,) = cut(pl.Series([None], dtype=pl.String))
    assert all(varied(none, kind, 0.5, lexicon, random) == none for kind in ("insert", "delete", "replace", "synonyms"))


def test_common_words_are_drawn_more_often():
    lexicon = Lexicon(["a", "b", "c"], np.array([0.6, 0.0, 0.4]), {})
    random, same = np.random.default_rng(3), np.random.default_rng(3)
    drawn = [lexicon.drawn(random) for _ in range(4000)]
    assert drawn == [["a", "b", "c"][same.choice(3, p=[0.6, 0.0, 0.4])] for _ in range(4000)]


def test_rows_are_added_with_the_label_and_number_of_their_seed():
    table = tables.chinese_table()
    made = TextAugmentation(copies=2).rows(table, context(table))
    assert made.frame[: table.rows].equals(table.frame)
    added = made.take(np.arange(table.rows, made.rows))
    assert table.rows < added.rows <= 2 * table.rows
    place = {int(number): row for row, number in enumerate(table.row_ids)}
    seeds = np.array([place[int(number)] for number in added.row_ids])
    assert np.array_equal(added.labels, table.labels[seeds])
    others = [name for name in table.frame.columns if name != "note"]
    assert added.frame.select(others).equals(table.frame[seeds].select(others)), "other columns stay"
    assert (added.column("note") != table.column("note")[seeds]).all()
    assert added.column("note").null_count() == 0, "a row without a text is not repeated"


@pytest.mark.parametrize("changes", [("synonyms",), ("insert",), ("swap",), ("delete",), ("replace",)])
def test_labels_stay_true_under_a_strong_model(changes):
    """A model of all of a clean set says of the new texts what it says of the old ones."""
    texts, labels = [], []
    for seed in range(3):
        more, marks = sentences(400, seed)
        texts += more
        labels += marks.tolist()
    frame = pl.DataFrame({"text": texts, "label": [f"class {label}" for label in labels]})
    table = read(frame, target="label", columns={"text": "text"})
    strong = fit(Recipe(model="linear", metric="accuracy"), table)
    few = table.take(np.arange(300))
    own = (strong.answers(few) == few.labels).mean()
    made = TextAugmentation(changes=changes, share=0.15, copies=2).rows(few, context(few))
    added = made.take(np.arange(few.rows, made.rows))
    assert added.rows > 200
    agreement = (strong.answers(added) == added.labels).mean()
    least = {"delete": 0.85, "replace": 0.85}.get(changes[0], 0.97)  # the one word that tells may be lost
    assert agreement > least * own, agreement


def test_several_text_columns_and_several_labels():
    table = tables.several_labels(tables.mixed_table())
    frame = table.frame.with_columns(pl.col("note").alias("title"))
    kinds = {**table.schema.kinds, "title": "text"}
    both = type(table).make(frame, type(table.schema)(kinds, table.target, table.classes, {}, table.schema.label_sets),
                            label_matrix=table.label_matrix)  # fmt: skip
    made = TextAugmentation().rows(both, context(both))
    assert made.rows > both.rows
    assert made.label_matrix.shape[0] == made.rows


def test_synonyms_of_a_file_go_first(tmp_path):
    file = tmp_path / "synonyms.txt"
    file.write_text("# colours\nred, crimson\tscarlet\n\nbig, large # sizes\n", encoding="utf-8")
    assert word_groups(str(file)) == [["red", "crimson", "scarlet"], ["big", "large"]]
    lexicon = learned(segmented(pl.Series(["red big", "red"])), np.eye(2), 0, word_groups(str(file)))
    assert lexicon.synonyms["red"] == ["crimson", "scarlet"]
    file.write_text("red, crimson\nalone\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2"):
        word_groups(str(file))
    with pytest.raises(UserError, match="no such file"):
        word_groups(str(tmp_path / "none.txt"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        word_groups(str(file))


def test_entries_of_a_file_are_words_however_many_parts_they_have(tmp_path):
    """Of Chinese too, where each character is a word by itself and no company says which belong together."""
    (text,) = segmented(pl.Series(["Ice cream, ice; 去图书馆看书。"]), {"ice cream", "图书馆", "图"})
    assert text.words == ("Ice cream", "ice", "去", "图书馆", "看", "书")
    assert text.text == "Ice cream, ice; 去图书馆看书。"
    file = tmp_path / "synonyms.txt"
    file.write_text("图书馆,阅览室\nice cream,gelato\n", encoding="utf-8")
    notes = ["他去图书馆了", "I like ice cream", "天气不错", "车来得晚", "水太冷", "猫在睡"] * 2
    table = read(pl.DataFrame({"note": notes, "y": ["a", "b"] * 6}), target="y", columns={"note": "text"})
    method = TextAugmentation(changes=("synonyms",), dictionaries=(str(file),))
    made = method.rows(table, context(table)).column("note").to_list()[len(notes) :]
    assert made == ["他去阅览室了", "I like gelato"] * 2


def test_what_cannot_be_is_refused_with_a_reason():
    table = tables.number_table()
    reason = TextAugmentation().unsuitable(Recipe(), table, context(table).model)
    assert reason
    assert "table_augmentation" in reason
    texts = tables.mixed_table()
    reason = TextAugmentation(changes=("back_translation",)).unsuitable(Recipe(), texts, context(texts).model)
    assert reason
    assert "translators" in reason
