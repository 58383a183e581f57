"""Truncated text: texts that were cut off before they came here, or that the model will cut off."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, share
from melior.data.table import Rows, Table
from melior.findings import Finding

FALSE_RATE = 0.01
FEWEST_CUT = 5
LIMITS = frozenset({  # lengths to which programs cut, and one less
    50, 64, 80, 100, 120, 127, 128, 140, 150, 160, 200, 250, 254, 255, 256, 280, 300, 400, 499, 500, 511, 512, 600,
    750, 800, 999, 1000, 1023, 1024, 1500, 1999, 2000, 2047, 2048, 2500, 3000, 3999, 4000, 4095, 4096, 5000, 8000,
    8191, 8192, 10000, 16383, 16384, 20000, 32000, 32767, 32768, 65535, 65536,
})  # fmt: skip
MOST_OTHERS = 5_000
CHARACTER = 3  # bytes that a character of UTF-8 may lack when it does not fit any more
ENDED = r"[.!?。！？।؟։።*~)\]}\"'»”’）」』】\p{So}]\s*$"
TRAILING_OFF = r"(?:\.\.|…)[\"'»”’)\]]*\s*$"
LAST_WORD = r"([\p{L}\p{M}\p{N}]+)\s*$"
UNITS = ("characters", "bytes", "words")


@dataclass(frozen=True)
class Cut:
    """Texts that end at one and the same length.

    limit       that length, in `unit`; no text is longer, or hardly any, or (`inside`) some are, which were not cut
    positions   (cut,) of these texts in the column
    expected    of them, how many the lengths just below let expect
    p           probability of so many by chance, and `p_ends` of ends so unfinished
    unfinished  share of them that ends without the end of a sentence, and of the other texts
    broken      share of them whose last word is no word of the column, and of the other texts
    """

    unit: str
    limit: int
    positions: Rows
    expected: float
    p: float
    p_ends: float
    unfinished: tuple[float, float]
    broken: tuple[float, float]
    inside: bool = False

    @property
    def certain(self) -> bool:
        """Whether the texts' ends show it, and not the number alone."""
        return self.p_ends < FALSE_RATE


class TruncatedText(Check):
    """Two causes, one finding each for a column.

    data   many texts have exactly the greatest length (in characters, bytes or words) or nearly so, more than the
           lengths just below let expect, and they end in the middle of a word or of a sentence more often than the
           others do. Where the ends do not show it and the length is one to which programs cut (255, 1000), it is a
           suspicion. Severity is the share of texts cut.
    model  texts with more tokens than the recipe's family reads; families without such a limit have nothing. Severity
           is the share of texts that will be cut.

    Texts of several origins may have been cut in one of them only, so that others are longer: a length below the
    greatest is looked at as well, where it is more frequent than the lengths on both sides of it. It is named if the
    ends show it and at least half of the unfinished last words are beginnings of words of the column, as those of
    codes are not; in scripts that put spaces between words.

    Repeated texts count once. The expected number assumes that, over the last twentieth of the lengths, longer texts
    are not more frequent than shorter ones.
    """

    symptoms = frozenset({"truncated_text"})
    reads = frozenset({"text"})
    cost = "pass"
    for_people = True

    def measure(self, context: Context) -> list[Finding]:
        table, found = context.table, []
        for column in table.of_kind("text"):
            cut = cut_texts(table.column(column), FALSE_RATE / len(table.of_kind("text")))
            if cut is not None:
                found.append(in_data(table, column, cut))
            tokens = context.tokens(column)
            if tokens is not None and (tokens[0] > tokens[1]).any():
                found.append(by_model(table, column, *tokens))
        return found


def cut_texts(texts: pl.Series, allowed: float = FALSE_RATE) -> Cut | None:
    """The texts of a column that were cut at its greatest length, or None.

    texts (rows,) of strings, null where missing; `allowed` is the probability of a false answer.

    >>> words = "there are several kinds of words in every one of these rows and they all go on for a while"
    >>> cut_texts(pl.Series([f"{words[k:]}."[:60] for k in range(60)])).limit
    60
    """
    distinct = texts.cast(pl.String).to_frame("text").with_row_index("row").drop_nulls()
    distinct = distinct.filter(pl.col("text").str.len_bytes() > 0)
    once = distinct.unique("text", keep="first", maintain_order=True)
    if once.height < 2 * FEWEST_CUT:
        return None
    words = once.get_column("text")
    best: Cut | None = None
    for unit in UNITS:
        sizes = lengths(words, unit)
        slack = CHARACTER if unit == "bytes" else 0
        if slack and (sizes == lengths(words, "characters")).all():
            continue
        limit, expected, p, named = blurred_spike(sizes)
        if p >= allowed / (2 * len(UNITS)):
            limit, expected, p = spike(sizes, slack)
            named = np.arange(limit - slack, limit + 1)
        if p >= allowed / (2 * len(UNITS)):
            continue
        at_end = np.isin(sizes, named)
        ends = judged_ends(words, at_end, sizes)
        known = unit != "words" and limit in LIMITS and 2 * at_end.sum() <= len(sizes)
        if ends[0] >= allowed and not known:
            continue
        if best is None or (ends[0] < allowed, -p) > (best.p_ends < allowed, -best.p):
            every = np.isin(lengths(distinct.get_column("text"), unit), named)
            rows = distinct.get_column("row").to_numpy()[every].astype(np.int64)
            best = Cut(unit, limit, rows, expected, p, *ends)
    return best or _inside(distinct, words, allowed / 2)


def _inside(distinct: pl.DataFrame, words: pl.Series, allowed: float) -> Cut | None:
    """Texts cut at a length below the greatest: `distinct` are the texts with their rows, `words` each of them once."""
    for unit in UNITS[:2]:
        sizes = lengths(words, unit)
        limit, expected, p = inner_spike(sizes)
        if p >= allowed:
            continue
        at_end = sizes == limit
        near = at_end | (2 * sizes >= limit)
        ends = judged_ends(words.filter(pl.Series(near)), at_end[near], sizes[near])
        if ends[0] >= allowed or not begun_words(words, at_end):
            continue
        rows = distinct.filter(pl.Series(lengths(distinct.get_column("text"), unit) == limit)).get_column("row")
        return Cut(unit, limit, rows.to_numpy().astype(np.int64), expected, p, *ends, inside=True)
    return None


def inner_spike(sizes: NDArray[np.int64]) -> tuple[int, float, float]:
    """The most frequent length, how many texts of it the lengths around it let expect, and the probability of as many.

    Compared is with the most frequent of the w lengths on each side, as in `blurred_spike`; times the lengths that
    there are, among which it was picked (Bonferroni).
    """
    counts = np.bincount(sizes)
    limit = int(counts.argmax())
    window = max(5, limit // 20)
    if counts[limit] < FEWEST_CUT or limit <= window:
        return limit, 0.0, 1.0
    around = np.concatenate([counts[limit - window : limit], counts[limit + 1 : limit + 1 + window]])
    most = int(around.max(initial=0))
    p = float(stats.binom.sf(counts[limit] - 1, counts[limit] + most, 0.5)) * np.count_nonzero(counts)
    return limit, float(np.median(around)) if len(around) else 0.0, min(1.0, p)


def begun_words(texts: pl.Series, at_end: NDArray[np.bool_]) -> bool:
    """Whether half of the last words of these texts that no other text has are beginnings of words that others have."""
    own, others = (texts.filter(pl.Series(which)).str.to_lowercase() for which in (at_end, ~at_end))
    body = pl.concat([others, own.str.replace(LAST_WORD, "")])
    known = np.array(sorted(body.str.extract_all(r"[\p{L}\p{M}]+").explode().drop_nulls().unique()), dtype=np.str_)
    last = own.str.extract(LAST_WORD).drop_nulls()
    unknown = last.filter(~last.is_in(known.tolist())).to_list()
    if not unknown or not len(known):
        return False
    after = np.minimum(np.searchsorted(known, np.array(unknown)), len(known) - 1)
    begun = sum(str(known[at]).startswith(word) for at, word in zip(after, unknown, strict=True))
    return 2 * begun >= len(unknown)


def lengths(texts: pl.Series, unit: str) -> NDArray[np.int64]:
    """(rows,) characters, bytes of UTF-8, or words between white space."""
    if unit == "words":
        found = texts.str.count_matches(r"\S+")
    else:
        found = texts.str.len_chars() if unit == "characters" else texts.str.len_bytes()
    return found.to_numpy().astype(np.int64)


def spike(sizes: NDArray[np.int64], slack: int = 0) -> tuple[int, float, float]:
    """The greatest length, how many texts of it the lengths just below let expect, and the probability of as many as
    there are.

    If longer texts are no more frequent than shorter ones over a window of w lengths below, each of the texts in the
    window or at its end is at its end with a probability of at most 1 / (w + 1): a binomial tail. One text at the end
    there always is, since the end is where the longest text ends. w is a twentieth of the greatest length, at least 5.
    With slack the end is so many lengths wider, and the probability (1 + slack) / (1 + slack + w).
    """
    limit = int(sizes.max())
    window = max(5, limit // 20)
    at_end = int((sizes >= limit - slack).sum())
    below = int((sizes >= limit - slack - window).sum()) - at_end
    chance = (1 + slack) / (1 + slack + window)
    expected = (at_end + below) * chance
    if at_end < FEWEST_CUT or limit <= window:
        return limit, expected, 1.0
    return limit, expected, float(stats.binom.sf(at_end - 2, at_end + below - 1, chance))


def blurred_spike(sizes: NDArray[np.int64]) -> tuple[int, float, float, NDArray[np.int64]]:
    """As `spike`, for texts that were changed a little after they were cut: trimmed, unescaped, line ends rewritten.

    The limit is the most frequent length in the last twentieth of the lengths, and no more texts may be beyond it than
    at it. Compared is with the most frequent of the w lengths below: the larger of two equally likely lengths has a
    binomial tail at one half; times the lengths among which the limit was picked (Bonferroni). Also gives the lengths
    that count as cut: all beyond the limit, and those from w below it on that are too frequent (Poisson) for the
    median of these.
    """
    longest = int(sizes.max())
    first = longest - max(2, longest // 20)
    counts = np.bincount(np.maximum(sizes - first, -1) + 1)[1:]  # of the lengths first, first + 1, ... longest
    limit = first + len(counts) - 1 - int(counts[::-1].argmax())
    at_end, beyond = int(counts.max()), int((sizes > limit).sum())
    window = max(5, limit // 20)
    below = np.array([(sizes == length).sum() for length in range(limit - window, limit)])
    expected = float(np.median(below))
    if at_end < FEWEST_CUT or beyond > at_end or limit <= window:
        return limit, expected, 1.0, np.arange(limit, limit + 1)
    p = min(1.0, len(counts) * float(stats.binom.sf(at_end - 1, at_end + int(below.max()), 0.5)))
    frequent = stats.poisson.sf(below - 1, max(expected, 0.5)) < FALSE_RATE / window
    return (
        limit,
        expected,
        p,
        np.concatenate([np.arange(limit - window, limit)[frequent], np.arange(limit, longest + 1)]),
    )


def judged_ends(
    texts: pl.Series, at_end: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """The probability that texts at the greatest length end so unfinished by chance, and the shares that end without
    a sentence's end, and in a word the column does not have elsewhere: of these texts and of the others.

    Both by Fisher's exact test against texts of at least a quarter of the length, the smaller p twice (Bonferroni).
    """
    others = np.flatnonzero(~at_end & (4 * sizes >= sizes.max()))[:MOST_OTHERS]
    inside = np.flatnonzero(at_end)[:MOST_OTHERS]
    nothing = (float("nan"), float("nan"))
    if len(others) < FEWEST_CUT:
        return 1.0, nothing, nothing
    open_ends = (~texts.str.contains(ENDED) | texts.str.contains(TRAILING_OFF)).to_numpy()
    last = texts.str.to_lowercase().str.extract(LAST_WORD)
    both = np.concatenate([inside, others])
    body = texts.gather(both).str.to_lowercase().str.replace(LAST_WORD, "")
    vocabulary = body.str.extract_all(r"[\p{L}\p{M}\p{N}]+").explode().drop_nulls().unique()
    broken = (last.is_not_null() & ~last.is_in(vocabulary.to_list())).fill_null(False).to_numpy()
    found, chances = [], []
    for sign in (open_ends, broken):
        here, there = int(sign[inside].sum()), int(sign[others].sum())
        tested = stats.fisher_exact([[here, len(inside) - here], [there, len(others) - there]], alternative="greater")
        chances.append(float(tested.pvalue))
        found.append((here / len(inside), there / len(others)))
    return min(1.0, 2 * min(chances)), found[0], found[1]


def in_data(table: Table, column: str, cut: Cut) -> Finding:
    many = len(cut.positions)
    part = many / max(1, table.rows - table.column(column).null_count())
    where = f"{count(many)} of {count(table.rows)} texts of {column!r} ({share(part)})"
    if cut.inside:
        said = (
            f"{where} end after exactly {count(cut.limit)} {cut.unit}, many in mid-word, and others are longer: these "
            "were cut off."
        )
    elif cut.certain:
        said = f"{where} end after {count(cut.limit)} {cut.unit}, many in mid-sentence or mid-word: they were cut off."
    else:
        said = (
            f"{where} have {count(cut.limit)} {cut.unit} and hardly one has more: they may have been cut off at this "
            f"length."
        )
    return Finding(
        symptom="truncated_text",
        severity=min(1.0, part),
        message=said,
        measured={
            "kind": "data",
            "unit": cut.unit,
            "limit": cut.limit,
            "others_longer": cut.inside,
            "rows": many,
            "share": part,
            "expected": cut.expected,
            "p": cut.p,
            "p_of_ends": cut.p_ends,
            "unfinished": cut.unfinished[0],
            "unfinished_of_others": cut.unfinished[1],
            "broken_words": cut.broken[0],
            "broken_words_of_others": cut.broken[1],
        },
        threshold=FALSE_RATE,
        threshold_from="binomial tail against the lengths just below, and Fisher's exact test of the texts' ends",
        columns=(column,),
        rows=table.row_ids[cut.positions],
        certain=cut.certain,
    )


def by_model(table: Table, column: str, tokens: NDArray[np.int64], limit: int) -> Finding:
    rows = np.flatnonzero(tokens > limit)
    lost = (tokens[rows] - limit).astype(np.float64)
    order = np.argsort(-lost, kind="stable")
    filled = max(1, int((tokens > 0).sum()))
    part, text = len(rows) / filled, float(lost.sum() / tokens.sum())
    return Finding(
        symptom="truncated_text",
        severity=min(1.0, part),
        message=(
            f"The model reads the first {count(limit)} tokens of {column!r}: {count(len(rows))} of {count(filled)} "
            f"texts ({share(part)}) are longer, and {share(text)} of all text is never read."
        ),
        measured={
            "kind": "model",
            "limit": limit,
            "rows": len(rows),
            "share": part,
            "share_of_text": text,
            "longest": int(tokens.max()),
            "median": float(np.median(tokens[tokens > 0])),
        },
        threshold=float(limit),
        threshold_from="the most tokens that the recipe's model reads",
        columns=(column,),
        rows=table.row_ids[rows[order]],
        row_scores=lost[order],
    )
