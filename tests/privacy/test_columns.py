"""Columns: what chance explains is dropped, what goes beyond is kept, and names are seen where they fill a column."""

import random
import string

import numpy as np
import pytest

from melior.privacy.columns import BY_CHANCE, FALSE_RATE, SHAPED, judged, personal_spans
from melior.privacy.spans import Counted


def digits(random_: random.Random, many: int) -> str:
    return "".join(random_.choices(string.digits, k=many))


def card(random_: random.Random) -> str:
    body = "4" + digits(random_, 14)
    total = sum(sum(divmod(int(d) * (2 - place % 2), 10)) for place, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def test_order_numbers_of_which_one_in_ten_passes_are_no_cards():
    for seed in range(20):
        random_ = random.Random(seed)
        found = personal_spans(["4" + digits(random_, 15) for _ in range(1000)])
        assert not found.spans
        assert found.chance["payment_card"].passed > 60
        assert not found.chance["payment_card"].kept


def test_some_cards_among_order_numbers_go_beyond_chance():
    random_ = random.Random(0)
    texts = ["4" + digits(random_, 15) for _ in range(400)] + [card(random_) for _ in range(60)]
    spans = personal_spans(texts).spans
    assert {span.row for span in spans} >= set(range(400, 460))


def test_a_column_of_cards():
    random_ = random.Random(0)
    assert len(personal_spans([card(random_) for _ in range(50)]).spans) == 50


def test_random_identity_numbers_and_serials_are_none():
    random_ = random.Random(3)
    assert not personal_spans([digits(random_, 18) for _ in range(20_000)]).spans
    shops = [
        f"440106{random_.randint(2020, 2024)}{random_.randint(1, 12):02}{random_.randint(1, 28):02}{digits(random_, 4)}"
        for _ in range(500)
    ]
    found = personal_spans(shops)
    assert not found.spans
    assert found.chance["resident_id"].shaped == len(set(shops))
    assert not personal_spans([f"1{digits(random_, 10)}" for _ in range(1000)]).spans  # over half begin like a mobile


def test_mobile_numbers_alone_in_a_column():
    random_ = random.Random(3)
    assert len(personal_spans([f"13{digits(random_, 9)}" for _ in range(100)]).spans) == 100


def test_what_is_dropped_can_be_asked_for():
    (span,) = personal_spans(["4111111111111111"], alone=True).spans
    assert (span.kind, span.score) == ("payment_card", 0.5)


def test_false_alarms_hold_the_level():
    """Of columns whose strings hold by chance, at most FALSE_RATE are kept: exact, over all counts of n strings."""
    from scipy import stats

    for of in ("payment_card", "phone"):
        kind = of.split()[0]
        for many in (1, 3, 10, 100, 1000):
            wrong = 0.0
            for passed in range(many + 1):
                texts = {str(k) for k in range(many)}
                kept = judged(of, Counted(texts, texts, {str(k) for k in range(passed)})).kept
                wrong += kept * stats.binom.pmf(passed, many, BY_CHANCE[kind])
            assert wrong <= FALSE_RATE


def test_shares_of_shape_by_chance():
    """SHAPED against random strings, for identity numbers by counting days and provinces."""
    from melior.privacy.chinese import _PROVINCES, _born

    generator = np.random.default_rng(0)
    days = sum(_born(f"{n:08}") for n in generator.integers(0, 10**8, 200_000)) / 200_000
    assert len(_PROVINCES) / 100 * days == pytest.approx(SHAPED["resident_id"], rel=0.35)


GIVEN = ["Linda", "James", "Maria", "Robert", "Susan", "Karen", "Thomas", "Nancy", "Daniel", "Betty"]
FAMILY = ["Smith", "Garcia", "Nguyen", "Okafor", "Miller", "Ngata", "Hansen", "Lopez", "Ito", "Kowalski"]


def test_a_column_of_names():
    full = [f"{a} {b}" for a in GIVEN for b in FAMILY]
    assert len(personal_spans(full, "who").spans) == 100
    assert len(personal_spans(GIVEN * 3, "first_name").spans) == 30
    chinese = [f"{a}{b}" for a in "王李张刘陈赵" for b in ("伟", "小明", "丽娟", "秀英")]
    assert len(personal_spans(chinese, "姓名").spans) == len(chinese)
    assert len(personal_spans(chinese, "x").spans) == len(chinese)


def test_columns_that_are_no_names():
    things = [
        f"{a} {b}"
        for a in ("Blue", "Steel", "Wooden", "Smart", "Classic")
        for b in ("Chair", "Lamp", "Table", "Desk", "Shelf", "Mug")
    ]
    for header in ("product_name", "name", "x"):
        assert not personal_spans(things, header).spans
    cities = ["Springfield", "Boston", "Portland", "Chicago", "Seattle", "Denver", "Phoenix", "Tucson"] * 5
    assert not personal_spans(cities, "city").spans
    assert not personal_spans(
        ["高兴", "方便", "安全", "金属", "马上", "关于", "白色", "黄色", "严重", "明显", "常用", "程序"] * 3, "词"
    ).spans
    assert not personal_spans(["red", "green", "blue"] * 20, "name").spans


def test_the_same_whatever_the_order_and_how_often():
    texts = ["Call 212-555-0187", "my name is Ann Lee", None, "nothing", "身份证11010519491231002X"]
    once = {(texts[s.row], *s[1:]) for s in personal_spans(texts).spans}
    twice = {(([*texts, *texts][::-1])[s.row], *s[1:]) for s in personal_spans(([*texts, *texts])[::-1]).spans}
    assert once == twice
