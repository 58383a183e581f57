"""Planted personal data is found, nothing else is, and no example says what it was."""

import json
import random
import string

import numpy as np
import pytest

from melior.checks.personal_data import PersonalData

WORDS = ["the", "jacket", "fits", "well", "and", "the", "colour", "is", "nice", "but", "it", "came", "late"]


def texts(many: int, seed: int = 0) -> list[str]:
    random_ = random.Random(seed)
    return [" ".join(random_.choices(WORDS, k=8)) for _ in range(many)]


@pytest.fixture
def measure(make_context):
    return lambda columns, kinds, **more: PersonalData().measure(make_context(columns, kinds=kinds, **more))


def test_planted_rows_are_named_and_masked(measure):
    notes = texts(200)
    notes[7] += " write to susan.secret@mail.com"
    notes[30] += " call 212-555-0187"
    notes[99] = "身份证号11010519491231002X"
    (finding,) = measure({"note": notes}, {"note": "text"}, row_ids=np.arange(200)[::-1].copy())
    assert sorted(finding.rows.tolist()) == sorted(199 - np.array([7, 30, 99]))
    assert finding.rows[0] == 199 - 99  # its check digit and its context speak for it
    assert set(finding.measured["kinds"]) == {"email", "phone", "resident_id"}
    assert finding.certain
    assert finding.columns == ("note",)
    said = json.dumps(finding.to_dict(), ensure_ascii=False)
    for secret in ("susan", "secret", "mail.com", "0187", "212", "110105", "1949"):
        assert secret not in said
    assert finding.severity == pytest.approx(1 - (1 - 3 / 200) ** 100)


def test_repeated_cells_count_every_row(measure):
    values = ["ann@mail.com", None, "b", "ann@mail.com"] * 10
    (finding,) = measure({"x": values}, {"x": "category"})
    assert finding.measured["kinds"]["email"]["rows"] == 20
    assert len(finding.rows) == 20


def test_clean_texts_and_order_numbers_have_nothing(measure):
    random_ = random.Random(5)
    columns = {
        "note": texts(300),
        "order": ["4" + "".join(random_.choices(string.digits, k=15)) for _ in range(300)],
        "sku": [f"AB-{n:05}-{n % 97:04}" for n in range(300)],
        "amount": [random_.lognormvariate(8, 3) for _ in range(300)],
        "counter": [4_000_000_000 + n for n in range(300)],
    }
    kinds = {"note": "text", "order": "id", "sku": "id", "amount": "number", "counter": "number"}
    assert not measure(columns, kinds)


def test_number_columns_of_phones_and_cards(measure):
    random_ = random.Random(5)
    mobiles = [float(f"138{random_.randrange(10**8):08}") for _ in range(50)] + [float("nan")]
    (finding,) = measure({"x": mobiles}, {"x": "number"})
    assert set(finding.measured["kinds"]) == {"phone"}
    assert len(finding.rows) == 50
    (finding,) = measure(
        {"card": [4111111111111111.0] * 3 + [5555555555554444.0, 4012888888881881.0, 378282246310005.0] * 3},
        {"card": "number"},
    )
    assert set(finding.measured["kinds"]) == {"payment_card"}


def test_names_alone_are_a_suspicion(measure):
    (finding,) = measure({"note": [*texts(30), "I met Linda Gray there"]}, {"note": "text"})
    assert not finding.certain


def test_ignored_columns_are_not_read(measure):
    assert not measure({"x": ["ann@mail.com"] * 20}, {"x": "ignore"})


def test_empty_and_huge_cells(measure):
    assert not measure({"x": [None] * 12}, {"x": "text"})
    assert not measure({"x": [float("nan")] * 12}, {"x": "number"})
    assert not measure({"x": [float("inf"), 1e300] * 6}, {"x": "number"})
    (finding,) = measure({"x": ["word " * 1_000_000 + "ann@mail.com", *texts(11)]}, {"x": "text"})
    assert finding.rows.tolist() == [0]
