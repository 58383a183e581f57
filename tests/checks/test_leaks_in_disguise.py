"""Leaks that no single column shows: a phrase in a text, two columns together, preparation before the split."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_wine

import melior
from melior.checks._leaks import copy_explains
from melior.checks.leaking_phrases import HIDDEN_COPY, explained_by_presence
from melior.data.read import read
from melior.improvement.ask import known_before
from melior.methods._base import methods
from melior.recipe import Recipe
from melior.samples import REVIEWS
from melior.trials.audit import run_checks


def found(frame, name, *, test=None, symptom="target_leakage"):
    from melior.data.read import read_pair

    if test is None:
        table, other = read(frame, target="answer"), None
    else:
        table, other = read_pair(frame, test, target="answer")
    audit = run_checks(table, Recipe(metric="macro_f1"), other=other, only=[name])
    assert not audit.failed
    return [finding for finding in audit.findings if finding.symptom == symptom]


def reviews(rows=1500, seed=0):
    frame = pl.read_csv(REVIEWS).drop("rating").rename({"recommended": "answer"})
    return frame.sample(rows, seed=seed).with_columns(pl.col("answer").cast(pl.String), pl.col("review").fill_null(""))


# ---- phrases


@pytest.mark.parametrize("wrong", [0.0, 0.05])
@pytest.mark.parametrize("phrase", ["[case closed]", "Refunded.", "已退款", "✅"])
def test_a_phrase_that_gives_the_answer_away_is_found(phrase, wrong):
    frame = reviews(500)
    random = np.random.default_rng(1)
    given = (frame["answer"] == "1").to_numpy() ^ (random.random(len(frame)) < wrong)
    texts = [f"{text} {phrase}" if one else text for text, one in zip(frame["review"].to_list(), given, strict=True)]
    findings = found(frame.with_columns(pl.Series("review", texts)), "leaking_phrases")
    assert [finding.columns for finding in findings] == [("review",)]
    assert not findings[0].certain
    named = " ".join(findings[0].measured["phrases"])
    assert any(word in named for word in ("closed", "refunded", "款", "✅"))
    assert set(np.flatnonzero(given)) <= set(findings[0].rows.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_honest_texts_have_no_such_phrase(seed):
    assert found(reviews(seed=seed), "leaking_phrases") == []


def flipped(frame, seed):
    """A fifth of the answers wrong."""
    wrong = np.random.default_rng([seed, 1]).random(len(frame)) < 0.2
    right = (frame["answer"] == "1").to_numpy()
    return frame.with_columns(pl.Series("answer", (right ^ wrong).astype(int)).cast(pl.String))


def test_a_phrase_that_tells_answers_which_are_wrong_themselves_is_found():
    frame = reviews()
    told = (frame["answer"] == "1").to_numpy() ^ (np.random.default_rng(1).random(len(frame)) < 0.03)
    texts = [f"{text} Refunded." if one else text for text, one in zip(frame["review"].to_list(), told, strict=True)]
    (finding,) = found(flipped(frame.with_columns(pl.Series("review", texts)), 0), "leaking_phrases")
    assert finding.measured["take_out"] == ["refunded"]
    assert finding.measured["beats_all_others"]
    assert "more than all else" in finding.message


@pytest.mark.parametrize("seed", range(2))
def test_honest_texts_with_wrong_answers_have_no_such_phrase(seed):
    assert found(flipped(reviews(seed=seed), seed), "leaking_phrases") == []


def test_a_word_that_says_much_where_the_others_say_more_is_honest():
    """Both classes have words of their own; one of them stands in nearly all texts of its class."""
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 600)
    own = [[f"{name}{k}" for k in range(12)] for name in ("left", "right")]
    texts = []
    for code in answer:
        words = [*random.choice(own[code], 6, replace=False), *random.choice(own[1 - code], 2, replace=False)]
        texts.append(" ".join([*words, "invoice"] if random.random() < (0.18, 0.82)[code] else words))
    told = explained_by_presence(csr_matrix([[float("invoice" in text)] for text in texts]), answer, 2)
    assert told[0] > copy_explains(HIDDEN_COPY, np.bincount(answer))  # enough to be looked at
    frame = pl.DataFrame({"text": texts, "answer": [f"class {code}" for code in answer]})
    assert found(frame, "leaking_phrases") == []


def tickets(rows, words, seed):
    """Three topics with five words of their own; a ticket has one to `words` of them among words that say nothing."""
    random = np.random.default_rng([seed, words])
    topics = {
        "login": ["password", "login", "locked", "reset", "account"],
        "billing": ["invoice", "refund", "charge", "card", "paid"],
        "shipping": ["parcel", "courier", "tracking", "delivery", "address"],
    }
    filler = [f"filler{number}" for number in range(30)]
    answers = random.choice(list(topics), rows)
    texts = []
    for answer in answers:
        own = random.choice(topics[answer], random.integers(1, words + 1), replace=False)
        texts.append(" ".join(random.permutation([*own, *random.choice(filler, 10, replace=False)])))
    return pl.DataFrame({"text": texts, "answer": answers.tolist()})


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_every_class_may_have_a_stamp_of_its_own(classes):
    """Where one is wrong, that of another class stands in its place."""
    random = np.random.default_rng(classes)
    answer = random.integers(0, classes, 500)
    said = np.where(random.random(500) < 0.04, random.integers(0, classes, 500), answer)
    stamps = ["cats", "dogs", "birds", "fish"]
    paths = [f"export/{stamps[code]}/{number:06d}.txt" for number, code in enumerate(said)]
    hints = answer + random.normal(0, 0.7, 500)
    frame = pl.DataFrame({"file": paths, "hint": hints, "answer": [f"class {code}" for code in answer]})
    (finding,) = found(frame, "leaking_phrases")
    assert set(finding.measured["take_out"]) >= set(stamps[:classes])
    assert not known_before(finding).default


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_the_words_that_a_topic_is_made_of_are_honest(words, seed):
    assert found(tickets(400, words, seed), "leaking_phrases") == []


@pytest.mark.parametrize("classes", [("Dresses", "Pants", "Sweaters"), ("Dresses", "Knits"), ("Jeans", "Blouses")])
def test_the_name_of_what_a_review_is_about_is_no_stamp(classes):
    frame = pl.read_csv(REVIEWS).filter(pl.col("class").is_in(classes)).select("title", "review", answer="class")
    assert found(frame, "leaking_phrases") == []


def test_what_texts_say_again_and_again_is_asked_about_and_stays():
    frame = pl.read_csv(REVIEWS).filter(pl.col("class").is_in(["Skirts", "Sweaters"]))
    (finding,) = found(frame.select("title", "review", answer="class"), "leaking_phrases")
    assert finding.measured["content"]
    assert known_before(finding).default
    stamped = frame.select("title", pl.concat_str("review", pl.lit(" Returned.")).alias("review"), answer="class")
    stamped = stamped.with_columns(
        pl.when(pl.col("answer") == "Skirts").then(pl.col("review")).otherwise(pl.col("review").str.head(-10))
    )
    (finding,) = found(stamped, "leaking_phrases")
    assert finding.measured["take_out"] == ["returned"]
    assert not finding.measured["content"]
    assert not known_before(finding).default


def test_what_presence_explains_is_mutual_information():
    from sklearn.metrics import mutual_info_score

    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 5000)
    present = (random.random((5000, 4)) < np.array([0.1, 0.5, 0.5, 0.9])).astype(float)
    present[:, 2] = labels == 1
    shares = np.bincount(labels) / 5000
    whole = -(shares * np.log(shares)).sum()
    right = [mutual_info_score(labels, present[:, term]) / whole for term in range(4)]
    assert explained_by_presence(csr_matrix(present), labels, 3) == pytest.approx(right, abs=1e-3)


# ---- pairs


def numbers(seed, rows=1200):
    random = np.random.default_rng(seed)
    return random, pl.DataFrame({f"n{place}": random.normal(size=rows) for place in range(6)})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["sign", "key", "difference"])
def test_two_columns_that_are_the_answer_together_are_found(kind, seed):
    random, frame = numbers(seed)
    answer = (random.random(len(frame)) < 1 / (1 + np.exp(-frame["n0"].to_numpy()))).astype(int)
    other = random.integers(0, 2, len(frame))
    flip = random.random(len(frame)) < 0.01
    if kind == "sign":
        one = random.normal(size=len(frame))
        two = np.abs(random.normal(size=len(frame))) * np.where((answer ^ flip) == 1, 1, -1) * np.sign(one)
    elif kind == "key":
        one, two = np.array(["a", "b"])[other], np.array(["x", "y"])[other ^ answer ^ flip]
    else:
        one = random.uniform(0, 10, len(frame))
        two = one + np.where((answer ^ flip) == 1, 1.0, -1.0) * random.uniform(0.5, 5, len(frame))
    frame = frame.with_columns(
        pl.Series("one", one), pl.Series("two", two), pl.Series("answer", answer).cast(pl.String)
    )
    findings = found(frame, "leaking_pairs")
    assert ("one", "two") in [finding.columns for finding in findings]


@pytest.mark.parametrize("seed", range(6))
def test_honest_interactions_are_no_leak(seed):
    """The answer goes by the product of two columns, with as much chance in it as real answers have."""
    random, frame = numbers(seed)
    logit = 2.5 * frame["n0"].to_numpy() * frame["n1"].to_numpy() + frame["n2"].to_numpy()
    answer = (random.random(len(frame)) < 1 / (1 + np.exp(-logit))).astype(int)
    frame = frame.with_columns(pl.Series("answer", answer).cast(pl.String))
    assert found(frame, "leaking_pairs") == []


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_real_measurements_are_no_leak(load):
    data = load(as_frame=True).frame.rename(columns={"target": "answer"})
    data["answer"] = data["answer"].map(lambda number: f"class {number}")
    assert found(pl.from_pandas(data), "leaking_pairs") == []


# ---- preparation


def parts(seed, how):
    random = np.random.default_rng(seed)
    values = random.normal(30, 7, (500, 3))
    frame = values[:400], values[400:]
    if how == "together":
        scaled = (values - values.mean(axis=0)) / values.std(axis=0)
        frame = scaled[:400], scaled[400:]
    elif how == "apart":
        mean, spread = values[:400].mean(axis=0), values[:400].std(axis=0)
        frame = (values[:400] - mean) / spread, (values[400:] - mean) / spread
    elif how == "ends":
        values[450] += 100
        scaled = (values - values.min(axis=0)) / (values.max(axis=0) - values.min(axis=0))
        frame = scaled[:400], scaled[400:]
    answer = random.integers(0, 2, 500).astype(str)
    made = [pl.DataFrame(part, schema=["a", "b", "c"]) for part in frame]
    return [
        part.with_columns(pl.Series("answer", own))
        for part, own in zip(made, (answer[:400], answer[400:]), strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("how", "leaks"), [("together", True), ("ends", True), ("apart", False), ("raw", False)])
def test_a_scale_learned_from_both_parts_is_seen(how, leaks, seed):
    train, test = parts(seed, how)
    findings = found(train, "preprocessing_leakage", test=test, symptom="preprocessing_leakage")
    assert bool(findings) == leaks
    if leaks:
        assert findings[0].columns == ("a", "b", "c")


def test_rows_copied_to_balance_the_classes_are_seen():
    random = np.random.default_rng(0)
    rare, common = random.normal(1, 1, (60, 4)), random.normal(0, 1, (300, 4))
    copies = rare[random.integers(0, 60, 240)]
    values = np.concatenate([rare, copies, common])
    answer = ["rare"] * 300 + ["common"] * 300
    frame = pl.DataFrame(values, schema=["a", "b", "c", "d"]).with_columns(pl.Series("answer", answer))
    findings = found(frame, "preprocessing_leakage", symptom="preprocessing_leakage")
    assert len(findings) == 1
    assert "'rare'" in findings[0].message
    balanced = pl.DataFrame(random.normal(size=(600, 4)), schema=["a", "b", "c", "d"]).with_columns(
        pl.Series("answer", answer)
    )
    assert found(balanced, "preprocessing_leakage", symptom="preprocessing_leakage") == []


@pytest.mark.parametrize("seed", range(8))
def test_copies_that_stand_anywhere_are_no_balancing(seed):
    """Three classes of equal size by nature, and twelve rows that were entered twice."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(150, 4)) + np.repeat(np.arange(3), 50)[:, None]
    twice = random.choice(150, 12, replace=False)
    answer = np.repeat(["a", "b", "c"], 50)
    # equal sizes again: of each class as many single rows go as it has copies
    gone = np.concatenate(
        [
            np.setdiff1d(np.flatnonzero(np.repeat(np.arange(3), 50) == code), twice)[: (twice // 50 == code).sum()]
            for code in range(3)
        ]
    )
    order = np.concatenate([np.setdiff1d(np.arange(150), gone), twice])
    frame = pl.DataFrame(values[order], schema=["a", "b", "c", "d"]).with_columns(pl.Series("answer", answer[order]))
    assert found(frame, "preprocessing_leakage", symptom="preprocessing_leakage") == []


def test_a_leaking_pair_is_left_out_and_a_text_stays(tmp_path):
    random, frame = numbers(0)
    answer = (random.random(len(frame)) < 1 / (1 + np.exp(-frame["n0"].to_numpy()))).astype(int)
    one = random.integers(0, 2, len(frame))
    frame = frame.with_columns(
        pl.Series("one", np.array(["a", "b"])[one]),
        pl.Series("two", np.array(["x", "y"])[one ^ answer]),
        pl.Series("answer", answer).cast(pl.String),
    )
    never = [name for name in methods() if name != "normalization"]  # what is tried after the repair is nothing to it
    better = melior.improve(frame, target="answer", budget=20, never=never)
    assert [repair.columns for repair in better.repairs] == [("one", "two")]
