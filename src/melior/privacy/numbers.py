"""Numbers that lead to a person and that many countries share: cards, bank accounts, passports; and US ones."""

import re
from collections.abc import Iterator

from melior.privacy.digits import luhn, mod_97
from melior.privacy.spans import ANY_ID, BARE, LEFT, OTHER_NUMBERS, RIGHT, Span, Tally, Texts, Words, word

# Issuers by ISO/IEC 7812 number ranges as the networks publish them: the first digits, and the lengths.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|(?:30[0-5]\d|3095|3[689]\d\d)\d{10}"  # Diners Club
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
    r"|220[0-4]\d{12,15}"  # Mir
)
_UNIONPAY = re.compile(r"62\d{14,17}")
_CARD = re.compile(
    rf"{LEFT}(?:\d{{4}}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1\d{{1,3}})?|\d{{4}}([ -])\d{{6}}\2\d{{4,5}}"
    rf"|\d{{12,19}}){RIGHT}"
)
_CARD_WORDS = Words(
    word(
        "cards?",
        "credit",
        "debit",
        "visa",
        "mastercard",
        "amex",
        "american express",
        "discover",
        "jcb",
        "diners",
        "maestro",
        "unionpay",
        "pan",
        "cc",
        "ccn",
        "payment",
        "charged?",
        "cvv",
        "cvc",
        "expiry",
        "exp",
    )
    + "|卡号|银行卡|信用卡|借记卡|储蓄卡|付款卡|卡片|刷卡|银联|尾号",
    f"{OTHER_NUMBERS}|{ANY_ID}",
)
_BANK_WORDS = re.compile(
    "银行卡|储蓄卡|借记卡|收款账[号户]|银行账[号户]|卡号|" + word("bank card", "unionpay"), re.IGNORECASE
)

# Country -> length of its IBAN, of the registry that ISO 13616 names (SWIFT, IBAN Registry).
_IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BI": 27,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DJ": 27,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FK": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HN": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MN": 20,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NI": 28,
    "NL": 18,
    "NO": 15,
    "OM": 23,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "RU": 33,
    "SA": 24,
    "SC": 31,
    "SD": 18,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "SO": 23,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
    "YE": 30,
}
_IBAN = re.compile(
    r"(?<![0-9A-Za-z_/-])[A-Za-z]{2}\d{2}(?:(?: [0-9A-Za-z]{4}){2,7}(?: [0-9A-Za-z]{1,4})?|[0-9A-Za-z]{11,30})"
    r"(?![0-9A-Za-z_])"
)
_IBAN_WORDS = Words(
    word("iban", "accounts?", "acct", "bank", "transfer", "wire", "konto", "payee", "payout", "bic", "swift")
    + "|账[号户]|帐[号户]|汇款|转账|收款",
    f"{OTHER_NUMBERS}|{ANY_ID}",
)

_SSN = re.compile(rf"{LEFT}(?:(\d{{3}})-(\d\d)-(\d{{4}})|(\d{{3}}) (\d\d) (\d{{4}})|(\d{{9}})){RIGHT}")
_SSN_WORDS = Words(
    word("ssn", "ssns", "ss ?#", "social security", "social", "tax ?id", "itin", "taxpayer"), OTHER_NUMBERS
)
_PRINTED = frozenset({"078051120", "219099999", "123456789"})  # in advertisements and leaflets; nobody's

_PASSPORT_WORDS = r"(?:(?<![A-Za-z])passport(?![A-Za-z])|护照)"
_PASSPORT = re.compile(
    rf"{_PASSPORT_WORDS}(?:\s*(?:numbers?|nos?|num|id|#|is|was|号码|号|为|是|编号)\.?)*\s*[:：#=(（-]?\s*"
    rf"(?:is\s+|was\s+)?"
    r"(?P<number>[A-Za-z]{1,2}\d{6,8}|\d{8,9})(?![0-9A-Za-z_])",
    re.IGNORECASE,
)
_PASSPORT_ALONE = re.compile(r"(?<![0-9A-Za-z_/-])(?P<number>[A-Z]{1,2}\d{6,8}|\d{9})(?![0-9A-Za-z_-])")
_PASSPORT_HEADER = re.compile(_PASSPORT_WORDS, re.IGNORECASE)


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Cards, bank accounts, passports and US social security numbers."""
    yield from cards(texts, tally)
    yield from accounts(texts, tally)
    yield from social_security(texts)
    yield from passports(texts)


def cards(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Payment cards by issuer, length and Luhn digit; 62... (UnionPay) as bank cards.

    Said to be a card: 0.98. In groups as on a card: 0.9. Digits alone: BARE, 14 digits at least.
    """
    for row, text in texts.having(r"\d(?:[ -]?\d){11}"):
        for match in _CARD.finditer(text):
            digits = re.sub("[ -]", "", match.group())
            said = _CARD_WORDS.near(text, match.start(), match.end(), texts.header)
            if said < 0 or len(digits) < (12 if said else 14):
                continue
            grouped = len(digits) != match.end() - match.start()
            union, passed = _UNIONPAY.fullmatch(digits) is not None, luhn(digits)
            kind = "bank_card" if union else "payment_card"
            shaped = union or _ISSUERS.fullmatch(digits) is not None
            if not shaped and said and len(digits) >= 15 and _near(_BANK_WORDS, text, match):
                kind, shaped = "bank_card", True  # banks of China have ranges of their own
            of = f"{kind} said" if said else f"{kind} in groups" if grouped else kind
            tally.string(of, digits, shaped=shaped, passed=passed)
            if shaped and passed:
                score = 0.98 if said else 0.9 if grouped else BARE
                yield tally.alone(of, Span(row, match.start(), match.end(), kind, score))


def _near(pattern: re.Pattern[str], text: str, match: re.Match[str]) -> bool:
    return pattern.search(text, max(0, match.start() - 20), match.start()) is not None


def accounts(texts: Texts, tally: Tally) -> Iterator[Span]:
    """International bank account numbers: country, its length, check digits modulo 97."""
    for row, text in texts.having(r"[A-Za-z]{2}\d{2} ?[0-9A-Za-z]{4}"):
        for match in _IBAN.finditer(text):
            # in groups of four, the next word may look like a last group: the country's length says where it ends
            length = _IBAN_LENGTHS.get(match.group()[:2].upper())
            kept = _first(match.group(), length) if length else None
            if kept is None:
                continue
            end = match.start() + len(kept)
            account = kept.replace(" ", "").upper()
            said = _IBAN_WORDS.near(text, match.start(), end, texts.header)
            if said < 0:
                continue
            of, passed = "iban said" if said else "iban", mod_97(account)
            tally.string(of, account, shaped=True, passed=passed)
            if passed:
                yield tally.alone(of, Span(row, match.start(), end, "iban", 0.98 if said else 0.95))


def _first(text: str, many: int) -> str | None:
    """The beginning of a text with this many characters besides spaces, when a group ends there."""
    seen = 0
    for place, character in enumerate(text):
        seen += character != " "
        if seen == many:
            return text[: place + 1] if place + 1 == len(text) or text[place + 1] == " " else None
    return None


def social_security(texts: Texts) -> Iterator[Span]:
    """US social security numbers. Area not 000, 666 or 900 and above, group not 00, serial not 0000 (Social Security
    Administration). There is no check digit: nine digits need to be said to be one; written 3-2-4 they need not."""
    for row, text in texts.having(r"\d{3}[ -]?\d\d[ -]?\d{4}"):
        for match in _SSN.finditer(text):
            digits = re.sub("[ -]", "", match.group())
            if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00" or digits[5:] == "0000":
                continue
            if digits in _PRINTED:
                continue
            said = _SSN_WORDS.say(text, match.start(), match.end(), texts.header)
            if said > 0 or (said == 0 and "-" in match.group()):
                yield Span(row, match.start(), match.end(), "us_ssn", 0.95 if said else 0.85)


def passports(texts: Texts) -> Iterator[Span]:
    """Passport numbers, only where the word passport or 护照 stands before them or in the column's name."""
    said = bool(_PASSPORT_HEADER.search(texts.header.replace("_", " ")))
    pattern = _PASSPORT_ALONE if said else _PASSPORT
    for row, text in texts.having(r"\d{6}" if said else "(?i:passport)|护照"):
        for match in pattern.finditer(text):
            yield Span(row, match.start("number"), match.end("number"), "passport", 0.9)
