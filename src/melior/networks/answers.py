"""Answers of a language model beside the right ones: exact match and token F1.

Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, 2016, section 6.1: both texts are put
into lower case, without punctuation, articles and needless space. Scripts without spaces are compared character by
character.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = frozenset({"a", "an", "the"})
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words that are compared.

    >>> words("The Answer, is:  42!")
    ['answer', 'is', '42']
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    bare = "".join(letter for letter in folded if not unicodedata.category(letter).startswith("P"))
    return [word for word in WORD.findall(bare) if word not in ARTICLES]


def exact_match(given: Sequence[str], right: Sequence[str]) -> float:
    """Share of answers whose words are the right ones, 0..1; nan without answers."""
    assert len(given) == len(right)
    if not given:
        return float("nan")
    return sum(words(a) == words(b) for a, b in zip(given, right, strict=True)) / len(given)


def token_f1(given: Sequence[str], right: Sequence[str]) -> float:
    """Mean over answers of 2 * common / (words given + words right), 0..1; two empty answers are 1.

    >>> token_f1(["a red house"], ["the red car"])
    0.5
    """
    assert len(given) == len(right)
    if not given:
        return float("nan")
    total = 0.0
    for one, other in zip(given, right, strict=True):
        first, second = Counter(words(one)), Counter(words(other))
        size = first.total() + second.total()
        total += 2 * (first & second).total() / size if size else 1.0
    return total / len(given)
