"""Bytes to text: the encoding is told by marks, proved by strict decoding, or judged by how ordinary it reads.

Nothing is ever replaced or dropped: a file that does not decode is refused with the place. The judgement is
deterministic: the same bytes give the same answer on every machine, and a judged encoding is said in a note.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from melior.errors import UserError

SAMPLE = 20_000  # characters beyond ASCII that are looked at
ENOUGH = 0.45  # below this no encoding reads like a language
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the first half of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
PUNCTUATION = frozenset("‘’“”–—…€£°§«»•·¿¡©®™ªº½²³\xa0")


@dataclass(frozen=True)
class Decoded:
    """Text as UTF-8 bytes, how it was encoded, and whether that had to be judged."""

    data: bytes
    encoding: str
    judged: bool = False


def decode(data: bytes, encoding: str | None, name: str, usual: str | None = None) -> Decoded:
    """The text of a file as UTF-8 without a mark. A given encoding wins; without one it is detected, and `usual` is
    taken where the file does not show another one by its mark or by being UTF-8."""
    if encoding is not None:
        return Decoded(_explicit(data, encoding, name), encoding)
    for mark, found in MARKS:
        if data.startswith(mark):
            return Decoded(_strict(data[len(mark) :], found, name), found)
    wide = _wide(data)
    if wide is not None:
        return Decoded(_strict(data, wide, name), wide)
    if usual is not None and data.isascii():  # ISO-2022-JP is
        return Decoded(_explicit(data, usual, name), usual)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if usual is not None:
            return Decoded(_explicit(data, usual, name), usual)
        judged = judge(data)
        if judged is None:
            raise UserError(
                f"{name}: its encoding cannot be told (it is not UTF-8). Say it, for example data.encoding: cp1252, "
                "or save the file as UTF-8."
            ) from None
        return Decoded(_strict(data, judged, name), judged, judged=True)
    return Decoded(data, "utf-8")


def _explicit(data: bytes, encoding: str, name: str) -> bytes:
    try:
        known = codecs.lookup(encoding).name
        "".encode(known)  # refuses codecs that do not turn bytes into text
    except LookupError:
        raise UserError(f"{name}: {encoding!r} is not an encoding; try utf-8, gb18030, cp1252 or shift_jis.") from None
    text = _strict(data, known, name)
    return text.removeprefix(codecs.BOM_UTF8)


def _strict(data: bytes, encoding: str, name: str) -> bytes:
    try:
        text = data.decode(encoding)
        return data if encoding == "utf-8" else text.encode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{name}, line {line:,}: the bytes {data[error.start : error.start + 4].hex(' ')} are not {encoding}. "
            "Save the file as UTF-8 or say its encoding with data.encoding."
        ) from None
    except UnicodeEncodeError:
        raise UserError(f"{name}: it holds half characters that are no text. Save the file as UTF-8.") from None


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: of its separators and line ends every second byte is zero, always on the same side."""
    head = np.frombuffer(data[: min(len(data), 200_000) & ~1], dtype=np.uint8)
    if len(data) % 2 or head.size < 4:
        return None
    even, odd = int((head[::2] == 0).sum()), int((head[1::2] == 0).sum())
    first = data.partition(b"\n")[0]
    if b"\0" not in first and any(separator in first for separator in b",;\t|"):
        return None  # a separator of one byte: what is zero further down is a cell's own
    few, many = sorted((even, odd))
    if many < 0.02 * head.size / 2 or few > 0.01 * many:
        return None
    found = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = data.decode(found)
    except UnicodeDecodeError:
        return None
    return found if "\n" in text and "\x00" not in text[:1000] else None


def _gb(code: bytes) -> bool:
    return len(code) == 2 and (0xB0 <= code[0] <= 0xD7 or code[0] in (0xA1, 0xA3)) and code[1] >= 0xA1


def _big5(code: bytes) -> bool:
    return len(code) == 2 and (0xA4 <= code[0] <= 0xC6 or code[0] == 0xA1)


def _korean(code: bytes) -> bool:
    return len(code) == 2 and (0xB0 <= code[0] <= 0xC8 or code[0] == 0xA1) and code[1] >= 0xA1


def _shift_jis(code: bytes) -> bool:
    return len(code) == 2 and 0x81 <= code[0] <= 0x97


def _euc_jp(code: bytes) -> bool:
    return len(code) == 2 and (0xB0 <= code[0] <= 0xCF or code[0] in (0xA1, 0xA3, 0xA4, 0xA5))


# encoding, which codes of it are ordinary, a script that must show itself (a share of the characters)
DOUBLE: tuple[tuple[str, Callable[[bytes], bool], str, float], ...] = (
    ("gb18030", _gb, "", 0.0),
    ("big5", _big5, "", 0.0),
    ("cp932", _shift_jis, "[\u3041-\u30fe]", 0.05),
    ("euc_jp", _euc_jp, "[\u3041-\u30fe]", 0.15),
    ("euc_kr", _korean, "[\uac00-\ud7a3]", 0.8),
)


def judge(data: bytes) -> str | None:
    """The encoding in which bytes that are not UTF-8 read most ordinarily, None when none does.

    Each candidate must decode all bytes strictly. Its score is the share of its characters beyond ASCII that are
    common ones: first-level characters for Chinese, Japanese and Korean, letters in the places of letters for the
    one-byte encodings. Equal scores go to the earlier candidate: gb18030, big5, cp932, euc_jp, euc_kr, cp1251,
    cp1252, latin-1.
    """
    best: tuple[float, str] | None = None
    for encoding, ordinary, script, share in DOUBLE:
        score = _double(data, encoding, ordinary, script, share)
        if encoding == "euc_kr" and best is not None and score >= 0.98:
            score += 0.02  # all in the rows of hangul, and enough of it that Chinese would have left them
        if score > 0 and (best is None or score > best[0] + 0.01):
            best = (score, encoding)
    for encoding in ("cp1251", "cp1252", "latin-1"):
        score = _single(data, encoding)
        if score > 0 and (best is None or score > best[0] + 0.01):
            best = (score, encoding)
    return best[1] if best is not None and best[0] >= ENOUGH else None


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _double(data: bytes, encoding: str, ordinary: Callable[[bytes], bool], script: str, share: float) -> float:
    text = _decoded(data, encoding)
    if text is None:
        return 0.0
    beyond = re.findall(r"[^\x00-\x7f]", text)[:SAMPLE]
    codes = [letter.encode(encoding) for letter in beyond]
    if encoding == "euc_kr" and len(codes) < 20:
        return 0.0
    if script and len(re.findall(script, "".join(beyond))) < share * len(beyond):
        return 0.0
    if encoding in ("gb18030", "big5") and len(re.findall("[\u3041-\u30fe]", "".join(beyond))) > 0.15 * len(beyond):
        return 0.0  # kana in the rows that Chinese shares with Japanese
    score = sum(map(ordinary, codes)) / max(len(codes), 1)
    with_ascii = sum(len(code) == 2 and code[1] < 0x80 for code in codes)
    if with_ascii > 0.9 * len(codes):
        return 0.4 * score  # accented letters, each with the plain letter after it, look like this
    return score


def _single(data: bytes, encoding: str) -> float:
    text = _decoded(data, encoding)
    if text is None:
        return 0.0
    runs = re.findall(r"[^\x00-\x7f]+", text)[:SAMPLE]
    if encoding == "cp1251":
        good = sum(len(run) for run in runs if len(run) > 1 and re.fullmatch("[А-Яа-яЁё]?[а-яё]+|[А-ЯЁ]+", run))
        return 0.9 * good / max(sum(map(len, runs)), 1)
    good = sum(len(run) for run in runs if _western(run))
    score = good / max(sum(map(len, runs)), 1)
    return 0.9 * score if encoding == "cp1252" else 0.85 * score


def _western(run: str) -> bool:
    letters = [letter for letter in run if letter not in PUNCTUATION]
    if any(not letter.isalpha() or letter > "\u017f" for letter in letters):
        return False
    return len(letters) <= 1 or (len(letters) <= 3 and all(letter.islower() for letter in letters))
