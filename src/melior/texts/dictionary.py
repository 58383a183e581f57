"""A word dictionary out of translation pairs, and texts with some of their words in another language."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Dictionary = Mapping[str, tuple[str, ...]]

ROUNDS = 8  # of expectation maximization; later ones change little
MOST_WORDS = 60  # of a text that are aligned: what a longer one adds are mostly wrong pairs
LONGEST = 6  # words of an entry of a dictionary: of scripts without spaces the letters of a word
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
ALONE = re.compile(rf"[{UNSPACED}]")
WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}\d_])\w)+(?:['’-](?:(?![{UNSPACED}\d_])\w)+)*")


def words(text: str) -> list[str]:
    """The words of a text in small letters; of scripts without spaces each letter is one.

    >>> words("The user's file-name: 你好 42")
    ['the', "user's", 'file-name', '你', '好']
    """
    return [word.lower() for word in WORD.findall(text)]


def translation_probabilities(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], rounds: int = ROUNDS
) -> tuple[Numbers, Numbers, Floats]:
    """(source word, target word, probability) of every two words that stand in one pair: IBM model 1.

    sources, targets  word numbers >= 0 of each pair; -1 in the answer is the empty word, from which any may come

    Each target word comes from one word of the source or from the empty word, all alike beforehand; t(target | source)
    is estimated by expectation maximization: Brown et al., The Mathematics of Statistical Machine Translation,
    Computational Linguistics 1993.
    """
    tokens, froms, to = [], [], []  # of every way in which a target token may have come about
    many = 0
    for source, target in zip(sources, targets, strict=True):
        own = np.concatenate([[-1], np.asarray(source, dtype=np.int64)])
        said = np.asarray(target, dtype=np.int64)
        tokens.append(np.repeat(np.arange(many, many + len(said)), len(own)))
        froms.append(np.tile(own, len(said)))
        to.append(np.repeat(said, len(own)))
        many += len(said)
    if not many:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    token, source_of, target_of = (np.concatenate(one) for one in (tokens, froms, to))
    width = int(target_of.max()) + 1
    known, which = np.unique((source_of + 1) * width + target_of, return_inverse=True)
    one, other = known // width, known % width  # the empty word is 0 here
    chance = np.ones(len(known))
    for _ in range(rounds):
        likely = chance[which]
        likely = likely / np.bincount(token, weights=likely, minlength=many)[token]  # which word it came from
        counted = np.bincount(which, weights=likely, minlength=len(known))
        chance = counted / np.bincount(one, weights=counted)[one]
    return one - 1, other, chance


def learned_dictionary(
    sources: Sequence[str], targets: Sequence[str], *, least: float = 0.2, fewest: int = 2, most: int = 3
) -> dict[str, tuple[str, ...]]:
    """Word -> its translations, the likeliest first, from texts that say the same.

    least   of the geometric mean of t(target | source) and t(source | target): words that stand together because one
            of them stands everywhere are likely in one direction only
    fewest  pairs that a word must stand in
    most    translations of a word

    >>> en, de = ["the house", "the book", "a book", "a house"], ["das Haus", "das Buch", "ein Buch", "ein Haus"]
    >>> learned_dictionary(en, de)["book"]
    ('buch',)
    """
    cut = [[words(text)[:MOST_WORDS] for text in texts] for texts in (sources, targets)]
    spelled = [sorted({word for text in texts for word in text}) for texts in cut]
    number = [{word: at for at, word in enumerate(own)} for own in spelled]
    ids = [[[place[word] for word in text] for text in texts] for texts, place in zip(cut, number, strict=True)]
    there = [Counter(word for text in texts for word in set(text)) for texts in cut]
    forth = _table(*translation_probabilities(ids[0], ids[1]))
    back = _table(*translation_probabilities(ids[1], ids[0]))
    found: dict[str, list[tuple[float, str]]] = {}
    for (one, other), chance in forth.items():
        score = float(np.sqrt(chance * back.get((other, one), 0.0)))
        if score >= least:
            word, said = spelled[0][one], spelled[1][other]
            if there[0][word] >= fewest and there[1][said] >= fewest:
                found.setdefault(word, []).append((-score, said))
    return {word: tuple(said for _, said in sorted(found[word])[:most]) for word in sorted(found)}


def _table(one: Numbers, other: Numbers, chance: Floats) -> dict[tuple[int, int], float]:
    """Probabilities of 1 % and more by the two words, without the empty one."""
    kept = (one >= 0) & (chance >= 0.01)
    return dict(zip(zip(one[kept].tolist(), other[kept].tolist(), strict=True), chance[kept].tolist(), strict=True))


def switched(text: str, dictionary: Dictionary, share: float, random: np.random.Generator) -> tuple[str, int]:
    """The text with about this share of the words that have a translation in the other language, and how many that are.

    Of entries that begin at the same place the longest counts: 图书馆 before 图, "ice cream" before "ice". A word of
    several translations gets any of them; what stands between words stays, and a capital letter too. Where words stand
    without spaces, as in Chinese, a translation gets one on each side that it needs.
    Qin et al., CoSDA-ML: Multi-Lingual Code-Switching Data Augmentation, IJCAI 2020.
    """
    count, end = 0, 0
    pieces = [""]
    for begin, behind, said in _entries(text, dictionary):
        if random.random() >= share:
            continue
        count += 1
        word = text[begin:behind]
        new = said[int(random.integers(len(said)))]
        if word[0].isupper() and (len(word) == 1 or not word.isupper()):
            new = new[0].upper() + new[1:]
        elif word.isupper():
            new = new.upper()
        pieces += [text[end:begin], new]
        end = behind
    pieces.append(text[end:])
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += " " + piece if _run_together(whole[-1:], piece[:1]) else piece
    return whole, count


def _entries(text: str, dictionary: Dictionary) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Where words of the dictionary begin and end in a text, and their translations; no two overlap."""
    found = [match.span() for match in WORD.finditer(text)]
    at = 0
    while at < len(found):
        begin = found[at][0]
        for many in range(min(LONGEST, len(found) - at), 0, -1):
            end = found[at + many - 1][1]
            if said := dictionary.get(text[begin:end].lower()):
                yield begin, end, said
                at += many
                break
        else:
            at += 1


def _run_together(left: str, right: str) -> bool:
    """Whether two words would become one: both are letters, and one at least of a script with spaces."""
    return left.isalpha() and right.isalpha() and not (ALONE.match(left) and ALONE.match(right))
