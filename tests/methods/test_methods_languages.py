"""Several languages: how often a row is seen, rows carried into another language, and words of one as of the other."""

import numpy as np
import polars as pl
import pytest

from melior.checks._languages import languages_of
from melior.data.schema import Schema
from melior.data.table import Table
from melior.errors import UserError
from melior.methods._languages import language_shares, repeated
from melior.methods.bilingual_training import BilingualTraining, parted, translation_rows
from melior.methods.joint_training import JointTraining
from melior.methods.multilingual_augmentation import MultilingualAugmentation, carried, unlike
from melior.models.linear import Linear
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import Fitting, fit
from melior.trials.shared import Shared
from melior.verbs.evaluate import Evaluation, measured

SAID = {"sun": ("sun", "day", "bright", "warm"), "moon": ("moon", "night", "dark", "cold")}
FILLING = ("there", "was", "much", "talk", "of", "old", "roads", "and", "rivers", "today")
WORDS = [*SAID["sun"], *SAID["moon"], *FILLING]


def other(word):
    """The word in a made-up language that shares none with the first."""
    return f"{word[::-1]}ix"


def sentence(random, kind, language):
    own = [*random.choice(SAID[kind], 2), *random.choice(FILLING, 5)]
    own = [own[at] for at in random.permutation(len(own))]
    return " ".join(own if language == "en" else map(other, own))


def table_of(counts, seed=0, told=True):
    """Rows of each language, half of each class."""
    random = np.random.default_rng(seed)
    rows = [(sentence(random, kind, language), language, kind)
            for language, many in counts.items() for number in range(many)
            for kind in [("sun", "moon")[number % 2]]]  # fmt: skip
    frame = {"text": [row[0] for row in rows], **({"language": [row[1] for row in rows]} if told else {})}
    kinds = {"text": "text", **({"language": "language"} if told else {})}
    labels = np.array([("moon", "sun").index(row[2]) for row in rows], dtype=np.int32)
    return Table.make(pl.DataFrame(frame), Schema(kinds, "said", ("moon", "sun")), labels)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    random, lines = np.random.default_rng(5), []
    for _ in range(150):
        own = random.choice(WORDS, 5, replace=False)
        lines.append((" ".join(own), " ".join(map(other, own))))
    path = tmp_path_factory.mktemp("pairs") / "en-de.csv"
    pl.DataFrame({"en": [a for a, _ in lines], "de": [b for _, b in lines]}).write_csv(path)
    return str(path)


def around(table, seed=0):
    return Fitting(table, Linear(), (), (), "macro_f1", seed, 1, Shared())


# ---- how often a row is seen


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_shares_are_powers_of_the_counts(alpha):
    """p of a language is n ** alpha over the sum of all (Conneau et al. 2020, equation 1)."""
    languages = np.repeat(["en", "de", "fr"], [1000, 100, 50])
    often = language_shares(languages, alpha, most=1e9)
    seen = {name: often[languages == name].sum() / often.sum() for name in ("en", "de", "fr")}
    powers = {"en": 1000**alpha, "de": 100**alpha, "fr": 50**alpha}
    for name, power in powers.items():
        assert seen[name] == pytest.approx(power / sum(powers.values()))
    assert often.min() == 1


def test_shares_have_a_limit_and_leave_the_unknown_alone():
    languages = np.array(["en"] * 100 + ["de"] + [""] * 5)
    often = language_shares(languages, 0.0, most=20)
    assert often[100] == 20
    assert (often[101:] == 1).all()
    weighted = language_shares(np.array(["en", "en", "de"]), 0.0, 100, np.array([3.0, 1.0, 2.0]))
    assert weighted.tolist() == [1, 1, 2], "a row of weight 2 is two rows"
    assert (language_shares(np.array(["", ""]), 0.3, 20) == 1).all()


def test_repeated_rows_come_as_often_as_said():
    often = np.array([1.0, 2.5, 3.0])
    counts = np.mean([np.bincount(repeated(often, np.random.default_rng(seed)), minlength=3) for seed in range(400)], 0)
    assert counts[[0, 2]].tolist() == [1, 3]
    assert counts[1] == pytest.approx(2.5, abs=0.1)


def test_joint_training_weighs_and_repeats():
    table = table_of({"en": 200, "de": 20})
    weighed = JointTraining(alpha=0).rows(table, around(table))
    sums = [weighed.weights[table.column("language").to_numpy() == name].sum() for name in ("en", "de")]
    assert sums[0] == pytest.approx(sums[1])
    assert weighed.weights.mean() == pytest.approx(1)
    again = JointTraining(alpha=0, kind="sample").rows(table, around(table))
    assert again.column("language").value_counts(sort=True).get_column("count").to_list() == [200, 200]
    assert JointTraining(alpha=1).rows(table, around(table)) is table
    assert JointTraining().rows(table_of({"en": 50}), around(table_of({"en": 50}))).weights is None


def test_joint_training_of_a_language_model():
    rows = [{"text": f"text {number}", "language": "en"} for number in range(40)] + [
        {"text": "x", "language": "de"}
    ] * 2
    made = JointTraining(alpha=0, most=10).language_rows(rows, 0)
    assert [sum(row["language"] == name for row in made) for name in ("en", "de")] == [40, 20]
    assert (
        JointTraining().language_rows([{"text": "Where is the next station?"}] * 3, 0)
        == [{"text": "Where is the next station?"}] * 3
    )


def test_languages_are_read_where_nothing_says_them():
    texts = ["The room was clean and the breakfast was very good."] * 30 + [
        "Das Zimmer war sauber und das Essen gut."
    ] * 30
    table = Table.make(pl.DataFrame({"t": [*texts, "12"]}), Schema({"t": "text"}))
    assert languages_of(table).tolist() == ["en"] * 30 + ["de"] * 30 + [""]


def test_joint_training_is_refused_without_languages(table):
    numbers = table.without_columns(["note"])
    assert "no row has a language" in JointTraining().unsuitable(Recipe(), numbers, Linear())

    class Bare(Linear):
        can = frozenset()

    assert "kind: sample" in JointTraining().unsuitable(Recipe(), table, Bare())
    assert JointTraining(kind="sample").unsuitable(Recipe(), table, Bare()) is None


# ---- rows carried into another language


def test_switched_rows_keep_their_label_under_a_strong_model(pairs):
    """A model that learned many rows of both languages, which the method never saw, gives them the label they have."""
    strong = fit(Recipe(model="linear", metric="macro_f1"), table_of({"en": 400, "de": 400}, seed=9))
    table = table_of({"en": 120, "de": 12})
    for share in (0.5, 1.0):
        made = MultilingualAugmentation(pairs=pairs, share=share, copies=2).rows(table, around(table))
        new = made.take(np.arange(table.rows, made.rows))
        assert new.rows >= 2 * 120
        assert (strong.answers(new) == new.labels).mean() > 0.97
        assert made.take(np.arange(table.rows)).frame.equals(table.frame), "rows that were there stay as they are"
        assert set(new.row_ids) <= set(table.row_ids)
        was = dict(zip(table.row_ids, table.labels, strict=True))
        assert [was[row] for row in new.row_ids] == new.labels.tolist()


def test_switched_rows_say_their_language(pairs):
    table = table_of({"en": 40})
    new = MultilingualAugmentation(pairs=pairs, share=1.0).rows(table, around(table)).take(np.arange(40, 80))
    assert set(new.column("language")) == {"de"}
    turned = {other(word) for word in WORDS}
    assert all(set(text.split()) <= turned for text in new.column("text"))


def test_a_language_without_labels_is_learned_from_switched_rows(pairs):
    train, test = table_of({"en": 120}), table_of({"de": 200}, seed=3)
    plain, changed = (fit(Recipe(model="linear", metric="macro_f1", methods=methods), train)
                      for methods in ((), ({"multilingual_augmentation": {"pairs": pairs}},)))  # fmt: skip
    right = [(one.answers(test) == test.labels).mean() for one in (plain, changed)]
    assert right[0] < 0.65 < 0.95 < right[1]


@pytest.mark.parametrize("written", ["EN", "en-US", "en_GB"])
def test_a_language_is_known_however_it_is_written(pairs, written):
    """Rows are made as of rows that say "en", and say their language as the column does."""
    plain, table = table_of({"en": 60, "de": 30}), table_of({"en": 60, "de": 30})
    tags = {"en": written, "de": "de-AT"}
    own = table.with_frame(table.frame.with_columns(pl.col("language").replace(tags)))
    method = MultilingualAugmentation(pairs=pairs)
    as_usual, made = method.rows(plain, around(plain)), method.rows(own, around(own))
    assert made.rows == as_usual.rows > 120
    assert made.column("text").to_list() == as_usual.column("text").to_list()
    assert made.column("language").to_list() == [tags[one] for one in as_usual.column("language").to_list()]
    train = own.take(np.arange(60))
    recipe = Recipe(model="linear", metric="macro_f1", methods=({"bilingual_training": {"pairs": pairs}},))
    test = table_of({"de": 200}, seed=3)
    assert (fit(recipe, train).answers(test) == test.labels).mean() > 0.95
    row = {"text": "much talk of rivers", "language": written}
    assert len(MultilingualAugmentation(pairs=pairs, share=1.0).language_rows([row], 0)) == 2


def test_words_of_chinese_are_read_and_switched(tmp_path):
    """Entries of a word list of several letters are found where words stand without spaces."""
    path = tmp_path / "words.csv"
    path.write_text("en,zh\nbook,书\nlibrary,图书馆\nchocolate,巧克力\nsweet,甜\n", encoding="utf-8")
    kinds = Schema({"text": "text", "language": "language"}, "said", ("food", "reading"))
    chinese = pl.DataFrame({"text": ["巧克力很甜", "去图书馆看书"] * 10, "language": ["zh"] * 20})
    english = pl.DataFrame({"text": ["sweet chocolate", "a book of the library"] * 10, "language": ["en"] * 20})
    there, here = (Table.make(f, kinds, np.tile([0, 1], 10).astype(np.int32)) for f in (chinese, english))
    made = MultilingualAugmentation(pairs=str(path), share=1.0).rows(there, around(there))
    assert set(made.column("text").to_list()[20:]) == {"chocolate 很 sweet", "去 library 看 book"}
    recipe = Recipe(model="linear", metric="macro_f1", methods=({"bilingual_training": {"pairs": str(path)}},))
    assert np.array_equal(fit(recipe, here).answers(there), there.labels)


def test_rows_without_a_known_word_or_language_give_none(pairs):
    frame = pl.DataFrame({"text": ["nothing known here", None] * 10})
    table = Table.make(frame, Schema({"text": "text"}, "y", ("a", "b")), np.tile([0, 1], 10).astype(np.int32))
    assert MultilingualAugmentation(pairs=pairs).rows(table, around(table)) is table


def test_translations_that_are_none_are_left_out():
    before = ["The room was clean and quiet.", "The food was good.", "It was warm.", "There was a garden behind it."]
    after = [
        "Das Zimmer war sauber und ruhig.",
        "the food was good",
        "",
        "There stood a garden that was behind the house.",
    ]
    assert carried(before, after, "de").tolist() == [True, False, False, False]


def test_near_copies_and_repeats_are_left_out():
    known = ["the old road leads to the river and then along the river to the town and its market", None, "short"]
    new = ["The old road leads to the river and then along the river to the town and its market!", "Short",
           "another text about the hills", "another text, about the hills"]  # fmt: skip
    assert unlike(known, new, 0).tolist() == [False, False, True, False]


def test_written_rows_are_kept_where_a_model_agrees(monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    random = np.random.default_rng(1)

    def told(source, examples, labels, spoken, **how):
        assert all(len(texts) == 3 for texts in examples)
        wrong = {"sun": "moon", "moon": "sun"}
        return [sentence(random, label if at % 2 else wrong[label], "en") for at, label in enumerate(labels)]

    from melior.networks import written

    monkeypatch.setattr(written, "further", told)
    table = table_of({"en": 100}, told=False)
    made = MultilingualAugmentation(kind="written", source="a model").rows(table, around(table))
    new = made.take(np.arange(100, made.rows))
    assert 35 < new.rows <= 52
    strong = fit(Recipe(model="linear", metric="macro_f1"), table_of({"en": 800}, seed=8, told=False))
    assert (strong.answers(new) == new.labels).mean() > 0.97


def test_a_writer_writes_as_many_copies_as_are_asked_for(monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from melior.networks import written

    asked = []
    monkeypatch.setattr(
        written,
        "further",
        lambda source, examples, labels, spoken, **how: [asked.append(len(examples))] and list("a" * len(examples)),
    )
    table = table_of({"en": 20}, told=False)
    for copies, most in ((1, 500), (3, 500), (3, 45)):
        MultilingualAugmentation(kind="written", source="a model", copies=copies, most=most).rows(table, around(table))
    assert asked == [20, 60, 45]


def test_augmentation_says_what_it_lacks(table):
    ask = {
        "give their file as pairs": {}, "give its folder as source": {"kind": "translation"},
        "give their codes as languages": {"kind": "translation", "source": "x"},
    }  # fmt: skip
    for reason, settings in ask.items():
        assert reason in MultilingualAugmentation(**settings).unsuitable(Recipe(), table, Linear())
    assert MultilingualAugmentation(pairs="a.csv").unsuitable(Recipe(), table, Linear()) is None
    with pytest.raises(UserError, match="no translation pairs"):
        MultilingualAugmentation().language_rows([{"text": "x"}], 0)


def test_prompts_are_switched_and_answers_stay(pairs):
    rows = [{"prompt": "much talk of rivers", "answer": "moon", "language": "en"}, {"prompt": "q", "answer": "a"}]
    made = MultilingualAugmentation(pairs=pairs, share=1.0).language_rows(rows, 0)
    assert made[:2] == rows
    said = " ".join(map(other, ["much", "talk", "of", "rivers"]))
    assert made[2:] == [{"prompt": said, "answer": "moon", "language": "de"}]
    chat = [{"messages": [{"role": "user", "content": "much talk"}, {"role": "assistant", "content": "talk"}],
             "language": "en"}]  # fmt: skip
    new = MultilingualAugmentation(pairs=pairs, share=1.0).language_rows(chat, 0)[1]
    assert [message["content"] for message in new["messages"]] == ["hcumix klatix", "talk"]


# ---- words of one language as words of the other


def test_a_language_without_labels_is_read_through_the_pairs(pairs, tmp_path):
    train, test = table_of({"en": 120}), table_of({"de": 200}, seed=3)
    recipe = Recipe(model="linear", metric="macro_f1", methods=({"bilingual_training": {"pairs": pairs}},))
    predictor = fit(recipe, train)
    assert (predictor.answers(test) == test.labels).mean() > 0.95
    plain, own = fit(Recipe(model="linear", metric="macro_f1"), train), table_of({"en": 50}, seed=4)
    assert np.array_equal(predictor.scores(own), plain.scores(own)), "what it knows is left as it is"
    predictor.save(tmp_path)
    assert np.array_equal(Predictor.load(tmp_path).scores(test), predictor.scores(test))


def test_two_trainings_share_no_words(pairs):
    """What a fit learns from its rows does not reach the next fit with the same step."""
    recipe = Recipe(model="linear", metric="macro_f1", methods=({"bilingual_training": {"pairs": pairs}},))
    test, english = table_of({"de": 50}, seed=3), table_of({"en": 60})
    shared = Shared()
    first = fit(recipe, english, shared=shared)
    fit(recipe, table_of({"de": 60}), shared=shared)
    assert np.array_equal(fit(recipe, english, shared=shared).scores(test), first.scores(test))


def test_bilingual_rows_have_the_form_of_the_others(pairs):
    own = BilingualTraining(pairs=pairs, most=20)
    asked = own.language_rows([{"prompt": "p", "answer": "a"}], 0)
    assert len(asked) == 1 + 2 * 20
    assert asked[1]["prompt"].startswith("Translate from English to German: ")
    assert {
        " ".join(map(other, row["prompt"].strip().split(": ")[1].split())) == row["answer"] for row in asked[1:21]
    } == {True}
    assert [message["role"] for message in own.language_rows([{"messages": [{}]}], 0)[1]["messages"]] == [
        "user", "assistant",
    ]  # fmt: skip
    assert set(own.language_rows([{"text": "t", "language": "en"}], 0)[1]) == {"text", "language"}
    with pytest.raises(UserError, match="give their file"):
        BilingualTraining().language_rows([], 0)
    assert translation_rows(parted_pairs(pairs)[0], {})[0]["text"].count("\n") == 1


def parted_pairs(path):
    from melior.data.pairs import translation_pairs

    return parted(translation_pairs(path), 100)


def test_pairs_that_are_measured_on_are_not_learned(pairs):
    learned, held = parted_pairs(pairs)
    assert len(held) == 10
    assert not {*learned.source, *learned.target} & {*held.source, *held.target}
    with pytest.raises(UserError, match="too few"):
        parted(learned.take([0, 1]), 100)


# ---- scores of each language


def test_evaluate_scores_each_language():
    train, test = table_of({"en": 100, "de": 20}), table_of({"en": 60, "de": 40, "fr": 3}, seed=2)
    predictor = fit(Recipe(model="linear", metric="macro_f1"), train)
    found = measured(predictor, test, on="test", trained=train)[0]
    assert list(found.by_language) == ["en", "de"], "too few rows stand for nothing"
    german = found.by_language["de"]
    assert (german.rows, german.trained) == (40, 20)
    rows = np.flatnonzero(test.column("language").to_numpy() == "de")
    right = (predictor.answers(test.take(rows)) == test.labels[rows]).mean()
    assert german.scores["accuracy"].value == pytest.approx(right)
    assert german.scores["accuracy"].low <= right <= german.scores["accuracy"].high
    assert Evaluation.from_dict(found.to_dict()).by_language == found.by_language
    assert not measured(predictor, table_of({"en": 60}, seed=2), on="test")[0].by_language
