"""The check of languages: rare languages, mixed texts and answers by language are found, one language is left alone."""

import numpy as np
import polars as pl
import pytest
from sentences import SAID, column

from melior.checks.language_imbalance import LanguageImbalance, answers, beyond_errors, cramers_v, merged
from melior.metrics.effective import effective_classes
from melior.recipe import Recipe
from melior.testing.tables import table_of
from melior.texts.languages import Identified, identify
from melior.trials.context import TableContext


def found_in(texts, labels=None, row_ids=None):
    coded = None if labels is None else np.asarray(labels, dtype=np.int32)
    table = table_of({"note": texts}, {"note": "text"}, coded, ("no", "yes"))
    if row_ids is not None:
        table = table.take(row_ids)
    findings = LanguageImbalance().measure(TableContext(table, Recipe()))
    return {finding.measured["kind"]: finding for finding in findings}


def test_rows_of_a_rare_language_are_named():
    texts = column("en", 900) + column("de", 60) + column("fr", 30)
    order = np.random.default_rng(0).permutation(len(texts))
    finding = found_in([texts[k] for k in order])["imbalance"]
    truth = np.array(["en"] * 900 + ["de"] * 60 + ["fr"] * 30)[order]
    assert finding.measured["languages"] == {"en": 900, "de": 60, "fr": 30}
    assert (truth[finding.rows[:30]] == "fr").all()  # the rarest first
    assert (truth[finding.rows[30:]] == "de").all()
    assert len(finding.rows) == 90
    effective = effective_classes([900, 60, 30])
    assert finding.measured["effective_languages"] == pytest.approx(effective)
    assert finding.severity == pytest.approx(1 - effective / 3)
    assert "English" in finding.message
    assert "French" in finding.message


def test_rows_are_those_of_the_file():
    texts = column("en", 300) + column("de", 40)
    chosen = np.arange(339, 100, -1)
    finding = found_in(texts, row_ids=chosen)["imbalance"]
    assert set(finding.rows.tolist()) == set(range(300, 340))


@pytest.mark.parametrize("language", SAID)
def test_one_language_is_nothing(language):
    assert found_in([*SAID[language]] * 40) == {}


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_one_language_with_a_few_titles_in_another_is_nothing(language):
    other = {"en": "fr", "de": "en", "fr": "de"}[language]
    assert found_in(column(language, 1500) + column(other, 2)) == {}


def test_even_languages_are_no_imbalance():
    assert "imbalance" not in found_in(column("en", 200) + column("de", 200))


def test_numbers_and_names_are_nothing():
    random = np.random.default_rng(1)
    codes = ["".join(random.choice(list("ABCXYZ019-"), 10)) for _ in range(400)]
    assert found_in(codes) == {}
    assert found_in([None] * 50) == {}
    assert found_in([""] * 50) == {}
    assert found_in(["the very same words in every row"] * 50) == {}


# ---- answers


def test_answers_by_language():
    texts = column("en", 300) + column("de", 300)
    random = np.random.default_rng(2)
    labels = np.concatenate([random.random(300) < 0.3, random.random(300) < 0.9]).astype(int)
    finding = found_in(texts, labels)["answers"]
    assert not finding.certain
    assert finding.columns == ("note", "answer")
    table = np.array([[300 - labels[:300].sum(), labels[:300].sum()], [300 - labels[300:].sum(), labels[300:].sum()]])
    assert finding.severity == pytest.approx(bergsma(table), abs=1e-9)


def test_answers_that_have_nothing_to_do_with_it():
    texts = column("en", 300) + column("de", 100)
    hits = sum("answers" in found_in(texts, np.random.default_rng(seed).integers(0, 2, 400)) for seed in range(12))
    assert hits <= 1


def test_missing_answers_are_left_out():
    labels = np.full(120, -1)
    labels[:10] = 1
    assert "answers" not in found_in(column("en", 60) + column("de", 60), labels)


def bergsma(counts):
    """The formula once more, with plain sums."""
    n = counts.sum()
    expected = np.outer(counts.sum(1), counts.sum(0)) / n
    phi2 = max(0, ((counts - expected) ** 2 / expected).sum() / n - 1 / (n - 1))
    return np.sqrt(phi2 / (2 - 1 / (n - 1) - 1))


def test_association_is_one_where_languages_tell_the_answer_and_zero_where_not():
    assert cramers_v(np.array([[500.0, 0], [0, 500]])) == pytest.approx(1, abs=0.01)
    assert cramers_v(np.array([[50.0, 50], [50, 50]])) == 0


def test_small_languages_are_added_up_before_the_test():
    counts = np.array([[100.0, 100], [3, 2], [2, 4], [1, 1], [3, 4]])
    kept = merged(counts)
    assert kept.shape == (2, 2)
    assert kept.sum() == counts.sum()
    assert (merged(np.zeros((1, 2))).sum()) == 0


# ---- noise


def test_a_language_counts_from_where_errors_do_not_explain_it():
    """At 0.1 % wrong names a thousand texts have one by chance; five have a probability of 0.4 %."""

    def with_rows(rows):
        codes = np.array([0] * (1000 - rows) + [1] * rows)
        return beyond_errors(Identified(("en", "de"), codes, np.ones(1000), np.arange(1000)))

    assert list(with_rows(4)) == ["en"]
    assert list(with_rows(5)) == ["en", "de"]
    assert beyond_errors(identify(pl.Series(["", "1"]))) == {}


# ---- mixed texts


def test_mixed_texts_are_named():
    english, german = column("en", 250, seed=3), column("de", 250, seed=4)
    texts = [f"{e} {g}" if k % 10 == 0 else e for k, (e, g) in enumerate(zip(english, german, strict=True))]
    finding = found_in(texts)["mixed"]
    assert set(finding.rows.tolist()) <= set(range(0, 250, 10))
    assert len(finding.rows) >= 17
    assert (np.diff(finding.row_scores) <= 0).all()
    assert "English and German" in finding.message


def test_no_target_is_no_answer():
    table = table_of({"note": column("en", 30)}, {"note": "text"}, None, ())
    assert answers(table, "note", identify(table.column("note")), {"en": 30}) is None
