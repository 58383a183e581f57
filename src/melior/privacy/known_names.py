"""Whether a word in Latin letters is a common given name or surname, accents or not."""

import re
import unicodedata
from functools import lru_cache

from melior.privacy import _english_lists as america
from melior.privacy import _world_lists as world

AMBIGUOUS, EVERYDAY, NO_NAMES, BRANDS = america.AMBIGUOUS, america.EVERYDAY, america.NO_NAMES, america.BRANDS

_OTHER = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th",
                        "Þ": "Th", "æ": "ae", "Æ": "Ae", "œ": "oe", "ß": "ss", "ı": "i", "’": "'"})  # fmt: skip


_ACCENTED = re.compile("(?:ić|ová|ský|ská|ák|ões|dóttir|ász|ács|ény|ős|ész|ňák|ček|áček|ørn|ård|åkra|øy|snes)$")


def without_accents(word: str) -> str:
    """
    >>> without_accents("Zóphoníasson"), without_accents("Łukasz"), without_accents("Strøm")
    ('Zophoniasson', 'Lukasz', 'Strom')
    """
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFKD", word.translate(_OTHER))
    return "".join(character for character in apart if not unicodedata.combining(character))


@lru_cache(maxsize=50_000)
def is_given(word: str) -> bool:
    """A common given name; of a double name, the first.

    >>> is_given("Linda"), is_given("Jürgen"), is_given("Anne-Marie"), is_given("Chair")
    (True, True, True, False)
    """
    first = without_accents(word).partition("-")[0]
    return first in america.GIVEN or first in world.GIVEN


@lru_cache(maxsize=50_000)
def is_surname(word: str) -> bool:
    """A common surname, or one with an ending that only surnames have; of a double name, either.

    >>> is_surname("Smith"), is_surname("Horvatinčić"), is_surname("Ngata-Pérez"), is_surname("Chair")
    (True, True, True, False)
    """
    return _ACCENTED.search(word) is not None or any(
        part in america.SURNAMES or part in world.SURNAMES or world.ENDING.fullmatch(part) is not None
        for part in re.split("-", without_accents(word))
    )


def known(name: str) -> int:
    """How well known a name in Latin letters is: 2 a given name and a surname, or a given name that is no ordinary
    word; 1 one of the two that may be ordinary words; 0 neither.

    >>> known("Linda Smith"), known("Linda Qwerty"), known("Rose Garden"), known("Blue Widget")
    (2, 2, 1, 0)
    """
    words = [word.strip(".,'’-") for word in name.split()]
    words = [
        word[0].upper() + (word[1:].lower() if word.isupper() or word.islower() else word[1:])
        for word in words
        if len(word) > 1
    ]
    if not words:
        return 0
    first, last = words[0], words[-1]
    given, surname = is_given(first), is_surname(last) and len(words) > 1
    if given and (surname or first not in AMBIGUOUS):
        return 2
    return int(given or surname)
