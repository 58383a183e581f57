"""Word dictionaries of a file of translation pairs, in each direction that the pairs have."""

from collections.abc import Sequence
from functools import lru_cache

from melior.data.pairs import stamp, translation_pairs
from melior.texts.dictionary import Dictionary, learned_dictionary, words

SHORT = 2  # words of a side of pairs that are a dictionary themselves


def dictionaries(path: str, wanted: Sequence[str] = ()) -> dict[str, dict[str, Dictionary]]:
    """Language -> other language -> word -> translations, the likeliest first, in both directions of the pairs of a
    file; wanted: only into these languages. Kept as long as the file is the same.

    Pairs of single words are the dictionary, of longer texts it is learned. Words are pairs of which one side has at
    most two: of the other, where its script has no spaces, letters cannot be told from words."""
    return _dictionaries(path, *stamp(path), tuple(wanted))


@lru_cache(maxsize=8)
def _dictionaries(path: str, changed: int, size: int, wanted: tuple[str, ...]) -> dict[str, dict[str, Dictionary]]:
    pairs = translation_pairs(path)
    found: dict[str, dict[str, Dictionary]] = {}
    for one, other, own in pairs.directions():
        if wanted and other not in wanted:
            continue
        if all(min(len(words(one)), len(words(two))) <= SHORT for one, two in zip(own.source, own.target, strict=True)):
            listed: dict[str, list[str]] = {}
            for source, target in zip(own.source, own.target, strict=True):
                listed.setdefault(source.lower(), []).append(target)
            known: Dictionary = {word: tuple(dict.fromkeys(said)) for word, said in listed.items()}
        else:
            known = learned_dictionary(own.source, own.target)
        if known:
            found.setdefault(one, {})[other] = known
    return found
