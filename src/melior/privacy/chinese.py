"""Numbers of China: the resident identity number, the unified social credit code, mobile and fixed phones."""

import re
from collections.abc import Iterator
from datetime import date

from melior.privacy.digits import mod_11_2, mod_31
from melior.privacy.spans import ANY_ID, BARE, LEFT, OTHER_NUMBERS, RIGHT, Span, Tally, Texts, Words, word

# GB/T 2260: the first two digits are a province, a region, a city under central rule, Taiwan, Hong Kong or Macao.
_PROVINCES = frozenset(
    (
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    )
)
_RESIDENT = re.compile(rf"{LEFT}(\d{{6}})([ -]?)(\d{{8}})\2(\d{{3}}[0-9Xx]){RIGHT}")
_RESIDENT_WORDS = Words(
    "身份证|证件号|居民证|公民身份|身分证|"
    + word("id card", "identity", "resident id", "national id", "citizen", "idcard", "id no", "id number"),
    OTHER_NUMBERS,
)

# GB 32100-2015: registering authority, kind of organisation, region, the nine characters of GB 11714, check character.
_CREDIT = re.compile(
    rf"{LEFT}(?:1[1-59]|[2-8A-GY]1|5[1-39]|9[1-3]"
    rf"|[2-8A-GNY][1-39])\d{{6}}[0-9A-HJ-NPQRTUWXY]{{9}}[0-9A-HJ-NPQRTUWXY]{RIGHT}"
)
_CREDIT_WORDS = Words(
    "信用代码|统一社会|税号|纳税人识别|营业执照|机构代码|"
    + word("credit code", "uscc", "tax id", "tax number", "taxpayer"),
    OTHER_NUMBERS,
)

# Prefixes of the mobile operators (MIIT, numbering plan of telecommunications networks), data-only ones left out.
_MOBILE_PREFIX = r"1(?:3\d|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])"
_MOBILE = re.compile(
    rf"(?<![0-9A-Za-z_/.])(?<![0-9A-Za-z]-)(\(?(?:\+|00)?86\)?[ -]?)?({_MOBILE_PREFIX})([ -]?)(\d{{4}})\3"
    rf"(\d{{4}}){RIGHT}"
)
_ELEVEN = re.compile(rf"{LEFT}\d{{11}}{RIGHT}")
PHONE_WORDS = Words(
    word(
        "phones?",
        "tel",
        "telephone",
        "mobile",
        "cell",
        "cellphone",
        "call(?:ed|ing)?",
        "text(?:ed)? me",
        "sms",
        "whatsapp",
        "wechat",
        "contact",
        "reach(?: me| us)?",
        "dial(?:led)?",
        "fax",
        "office",
        "desk",
        "hotline",
        "ring",
        "number is",
        "my number",
        "registered",
        "messages? to",
        "ph",
        "mob",
        "extension",
    )
    + "|电话|手机|联系|致电|拨打|来电|打给|微信|短信|号码|热线|座机|传真|固话|回电|打到|打我|打 ?$|找我|给我",
    f"{OTHER_NUMBERS}|{ANY_ID}",
)
# Area codes: 010, 02x of the largest cities, and three digits after 0 from 3 to 9.
_LANDLINE = re.compile(
    rf"(?<![0-9A-Za-z_/.])(?<![0-9A-Za-z]-)(?:\(?(?:\+|00)86\)?[ -]?(?:10|2\d|[3-9]\d\d)|[(（]?0(?:10|2\d"
    rf"|[3-9]\d\d)[)）]?)([ -]?)[2-8]\d{{6,7}}(?:(?:-| ?转 ?| ?ext\.? ?)\d{{1,5}})?{RIGHT}"
)
_HOTLINE = re.compile(rf"{LEFT}(?:400|800)([ -]?)\d{{3,4}}\1\d{{3,4}}{RIGHT}")


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Resident identity numbers, credit codes, mobile and fixed phones."""
    yield from resident_ids(texts, tally)
    yield from credit_codes(texts, tally)
    yield from mobiles(texts, tally)
    yield from landlines(texts)


def resident_ids(texts: Texts, tally: Tally) -> Iterator[Span]:
    """18 characters: region, a day of birth that was, three digits, check character (GB 11643-1999)."""
    for row, text in texts.having(r"\d{6}[ -]?\d{8}[ -]?\d{3}[0-9Xx]"):
        for match in _RESIDENT.finditer(text):
            number = match.group(1) + match.group(3) + match.group(4)
            said = _RESIDENT_WORDS.near(text, match.start(), match.end(), texts.header)
            if said < 0:
                continue
            shaped, passed = number[:2] in _PROVINCES and _born(match.group(3)), mod_11_2(number)
            of = "resident_id said" if said else "resident_id"
            tally.string(of, number, shaped=shaped, passed=passed)
            if shaped and passed:
                yield tally.alone(of, Span(row, match.start(), match.end(), "resident_id", 0.99 if said else 0.95))


def _born(day: str) -> bool:
    try:
        return date(1880, 1, 1) <= date(int(day[:4]), int(day[4:6]), int(day[6:])) <= date.today()
    except ValueError:
        return False


def credit_codes(texts: Texts, tally: Tally) -> Iterator[Span]:
    """18 characters with a region and a check character (GB 32100-2015). A sole trader's code leads to a person."""
    for row, text in texts.having(r"[0-9A-HNY]\d{7}[0-9A-Y]{10}"):
        for match in _CREDIT.finditer(text):
            code = match.group()
            said = _CREDIT_WORDS.near(text, match.start(), match.end(), texts.header)
            if said < 0:
                continue
            shaped, passed = code[2:4] in _PROVINCES or code[2:4] == "10", mod_31(code)
            of = "unified_credit_code said" if said else "unified_credit_code"
            tally.string(of, code, shaped=shaped, passed=passed)
            if shaped and passed:
                score = 0.98 if said else 0.93
                yield tally.alone(of, Span(row, match.start(), match.end(), "unified_credit_code", score))


def mobiles(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Mainland mobile numbers by their prefix. With +86, in groups or said to be a phone: sure; else BARE."""
    for row, text in texts.having(r"1[3-9]\d[ -]?\d{4}[ -]?\d{4}|\d{11}"):
        for match in _ELEVEN.finditer(text):
            if PHONE_WORDS.say(text, match.start(), match.end(), texts.header) == 0:
                right = re.match(_MOBILE_PREFIX, match.group()) is not None
                tally.string("phone", match.group(), shaped=match.group()[0] == "1", passed=right)
        for match in _MOBILE.finditer(text):
            said = PHONE_WORDS.say(text, match.start(), match.end(), texts.header)
            written = bool(match.group(3)) or bool(match.group(1) and "+" in match.group(1))
            if said < 0 and not written:
                continue
            sure = said > 0 or written or bool(match.group(1))
            span = Span(row, match.start(), match.end(), "phone", 0.95 if sure else BARE)
            yield span if sure else tally.alone("phone", span)


def landlines(texts: Texts) -> Iterator[Span]:
    """Fixed phones with their area code; without a hyphen or brackets only where they are said to be a phone."""
    for row, text in texts.having(r"0\d{2,3}[)）]?[ -]?\d{7}|(?:\+|00)86\)?[ -]?\d|[48]00[ -]?\d{3}"):
        for match in _LANDLINE.finditer(text):
            said = PHONE_WORDS.say(text, match.start(), match.end(), texts.header)
            written = bool(match.group(1)) or match.group()[0] in "(（+"
            if said > 0 or (said == 0 and written):
                yield Span(row, match.start(), match.end(), "phone", 0.9 if said else 0.8)
        for match in _HOTLINE.finditer(text):
            if PHONE_WORDS.say(text, match.start(), match.end(), texts.header) > 0:
                yield Span(row, match.start(), match.end(), "phone", 0.7)
