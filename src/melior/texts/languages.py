"""The language of each text of a column, offline: the script first, then letter sequences, then the column as a whole.

Many languages have a script of their own, and Unicode says which letter belongs to which. Where several share one
(Latin, Cyrillic, Arabic, Devanagari, Bengali, Chinese characters), py3langid's naive Bayes over byte sequences gives
each text probabilities over the languages of that script (Lui and Baldwin, ACL 2012). A short text alone often says
little; but the texts of one column are mostly of few languages. So the shares of the languages in the column are
estimated from all texts together and each text's probabilities are weighed with them: the expectation maximization of
Saerens, Latinne and Decaestecker (Neural Computation 2002), with one text more of each language than were seen, so
that a single text is judged by itself.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

UNKNOWN = "unknown"
MOST_TEXTS = 100_000
MOST_LETTERS = 256  # letters of a text that are read; more make no measurable difference
FEWEST_LETTERS = 4  # weighed letters; fewer are unknown
CONFIDENT = 0.8  # of texts alone, above: under 1 % wrong, below: over 5 % (benchmarks/audit/languages.py)
ROUNDS = 50

# Script -> its languages. Of the languages that the model knows, local ones with few written texts are left out: they
# take short texts from their large neighbours. Bosnian and Latin Serbian count as Croatian: one sentence does not tell
# them apart. Dialects of Arabic and of Chinese count as these; both Norwegians as one.
SCRIPTS = {
    "Latin": (
        "af", "az", "br", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fo", "fr", "fy", "ga",
        "gd", "gl", "ha", "hr", "ht", "hu", "id", "ig", "is", "it", "jv", "ku", "la", "lb", "lt", "lv", "mg", "ms",
        "mt", "nl", "no", "nso", "oc", "om", "pl", "pt", "qu", "ro", "rw", "sk", "sl", "sn", "so", "sq", "st", "sv",
        "sw", "tk", "tl", "tr", "uz", "vi", "xh", "yo", "zu",
    ),
    "Cyrillic": ("ba", "be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"),
    "Arabic": ("ar", "fa", "ps", "ug", "ur"),
    "Devanagari": ("hi", "mr", "ne", "sa"),
    "Bengali": ("as", "bn"),
    "Han": ("ja", "zh"),
    "Kana": ("ja",), "Hangul": ("ko",), "Greek": ("el",), "Hebrew": ("he",), "Thai": ("th",), "Georgian": ("ka",),
    "Armenian": ("hy",), "Tamil": ("ta",), "Telugu": ("te",), "Kannada": ("kn",), "Malayalam": ("ml",),
    "Gujarati": ("gu",), "Gurmukhi": ("pa",), "Oriya": ("or",), "Sinhala": ("si",), "Khmer": ("km",), "Lao": ("lo",),
    "Myanmar": ("my",), "Tibetan": ("bo",), "Ethiopic": ("am",),
}  # fmt: skip
LANGUAGES = tuple(sorted({language for languages in SCRIPTS.values() for language in languages}))
MERGED = {"bs": "hr", "sr-Latin": "hr", "nn": "no", "ary": "ar", "arz": "ar", "wuu": "zh", "yue": "zh"}
# letters of the same text in English for one letter of it (median over translated messages)
WEIGHTS = {"Han": 3.0, "Kana": 2.0, "Hangul": 2.0}
KANA = 0.1  # of the letters of a Chinese-looking text: a tenth of kana makes it Japanese
NO_LANGUAGE = r"(?i)\bhttps?://\S+|\bwww\.\S+|\S+@\S+|</?[a-z][^<>]*>|&#?\w+;|\d+"


@dataclass(frozen=True)
class Identified:
    """The languages of a column's texts.

    languages   ISO 639 codes, the most frequent first
    codes       (rows,) number into `languages`; -1 where unknown, missing, or not looked at
    confidence  (rows,) probability of the language named, 0 where none is; of the texts above 0.8 under 1 % are wrong
    looked      (looked,) positions looked at: all rows, or a sample where there were more than asked for
    """

    languages: tuple[str, ...]
    codes: Rows
    confidence: Floats
    looked: Rows

    @property
    def known(self) -> int:
        """Rows whose language was named."""
        return int((self.codes >= 0).sum())

    def counts(self) -> dict[str, int]:
        """Language -> rows, the most frequent first."""
        counted = np.bincount(self.codes[self.codes >= 0], minlength=len(self.languages))
        return dict(zip(self.languages, counted.tolist(), strict=True))

    def names(self) -> list[str]:
        """The language of each row, 'unknown' where it is not known."""
        return [self.languages[code] if code >= 0 else UNKNOWN for code in self.codes]


def identify(texts: pl.Series, *, most: int = MOST_TEXTS, seed: int = 0) -> Identified:
    """The language of every text.

    texts (rows,) of strings, null where missing. Links, addresses, tags and digits are not read, and of each text
    the first 256 letters at most. Unknown are texts of fewer than four letters, of no script that is listed, of no
    script's majority, and those whose language has a probability below 0.8.

    most   texts looked at; of more a random sample, whose positions are `looked`
    seed   of that sample

    >>> identify(pl.Series(["Where is the next station, please?", "Wo ist bitte der nächste Bahnhof?", "???"])).names()
    ['en', 'de', 'unknown']
    """
    rows = len(texts)
    looked = np.arange(rows)
    if rows > most:
        looked = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    codes, confidence = np.full(rows, -1, dtype=np.int64), np.zeros(rows)
    words = texts.cast(pl.String).gather(looked)
    names, sure = _by_script(_letters(words))
    codes[looked], confidence[looked] = names, sure
    found, counted = np.unique(codes[codes >= 0], return_counts=True)
    order = found[np.argsort(-counted, kind="stable")]
    renumbered = np.full(len(LANGUAGES) + 1, -1)
    renumbered[order] = np.arange(len(order))
    return Identified(tuple(LANGUAGES[one] for one in order), renumbered[codes], confidence, looked)


def segments(texts: pl.Series, fewest: int = 25) -> tuple[pl.Series, Rows]:
    """The sentences and lines of texts, and the position of the text that each comes from.

    Pieces of fewer than `fewest` weighed letters (a Chinese letter counts three) are left out: they say too little.
    """
    ends = r"[.!?…]+[\s\"”»)]+|[。！？；]+|[\r\n]+|\s[–—|/]\s|[;:]\s"
    split = texts.cast(pl.String).str.replace_all(ends, "\x1e").str.split("\x1e")
    pieces = pl.DataFrame({"row": np.arange(len(texts)), "piece": split}).explode("piece").drop_nulls()
    counted = letters_by_script(pieces.get_column("piece"))
    pieces = pieces.filter(pl.Series(counted.sum(axis=1) >= fewest))
    return pieces.get_column("piece"), pieces.get_column("row").to_numpy().astype(np.int64)


@dataclass(frozen=True)
class Mixed:
    """Texts that are written in several languages.

    positions  (texts,) where they stand in the column
    shares     (texts,) share of their letters that is not in their main language, 0..0.5 and seldom more
    languages  the main and the second language of each
    compared   texts with two pieces or more whose language is known: all others cannot be called mixed
    """

    positions: Rows
    shares: Floats
    languages: list[tuple[str, str]]
    compared: int


def mixtures(texts: pl.Series, least: float = 0.2) -> Mixed:
    """Texts of which at least this share of the letters is in sentences of other languages than most.

    >>> text = "The room was clean, and it was quiet. Leider war das Frühstück sehr teuer und der Kaffee kalt."
    >>> mixtures(pl.Series([text, "The room was clean, and it was quiet."])).languages
    [('de', 'en')]
    """
    pieces, rows = segments(texts)
    found = identify(pieces, most=max(1, len(pieces)))
    known = found.codes >= 0
    sizes = letters_by_script(pieces).sum(axis=1)
    grouped = (
        pl.DataFrame({"row": rows[known], "code": found.codes[known], "letters": sizes[known]})
        .group_by("row", "code")
        .agg(pl.col("letters").sum(), pl.len().alias("pieces"))
        .sort(["row", "letters", "code"], descending=[False, True, False])
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("code").first().alias("main"),
            pl.col("code").slice(1, 1).first().alias("second"),
            (1 - pl.col("letters").first() / pl.col("letters").sum()).alias("share"),
            pl.col("pieces").sum(),
        )
    )
    hits = grouped.filter(pl.col("share") >= least)
    named = [(found.languages[a], found.languages[b]) for a, b in hits.select("main", "second").iter_rows()]
    return Mixed(
        hits.get_column("row").to_numpy().astype(np.int64),
        hits.get_column("share").to_numpy().astype(np.float64),
        named,
        int((grouped.get_column("pieces") > 1).sum()),
    )


def letters_by_script(texts: pl.Series) -> Floats:
    """(rows, scripts) letters of each script, in the order of SCRIPTS, weighed by how much a letter says."""
    counted = np.zeros((len(texts), len(SCRIPTS)))
    latin = _matches(texts, "Latin")
    counted[:, 0] = latin
    # most columns are all Latin: the other scripts are counted only where other letters stand
    rest = np.flatnonzero(_matches(texts, "L") > latin)
    others = texts.gather(rest)
    for number, script in enumerate(SCRIPTS):
        if number and len(rest):
            counted[rest, number] = WEIGHTS.get(script, 1.0) * _matches(others, script)
    return counted


def _matches(texts: pl.Series, script: str) -> Floats:
    pattern = r"[\p{Hiragana}\p{Katakana}]" if script == "Kana" else rf"\p{{{script}}}"
    found: Floats = texts.str.count_matches(pattern).fill_null(0).to_numpy().astype(np.float64)
    return found


def _letters(texts: pl.Series) -> pl.Series:
    """What of the texts is read, missing as empty."""
    return texts.fill_null("").str.slice(0, 4 * MOST_LETTERS).str.replace_all(NO_LANGUAGE, " ").str.strip_chars()


def _by_script(texts: pl.Series) -> tuple[Rows, Floats]:
    """Number into LANGUAGES (-1 unknown) and confidence of each text."""
    counted = letters_by_script(texts)
    scripts = list(SCRIPTS)
    han, kana = scripts.index("Han"), scripts.index("Kana")
    japanese = counted[:, kana] > KANA * counted[:, han]
    counted[:, kana] += np.where(japanese, counted[:, han], 0)
    counted[:, han] += np.where(japanese, 0, counted[:, kana])
    counted[np.arange(len(counted)), np.where(japanese, han, kana)] = 0
    total = counted.sum(axis=1)
    script = counted.argmax(axis=1)
    share = counted.max(axis=1) / np.maximum(total, 1)
    script[(total < FEWEST_LETTERS) | (share <= 0.5)] = -1
    names, sure = np.full(len(texts), -1, dtype=np.int64), np.zeros(len(texts))
    for number, languages in enumerate(SCRIPTS.values()):
        rows = np.flatnonzero(script == number)
        if not len(rows):
            continue
        if len(languages) == 1:
            names[rows], sure[rows] = LANGUAGES.index(languages[0]), share[rows]
            continue
        likely = together(probabilities(texts.gather(rows).to_list(), scripts[number]))
        best = likely.argmax(axis=1)
        numbers = np.array([LANGUAGES.index(language) for language in languages] + [-1])
        names[rows], sure[rows] = numbers[best], likely[np.arange(len(rows)), best]
    unsure = (names < 0) | ((sure < CONFIDENT) & np.isin(script, _several()))
    names[unsure], sure[unsure] = -1, 0.0
    return names, sure


def together(likely: Floats) -> Floats:
    """Probabilities (texts, languages) of each text, given the shares of the languages among all texts.

    Each share is the mean probability of its language with one text more, and each text's probabilities are weighed
    with the shares, in turn until neither changes (Saerens et al. 2002). The same texts count once.
    """
    texts, languages = likely.shape
    shares = np.full(languages, 1.0 / languages)
    weighed = likely
    for _ in range(ROUNDS):
        weighed = likely * shares
        weighed /= weighed.sum(axis=1, keepdims=True)
        anew = (weighed.sum(axis=0) + 1) / (texts + languages)
        settled = bool(np.abs(anew - shares).max() < 1e-4)
        shares = anew
        if settled:
            break
    return weighed


def probabilities(texts: list[str], script: str) -> Floats:
    """(texts, languages + 1) of each text alone over the languages of this script; last, that it is no language."""
    model, column_of, width = _model(script)
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    found = np.empty((len(distinct), width))
    for text, number in distinct.items():
        # no surrogates here (polars holds UTF-8 only); case is folded by the model where all is upper case
        row = [1e-6] * width
        for name, probability in model.rank(text[:MOST_LETTERS]):
            row[column_of[name]] += probability
        found[number] = row
    found /= found.sum(axis=1, keepdims=True)
    whole: Floats = found[[distinct[text] for text in texts]]
    return whole


@cache
def _several() -> tuple[int, ...]:
    """Numbers of the scripts that several languages share."""
    return tuple(number for number, languages in enumerate(SCRIPTS.values()) if len(languages) > 1)


@cache
def _whole_model() -> Any:
    """py3langid's model as it is shipped in its package; read once (half a second)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _model(script: str) -> tuple[Any, dict[str, int], int]:
    """The model limited to a script's languages, the column of each of its labels, and how many columns there are."""
    from copy import copy

    languages = SCRIPTS[script]
    column_of = {language: number for number, language in enumerate(languages)}
    for label, language in MERGED.items():
        if language in column_of:
            column_of["sr" if label == "sr-Latin" else label] = column_of[language]
    column_of["zxx"] = len(languages)  # the model's own label for numbers, markup and names
    limited = copy(_whole_model())
    limited.set_languages(column_of)
    return limited, column_of, len(languages) + 1
