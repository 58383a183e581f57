"""All personal data of one column: every recogniser, names that fill the whole column, and what chance explains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy import stats

from melior.privacy import addresses, chinese, chinese_names, contact, english_names, numbers
from melior.privacy.known_names import is_surname, known
from melior.privacy.spans import BARE, Counted, Span, Tally, Texts, resolved

FALSE_RATE = 1e-3
# Share of strings of the right shape whose check digit holds by chance; for mobile phones, 56 of
# the 100 beginnings of 11 digits that begin with 1.
BY_CHANCE = {
    "payment_card": 1 / 10, "bank_card": 1 / 10, "iban": 1 / 97, "resident_id": 1 / 11, "unified_credit_code": 1 / 31,
    "phone": 56 / 100,
}  # fmt: skip
# Share of random strings of the right length and characters that have the shape: for ids 33 provinces of 100 times the
# days since 1880 of 10**8, for codes 35 regions of 100 after one of 16 beginnings of 31 * 10.
SHAPED = {"resident_id": 0.33 * 5.3e-4, "unified_credit_code": 0.35 * 0.1}
RECOGNISERS = (numbers.find, chinese.find, contact.find, english_names.find, chinese_names.find, addresses.find)

_PERSON = re.compile(
    r"^(?:(?:full|first|last|middle|given|family|maiden|customer|client|patient|guest|employee|person|contact"
    r"|student|teacher|author|owner"
    r"|manager|agent|doctor|driver|applicant|passenger|tenant|member|recipient|sender|cardholder|holder|buyer"
    r"|seller|reviewer|sales ?rep)"
    r"s?[ _-]?)*(?:names?|surname)$"
    r"|^(?:surname|forename|author|contact(?: person)?|customer|patient|employee|cardholder|recipient"
    r"|passenger|reviewer|applicant)s?$"
    r"|姓名|联系人|收件人|收货人|负责人|申请人|经办人|持卡人|户名|客户名$|员工$|患者",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Chance:
    """How the strings of one class compare with chance.

    strings, shaped, passed   different strings counted (see `spans.Counted`)
    expected   how many would hold by chance
    p          probability of so many or more by chance (binomial)
    kept       whether they count as personal data
    """

    strings: int
    shaped: int
    passed: int
    expected: float
    p: float
    kept: bool


@dataclass(frozen=True)
class Found:
    """spans in the order of the text, none overlapping; chance by class of strings, those that were dropped too."""

    spans: list[Span]
    chance: dict[str, Chance] = field(default_factory=dict)


def personal_spans(values: pl.Series | Sequence[str | None], header: str = "", *, alone: bool = False) -> Found:
    """The personal data in the texts of one column.

    values  strings, None for missing
    header  the column's name, which is read as context
    alone   keep also what only a check digit speaks for and chance explains as well (score BARE)

    Numbers with a check digit are compared with how many would hold by chance among the different strings of their
    shape (binomial test at FALSE_RATE), so that order numbers, one in ten of which passes for a card, are dropped.

    >>> personal_spans(["write to ann@mail.com", None, "SKU 4111111111111111"]).spans
    [Span(row=0, start=9, end=21, kind='email', score=0.97)]
    """
    texts, tally = Texts(values, header), Tally()
    spans = [span for find in RECOGNISERS for span in find(texts, tally)]
    chance = {of: judged(of, counted) for of, counted in tally.counted.items()}
    kept = []
    for span in spans:
        of = tally.bare.get(span)
        if of is None or chance[of].kept:
            kept.append(span if of is None or span.score > BARE else span._replace(score=0.9))
        elif alone:
            kept.append(span._replace(score=BARE))
    kept += whole_names(texts)
    return Found(resolved(kept), {of: counted for of, counted in chance.items() if counted.shaped})


def judged(of: str, counted: Counted) -> Chance:
    """Whether the strings of a class are what they look like.

    Digits alone (cards, phones): only if more hold than chance gives. With a shape of their own (identity numbers,
    credit codes, IBAN; cards in groups): also if all of them hold. Said to be what they are: unless chance explains
    them and significantly fewer than half hold.
    """
    kind, _, how = of.partition(" ")
    strings, shaped, passed = len(counted.strings), len(counted.shaped), len(counted.passed)
    rate = BY_CHANCE[kind]
    p = float(stats.binom.sf(passed - 1, shaped, rate)) if passed else 1.0
    expected = shaped * rate
    if how == "said":
        kept = passed > 0 and (p < FALSE_RATE or float(stats.binom.cdf(passed, shaped, 0.5)) >= FALSE_RATE)
    elif how == "in groups" or kind == "iban":
        kept = p < FALSE_RATE or (passed > 0 and passed == shaped)
    elif kind in SHAPED and passed == shaped and passed > 0:
        p = float(stats.binom.sf(passed - 1, strings, rate * SHAPED[kind]))
        expected = strings * rate * SHAPED[kind]
        kept = p < FALSE_RATE * 10 if kind == "unified_credit_code" else p < FALSE_RATE
    else:
        kept = p < FALSE_RATE
    return Chance(strings, shaped, passed, expected, p, kept)


def whole_names(texts: Texts) -> list[Span]:
    """Cells that are a name and nothing else, in a column of which most cells are.

    In Chinese the cell is a surname and one or two characters. In English a majority must hold a common given name or
    surname, or be written as a name in a column whose own name says so and of which a fifth at least is known.
    """
    cells = texts.series.str.strip_chars()
    filled = cells.drop_nulls()
    filled = filled.filter(filled.str.len_chars().is_between(2, 40))
    many = int((texts.series.str.strip_chars().str.len_chars() > 0).sum() or 0)
    if many < 5 or len(filled) < 0.5 * many:
        return []
    different = filled.unique(maintain_order=True).to_list()
    han = {cell for cell in different if chinese_names.looks_like_name(cell)}
    english = {cell for cell in different if cell not in han and english_names.looks_like_name(cell)}
    header = bool(_PERSON.search(texts.header.replace("_", " ").strip()))
    sure = {cell for cell in english if known(cell) == 2}
    single = {c for c in different if header and c not in han and re.fullmatch(r"[A-Z][a-zA-Z'’-]+", c)}
    listed = {cell for cell in single if known(f"{cell} Qq") == 2 or is_surname(cell)}
    looking = han | english | single if header else han | sure
    evidence = len(han) + len(sure) + len(listed)
    least = _lower(len(looking), len(different))
    if least <= 0.5 or (header and evidence < 0.2 * len(looking)):
        return []
    if not header and han and not _varied(han):
        return []
    chosen = looking if header else looking | english
    where = np.flatnonzero(cells.is_in(list(chosen)).fill_null(False).to_numpy())
    spans = []
    for row, text in zip(where.tolist(), texts.series.gather(where).to_list(), strict=True):
        start = len(text) - len(text.lstrip())
        spans.append(Span(row, start, len(text.rstrip()), "name", 0.95 if header else 0.9))
    return spans


def _varied(han: set[str]) -> bool:
    """Whether the cells share surnames as names do: fewer different first characters than half of the cells, and three
    characters in some. A list of words that happen to begin with a surname has few cells or few surnames."""
    return len(han) >= 10 and len({cell[0] for cell in han}) < 0.8 * len(han) and any(len(cell) == 3 for cell in han)


def _lower(hits: int, of: int) -> float:
    """The lower end of the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    return float(stats.beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
