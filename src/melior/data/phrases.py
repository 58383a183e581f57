"""Words and phrases that are taken out of a text column before anything reads it: stamps written after the fact."""

import json
import re
from collections.abc import Mapping, Sequence

import polars as pl

UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # no spaces between words


def without(texts: pl.Series, phrases: Sequence[str]) -> pl.Series:
    """The texts without these words or runs of words, in capitals or not; missing texts stay missing.

    >>> without(pl.Series(["Late again. CASE  closed!", "closed"]), ["case closed"]).to_list()
    ['Late again. !', 'closed']
    """
    patterns = [pattern(phrase) for phrase in sorted(phrases, key=len, reverse=True)]
    return texts.str.replace_all("|".join(patterns), "") if patterns else texts


def pattern(phrase: str) -> str:
    """A regular expression that finds a phrase as whole words, or anywhere where a script has no spaces."""
    words = phrase.split()
    spaced = not UNSPACED.search(phrase)
    between = r"[^\p{L}\p{N}]" + ("+" if spaced else "*")
    # a word ends where a letter or a digit does; "#closed" may stand after a space
    first, last = (
        r"\b" if spaced and words and edge.isalnum() else "" for edge in (phrase.strip()[:1], phrase.strip()[-1:])
    )
    return f"(?i:{first}{between.join(map(re.escape, words))}{last})"


def noted(notation: Mapping[str, Mapping[str, str]], taken: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """The notation of columns with what is taken out of their texts, so that new rows are read alike."""
    changed = {name: dict(how) for name, how in notation.items()}
    for name, phrases in taken.items():
        every = sorted({*phrases_of(changed.get(name, {})), *phrases})
        changed[name] = {**changed.get(name, {}), "without": json.dumps(every, ensure_ascii=False)}
    return changed


def phrases_of(notation: Mapping[str, str]) -> list[str]:
    """What is taken out of the texts of a column with this notation."""
    return list(json.loads(notation.get("without", "[]")))
