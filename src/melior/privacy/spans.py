"""What a recogniser gives, what it reads, and how chance is counted.

A recogniser is a function `find(texts, tally)` that yields spans. Strings that stand alone, with nothing written near
them that says what they are, get the score BARE; `columns.personal_spans` decides about all of a column's together.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

BARE = 0.5  # a check digit holds, and nothing else says what the string is
CHUNK = 10_000
BEFORE, AFTER = 60, 12  # characters of context
NO_BEFORE = 30  # a word that says it is something else must stand nearer

# kind -> what people call it, one and many
KINDS: dict[str, tuple[str, str]] = {
    "name": ("a person's name", "names of people"),
    "email": ("an e-mail address", "e-mail addresses"),
    "phone": ("a phone number", "phone numbers"),
    "payment_card": ("a payment card number", "payment card numbers"),
    "bank_card": ("a bank card number", "bank card numbers"),
    "iban": ("a bank account number (IBAN)", "bank account numbers (IBAN)"),
    "ip_address": ("an IP address", "IP addresses"),
    "url_user": ("a log-in in a web address", "log-ins in web addresses"),
    "address": ("a street address", "street addresses"),
    "passport": ("a passport number", "passport numbers"),
    "us_ssn": ("a US social security number", "US social security numbers"),
    "resident_id": ("a Chinese resident identity number", "Chinese resident identity numbers"),
    "unified_credit_code": ("a Chinese unified social credit code", "Chinese unified social credit codes"),
}


class Span(NamedTuple):
    """One piece of personal data: text[start:end] of a row, characters counted from 0.

    kind   one of KINDS
    score  0..1, how sure: BARE where only a check digit speaks for it, 0.9 and more where the words near it do too
    """

    row: int
    start: int
    end: int
    kind: str
    score: float


@dataclass
class Counted:
    """Different strings of one shape that stand alone: how many there are, and how many hold.

    strings  of the length and the characters that the kind has
    shaped   of these, with everything but the check digit right; passed: with the check digit right too
    """

    strings: set[str] = field(default_factory=set)
    shaped: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)


class Tally:
    """What the recognisers counted in one column, by class of strings: 'payment_card', 'payment_card in groups'."""

    def __init__(self) -> None:
        self.counted: dict[str, Counted] = {}
        self.bare: dict[Span, str] = {}  # a span that stands alone -> the class of its string

    def string(self, of: str, text: str, *, shaped: bool, passed: bool) -> None:
        counted = self.counted.setdefault(of, Counted())
        counted.strings.add(text)
        if shaped:
            counted.shaped.add(text)
        if shaped and passed:
            counted.passed.add(text)

    def alone(self, of: str, span: Span) -> Span:
        """Notes that nothing but the check digit of this class speaks for the span."""
        self.bare[span] = of
        return span


class Texts:
    """The texts of one column, with a quick way to those that have a chance to match.

    values  a series of strings, or strings with None for missing. Unpaired surrogates count as unreadable characters.
            Full-width digits are read as the usual ones, each in its place
    header  the column's name, read as context of every text
    """

    def __init__(self, values: pl.Series | Sequence[str | None], header: str = "") -> None:
        if not isinstance(values, pl.Series):
            values = pl.Series([None if v is None else _SURROGATE.sub("\ufffd", v) for v in values], dtype=pl.String)
        values = values.cast(pl.String)
        full = values.str.contains("[０-９]").any()
        self.series = values.str.replace_many(_FULL_WIDTH) if full else values
        self.header = header

    def __len__(self) -> int:
        return len(self.series)

    def having(self, pattern: str) -> Iterator[tuple[int, str]]:
        """Row and text of those that hold the pattern: a regular expression of Rust's kind, without looking around."""
        if self.series.is_empty():
            return
        rows = np.flatnonzero(self.series.str.contains(pattern).fill_null(False).to_numpy())
        for first in range(0, len(rows), CHUNK):
            some = rows[first : first + CHUNK]
            yield from zip(some.tolist(), self.series.gather(some).to_list(), strict=True)


_FULL_WIDTH = {chr(0xFF10 + digit): str(digit) for digit in range(10)}
_SURROGATE = re.compile("[\ud800-\udfff]")


_SENTENCE = re.compile(r"[。！？；]|[.!?]\s(?=[A-Z][a-z])")
_CLAUSE = re.compile(r"[.!?,;。！？；，\n]")


class Words:
    """Words near a string that say what it is, and words that say it is something else; the nearer count.

    >>> card = Words("card|visa", "order")
    >>> card.say("order 17, paid by card 4111", 23, 27)
    1
    >>> card.say("paid by card, order 4111", 20, 24)
    -1
    """

    def __init__(self, yes: str, no: str) -> None:
        self._all = re.compile(rf"(?P<yes>{yes})|(?P<no>{no})", re.IGNORECASE)

    def say(self, text: str, start: int, end: int, header: str = "") -> int:
        """1 if the string is said to be of this kind, -1 if it is said to be another, 0 where nothing is said.

        The nearest word before it in its sentence counts, then one right after it, then the column's name.
        """
        first = max(0, start - BEFORE)
        for stop in _SENTENCE.finditer(text, first, start):
            first = stop.end()
        last = None
        for last in self._all.finditer(text, first, start):  # noqa: B007  # the last is the nearest
            pass
        found = last
        if found is not None and found.group("yes") is None and start - found.end() > NO_BEFORE:
            found = None
        if found is None:
            stopped = _CLAUSE.search(text, end, min(len(text), end + AFTER))
            found = self._all.search(text, end, stopped.start() if stopped else min(len(text), end + AFTER))
        if found is None and header:
            found = self._all.search(header.replace("_", " "))
        return 0 if found is None else 1 if found.group("yes") is not None else -1

    def near(self, text: str, start: int, end: int, header: str = "") -> int:
        """The same, but a column's name can only say no: a column of customer cards is named card too."""
        found = self.say(text, start, end)
        return min(0, self.say("", 0, 0, header)) if found == 0 else found


def word(*alternatives: str) -> str:
    """A pattern for whole English words; a Chinese character beside them is no part of the word.

    >>> bool(re.search(word("id", "no"), "编号no 5")), bool(re.search(word("id"), "idea"))
    (True, False)
    """
    return rf"(?<![A-Za-z])(?:{'|'.join(alternatives)})(?![A-Za-z])"


# Where a number begins and ends: not inside a word, a path, a decimal, or a serial joined by hyphens.
LEFT = r"(?<![0-9A-Za-z_/+])(?<![0-9]\.)(?<![0-9A-Za-z]-)"
RIGHT = r"(?![0-9A-Za-z_/]|[-.][0-9]|-[A-Za-z])"

# What else a run of digits may be. For every kind of number.
_FOLLOWED = r"(?:[ _-]?(?:numbers?|nos?|ids?|codes?))?(?: is| was)?"
_OTHERS = (
    "orders?", "invoice", "inv", "sku", "tracking", "shipment", "parcel", "ticket", "case", "serial", "part", "item",
    "product", "ref", "reference", "transaction", "txn", "trace", "session", "batch", "lot", "model", "barcode", "isbn",
    "ean", "upc", "imei", "timestamp", "hash", "commit", "build", "version", "request", "booking", "waybill", "coupon",
    "voucher", "policy", "contract", "po", "uuid", "guid", "device", "meter", "job", "run", "event", "row", "record",
    "asset", "ledger", "entry", "loyalty", "gift card", "member(?:ship)?", "sensor", "tag",
)  # fmt: skip
OTHER_NUMBERS = (
    word(*(other + _FOLLOWED for other in _OTHERS))
    + "|(?:订单|单号|运单|快递|物流|流水|编号|序列|批次|型号|条码|条形码|货号|商品|发票|合同|工单|交易|版本"
    "|凭证|票号|设备|日志|时间戳|会员|礼品卡|积分)" + "(?:号码?|编号|编码|卡号)?"
)
ANY_ID = word("ids?" + _FOLLOWED, "documents?" + _FOLLOWED)


def resolved(spans: Sequence[Span]) -> list[Span]:
    """The spans without those that overlap a better one: higher score first, then longer. In order of the text."""
    kept: list[Span] = []
    starts: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for span in sorted(set(spans), key=lambda s: (-s.score, s.start - s.end, s.row, s.start, s.kind)):
        left, right = starts.setdefault(span.row, []), ends.setdefault(span.row, [])
        place = bisect_left(left, span.start)
        if (place and right[place - 1] > span.start) or (place < len(left) and left[place] < span.end):
            continue
        left.insert(place, span.start)
        right.insert(place, span.end)
        kept.append(span)
    return sorted(kept)


def masked(text: str, most: int = 40) -> str:
    """The shape of a text and nothing of what it says: digits as #, letters as x, Chinese characters as 某.

    >>> masked("ann.lee@mail.com"), masked("+86 138-0013-8000"), masked("王小明")
    ('xxx.xxx@xxxx.xxx', '+## ###-####-####', '某某某')
    """
    shape = "".join(
        "#" if c.isdigit() else "某" if "\u3400" <= c <= "\u9fff" else "x" if c.isalpha() else " " if c.isspace() else c
        for c in text[:most]
    )
    return shape + ("…" if len(text) > most else "")
