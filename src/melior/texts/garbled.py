"""Garbled letters: bytes of one encoding read as another, such as 'cafÃ©' for 'café', and what they were.

UTF-8 read as Windows-1252 or Latin-1 turns each letter beyond ASCII into two to four that only together make sense: the
first is one of Â to ô, the others are those that these encodings have for the bytes 0x80 to 0xBF. Such sequences are
decoded again, one by one, so that a text that is garbled in part is repaired in part. A few stand in right texts as
well ('É»' in «LIBERTÉ», 'é »' with the no-break space before it): those alone are no sign. UTF-8 read as GBK, and
GBK, Shift-JIS or Windows-1251 read as Latin-1, are undone for the text as a whole.
"""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Rows = NDArray[np.int64]

LOST = "\ufffd"  # what decoders write for bytes that they cannot read
LOST_READ = ("\ufffd", "ï¿½", "锟斤拷", "锟斤", "鈥�")
_HIGH = bytes(b for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)).decode("cp1252")
_NEXT = f"\x80-\xbf{_HIGH}"
SEQUENCE = re.compile(f"[\xc2-\xdf][{_NEXT}]|[\xe0-\xef][{_NEXT}]{{2}}|[\xf0-\xf4][{_NEXT}]{{3}}")
_BYTE = {letter: letter.encode("cp1252")[0] for letter in _HIGH}
_AFTER_WORDS = frozenset("»«›‹“”„‘’‚…–—\xa0")  # may follow a letter in a right text
_CZECH = frozenset("ÉÍÓÚÝáéíóúý")
_LATER = 3  # such sequences that are a sign together
TWICE = 3  # texts are garbled twice, now and then three times
# Blocks of Unicode with letters and signs that people write; others are what chance makes of two letters.
_WRITTEN = (
    (0x80, 0x17F), (0x1A0, 0x1A1), (0x1AF, 0x1B0),
    (0x218, 0x21B), (0x370, 0x52F), (0x531, 0x58A), (0x5D0, 0x5EA), (0x60C, 0x6FF), (0x900, 0xEFF),
    (0xF00, 0x139F), (0x1780, 0x17FF), (0x1E00, 0x1EFF), (0x2010, 0x2044), (0x20A0, 0x20BF), (0x2100, 0x2BFF),
    (0x3000, 0x30FF), (0x3130, 0x318F), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0xFE0F, 0xFE0F), (0xFF00, 0xFFEF),
    (0xFFFD, 0xFFFD), (0x1F000, 0x1FAFF),
)  # fmt: skip
_HAN = re.compile(r"[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
_LATIN1_LETTER = re.compile(r"[\xc0-\xff]")
FEWEST_LETTERS = 6
FEWEST_HAN = 3
FEWEST_DISTINCT = 4
MOST_LOST = 1.0  # letters that cannot be read for one that can; a right text read so has hardly any that can
MOST_LETTERS = 20_000  # of a text, where the whole is judged


@dataclass(frozen=True)
class Garbled:
    """Texts with garbled letters.

    positions  (texts,) where they stand in the column
    repaired   what each was, as far as it can be told; None where letters are lost for good
    """

    positions: Rows
    repaired: list[str | None]


def garbled(texts: pl.Series) -> Garbled:
    """The garbled texts of a column of strings, null where missing.

    >>> garbled(pl.Series(["cafÃ©", "café", None, "na�ve"])).repaired
    ['café', None]
    """
    texts = texts.cast(pl.String)
    suspects = f"[\xc2-\xf4][{_NEXT}]|{'|'.join(LOST_READ)}|[\xc0-\xff][\xa1-\xff]|[一-鿿][一-鿿]"
    candidates = np.flatnonzero(texts.str.contains(suspects).fill_null(False).to_numpy())
    positions: list[int] = []
    found: list[str | None] = []
    for position, text in zip(candidates.tolist(), texts.gather(candidates).to_list(), strict=True):
        lost = any(sign in text for sign in LOST_READ)
        better = repaired(text)
        if better is not None or lost:
            positions.append(position)
            found.append(None if lost or better is None or LOST in better else better)
    return Garbled(np.array(positions, dtype=np.int64), found)


def repaired(text: str) -> str | None:
    """The text with its garbled letters put right, None where nothing is garbled.

    >>> repaired("ä¸–ç•Œ, FranÃ§ois")
    '世界, François'
    >>> repaired("«LIBERTÉ»") is None
    True
    """
    better = text
    for _ in range(TWICE):
        once = _by_sequences(better)
        if once is None:
            break
        better = once
    if better != text and not _LATIN1_LETTER.search(better):
        return better
    # pairs of letters of another encoding look like sequences now and then: where the whole makes sense, it counts
    return _by_whole(text[:MOST_LETTERS]) or (better if better != text else None)


def _by_sequences(text: str) -> str | None:
    certain = later = 0

    def right(match: re.Match[str]) -> str:
        nonlocal certain, later
        sequence = match.group()
        letter = _decoded(sequence)
        if letter is None:
            return sequence
        if _as_written(sequence, text[match.start() - 1 : match.start()]):
            later += 1
        else:
            certain += 1
        return letter

    better = SEQUENCE.sub(right, text)
    return better if certain or later >= _LATER else None


def _as_written(sequence: str, before: str) -> bool:
    """Whether a right text may hold this sequence too: a letter with quotation marks or dashes after it, but no
    capital letter in the middle of a word, and no Â that stands alone."""
    if sequence[0] in _CZECH and set(sequence[1:]) <= _AFTER_WORDS | set("ŠšŽž"):
        return True  # 'nejnížší'
    if len(sequence) == 2:
        middle = before.islower() or (sequence[0] == "Â" and not before.isalpha())
        return sequence[1] in _AFTER_WORDS and not middle
    return len(sequence) == 3 and sequence[1] in _AFTER_WORDS and (sequence[2] in _AFTER_WORDS or before.islower())


def _decoded(sequence: str) -> str | None:
    """The letter of the bytes that the letters of a sequence stand for, if people write it."""
    try:
        letter = bytes(_BYTE.get(one, ord(one)) for one in sequence).decode("utf-8")
    except (UnicodeDecodeError, ValueError):
        return None
    number = ord(letter)
    written = any(first <= number <= last for first, last in _WRITTEN)
    return letter if written and unicodedata.category(letter) != "Cn" else None


def _by_whole(text: str) -> str | None:
    """The text read in the encoding in which all of it makes sense, where it does not make sense as it stands."""
    foreign: list[str]
    if len(_HAN.findall(text)) >= FEWEST_HAN:
        read = text.encode("gbk", errors="ignore").decode("utf-8", errors="replace")
        foreign = [letter for letter in read if letter > "\x7f"]
        han = len(_HAN.findall(read))
        if han >= FEWEST_HAN and han + read.count(LOST) == len(foreign) and read.count(LOST) <= MOST_LOST * han:
            return read
        return _from_gbk(text) if not han else None
    letters = sum(letter.isalpha() for letter in text)
    foreign = _LATIN1_LETTER.findall(text)
    if letters < FEWEST_LETTERS or len(foreign) < 0.6 * letters or len(set(foreign)) < FEWEST_DISTINCT:
        return None
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return None
    for encoding, wanted in (("gbk", r"[\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e]"), ("cp932", r"[\u3001-\u9fff]"),
                             ("cp1251", r"[А-яЁё]")):  # fmt: skip
        try:
            read = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        foreign = [letter for letter in read if letter > "\x7f"]
        if len(re.findall(wanted, read)) >= 0.9 * len(foreign) and _common(encoding, read):
            return read
    return None


def _from_gbk(text: str) -> str | None:
    """The text whose bytes of UTF-8, read as GBK, are this one: letters of two bytes, such as Cyrillic ones. Of right
    Chinese texts one in seven letters could be such a pair; six in a row are one in a hundred thousand."""
    try:
        read = text.encode("gbk").decode("utf-8")
    except UnicodeError:
        return None
    foreign = [letter for letter in read if letter > "\x7f"]
    written = all(letter.isalpha() and letter < "\u0700" for letter in foreign)
    return read if len(foreign) >= FEWEST_LETTERS and written else None


def _common(encoding: str, read: str) -> bool:
    """Whether the letters are common ones: of GBK those of the first level of GB 2312; Cyrillic mostly small ones."""
    if encoding == "cp1251":
        if re.search(r"[a-zA-Z][А-яЁё]|[А-яЁё][a-zA-Z]", read):
            return False  # no word is half Latin
        letters = [letter for letter in read if letter.isalpha() and letter > "\x7f"]
        return sum(letter.islower() for letter in letters) >= 0.5 * len(letters)
    if encoding == "gbk":
        han = [letter for letter in read if "\u4e00" <= letter <= "\u9fff"]
        return sum(0xB0 <= letter.encode("gbk")[0] <= 0xD7 for letter in han) >= 0.9 * max(1, len(han))
    return True
