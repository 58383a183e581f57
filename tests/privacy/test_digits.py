"""Check digits against published numbers, against their definition in plain arithmetic, and against typing errors."""

import random
import string

import pytest

from melior.privacy.digits import luhn, mod_11_2, mod_31, mod_97

CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000", "79927398713"],
)
def test_published_test_cards(number):
    assert luhn(number)
    assert not any(luhn(number[:-1] + digit) for digit in string.digits if digit != number[-1])


@pytest.mark.parametrize(
    "account",
    ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947",
     "MT84MALT011000012345MTLCAST001S", "CH9300762011623852957"],
)  # fmt: skip
def test_examples_of_the_iban_registry(account):
    assert mod_97(account)
    assert not mod_97(account[:-1] + ("1" if account[-1] != "1" else "2"))


def test_examples_of_the_chinese_standards():
    assert mod_11_2("11010519491231002X")  # GB 11643-1999, annex
    assert mod_11_2("440524188001010014")
    assert mod_31("91350100M000100Y43")  # GB 32100-2015, annex


def test_luhn_by_its_definition():
    random_ = random.Random(0)
    for _ in range(500):
        digits = [random_.randrange(10) for _ in range(random_.randrange(1, 20))]
        total = 0
        for place, digit in enumerate(digits[::-1]):
            doubled = digit * 2 if place % 2 else digit
            total += doubled - 9 if doubled > 9 else doubled
        assert luhn("".join(map(str, digits))) == (total % 10 == 0)


def test_share_by_chance():
    """The rates that columns.BY_CHANCE counts with."""
    random_ = random.Random(1)
    many = 20_000
    digits = ["".join(random_.choices(string.digits, k=18)) for _ in range(many)]
    codes = ["".join(random_.choices(CREDIT, k=18)) for _ in range(many)]
    for holds, texts, rate in ((luhn, digits, 1 / 10), (mod_11_2, digits, 1 / 11), (mod_31, codes, 1 / 31)):
        share = sum(map(holds, texts)) / many
        assert abs(share - rate) < 4 * (rate * (1 - rate) / many) ** 0.5
    ibans = [f"DE{random_.randrange(100):02}{random_.randrange(10**18):018}" for _ in range(many)]
    assert abs(sum(map(mod_97, ibans)) / many - 1 / 97) < 4 * (1 / 97 / many) ** 0.5


@pytest.mark.parametrize(("holds", "number", "alphabet"), [
    (mod_11_2, "11010519491231002X", string.digits), (mod_31, "91350100M000100Y43", CREDIT),
    (mod_97, "GB82WEST12345698765432", string.digits),
])  # fmt: skip
def test_one_wrong_character_and_two_swapped_are_caught(holds, number, alphabet):
    for place in range(4, len(number) - 1):
        for other in alphabet:
            if other != number[place] and number[place] in alphabet:
                assert not holds(number[:place] + other + number[place + 1 :])
        one, two = number[place : place + 2]
        if one != two and place + 2 < len(number):
            assert not holds(number[:place] + two + one + number[place + 2 :])


@pytest.mark.parametrize("holds", [luhn, mod_97, mod_11_2, mod_31])
@pytest.mark.parametrize(
    "text", ["", "x", "\u0664" * 18, "１２３４５６７８９０１２３４５６７８", "9" * 1000, "-1" * 9, "\ud800" * 18]
)
def test_bad_input_is_no_number(holds, text):
    assert holds(text) in (True, False)
    if not text.isascii():
        assert not holds(text)
