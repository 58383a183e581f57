"""The check of faulty texts: each kind is found where it was planted; texts in 28 languages are left alone."""

import numpy as np
import polars as pl
import pytest
from sentences import SAID

from melior.checks.faulty_text import FaultyText, faults_of
from melior.checks.invalid_values import WORDS, InvalidValues
from melior.recipe import Recipe
from melior.testing.tables import table_of
from melior.trials.context import TableContext


def found_in(texts, check=FaultyText, **more):
    columns = {"note": texts, **more}
    table = table_of(columns, dict.fromkeys(columns, "text"), None, ())
    return {finding.measured["kind"]: finding for finding in check().measure(TableContext(table, Recipe()))}


@pytest.mark.parametrize("language", SAID)
def test_clean_texts_are_left_alone(language):
    first, second = SAID[language]
    assert found_in([f"{first} {k} {second}" if k % 2 else f"{second} {first} {k}" for k in range(3)]) == {}


def own(rows):
    """Texts of a few words in any order."""
    random = np.random.default_rng(rows)
    return [" ".join(random.choice(["we", "saw", "a", "good", "house", "by", "the", "sea", "and", "sun"], 9)) + "."
            for _ in range(rows)]  # fmt: skip


PLANTED = {
    "garbled": ["Das ist schÃ¶n und grÃ¼n.", "na\ufffdve", "Ñ‡Ð¸ÑÑ‚Ñ‹Ð¹"],
    "blank": ["", " ", "\n\t", "...!", "——", "(,)", "。。。", "\u00a0"],
    "stand_in": ["test", "Lorem ipsum dolor sit amet.", "ASDF", " qwerty ", "aaaaaa", "测试", "TODO", "好好好好"],
    "markup": ["nice<br/>place", "<p class='x'>good</p>", "fish &amp; chips", "it&#39;s fine", '<a href="x">here</a>'],
    "control": ["bad\x00byte", "zero\u200bwidth", "over\u202eride", "\ufeffstart", "private \ue000"],
}
FINE = [
    "if a < b and c > d then", "I <3 this", "a & b", "x <- y; z -> w", "5 > 3 <4", "AT&T; more", "List<int> names",
    "line\nanother\ttab", "می\u200cخواهم", "👨\u200d👩\u200d👧 family", "co\u00adoperate", "ok", "good",
    "this is a test",    "a todo list is good", "no", "ไม่\u200bดี", "\u200fשלום", "hmm", "zzz", "5", "$", "😀", "Ⅷ",
]  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_faults_are_found(kind):
    texts = own(40) + PLANTED[kind]
    found = found_in(texts)
    assert list(found) == [kind]
    assert found[kind].rows.tolist() == list(range(40, len(texts)))
    assert found[kind].severity == pytest.approx(min(1, 5 * len(PLANTED[kind]) / len(texts)))


@pytest.mark.parametrize("text", FINE)
def test_texts_that_only_look_faulty(text):
    assert faults_of("note", pl.Series([text])) == {}


def test_a_text_counts_once():
    found = faults_of("note", pl.Series(["schÃ¶n<br>\x00", "a<br>\x00", "\x00a"]))
    assert {kind: faults.positions.tolist() for kind, faults in found.items()} == {
        "garbled": [0], "markup": [1], "control": [2],
    }  # fmt: skip


def test_what_invalid_values_reports_is_not_reported_again():
    texts = own(40) + sorted(WORDS)
    assert found_in(texts) == {}
    (placeholder,) = found_in(texts, InvalidValues).values()
    assert placeholder.rows.tolist() == list(range(40, 40 + len(WORDS)))


def test_repairs_come_with_the_finding():
    finding = found_in([*own(30), "Das ist schÃ¶n.", "na\ufffdve"])["garbled"]
    assert finding.measured["repaired"] == {"note": {30: "Das ist schön."}}
    assert finding.measured["repairable"] == {"note": 1}
    assert "'schÃ¶n.' for 'schön.'" in finding.message


def test_markup_everywhere_is_a_suspicion():
    assert not found_in([f"<p>{text}</p>" for text in own(30)])["markup"].certain
    assert found_in([*own(30), "<p>one</p>"])["markup"].certain


def test_several_columns_are_one_finding():
    finding = found_in(["asdf", *own(19)], other=[*own(18), "test", "qwerty"])["stand_in"]
    assert finding.columns == ("other", "note")
    assert finding.rows.tolist() == [0, 18, 19]
    assert "Also in 'note'." in finding.message


def test_boilerplate_is_found_and_measured():
    random = np.random.default_rng(0)
    words = [f"w{k}" for k in range(2000)]
    notice = "Sent from my telephone, please excuse that it is short and has mistakes in it, best wishes from us"
    texts = [" ".join(random.choice(words, 30)) + (f" {notice}" if k % 10 == 0 else "") for k in range(200)]
    finding = found_in(texts)["passage"]
    assert set(finding.rows.tolist()) == set(range(0, 200, 10))
    many = len(notice.split())
    assert finding.severity == pytest.approx(20 * many / (200 * 30 + 20 * many))
    assert finding.measured["passage"].replace(",", "") == notice.replace(",", "")
    assert finding.measured["texts_with_it"] == 20


@pytest.mark.parametrize("texts", [[None] * 12, [None, "x"], ["y" * 5_000_000]])
def test_odd_columns(texts):
    assert set(found_in(texts)) <= {"stand_in", "blank"}
