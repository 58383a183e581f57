"""Faulty texts: garbled letters, nothing said, stand-ins for a text, HTML, control letters, boilerplate."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from melior.checks._base import Check, Context
from melior.checks._statistics import count, listed, share
from melior.checks.invalid_values import WORDS
from melior.data.table import Rows, Table
from melior.findings import Finding
from melior.texts.garbled import garbled
from melior.texts.passages import Passages, passages

STAND_INS = frozenset({
    "test", "tests", "testing", "test test", "teste", "prueba", "essai", "тест", "测试", "テスト", "테스트", "asdf",
    "abc", "abcd", "asd", "asdfgh", "asdfghjkl", "azerty", "bar", "baz", "bla", "bla bla", "bla bla bla", "blah",
    "blah blah", "blah blah blah", "dummy", "enter text here", "fixme", "foo", "foo bar", "foobar",
    "insert text here", "qwert", "qwerty", "qwertyuiop", "qwertz", "sample text", "some text", "tba", "text here",
    "to be done", "todo", "your text here", "123", "1234", "12345", "123456",
})  # fmt: skip
LOREM = r"(?i)\blorem ipsum\b|\bconsectetur adipisci"
TAGS = (
    "a|abbr|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code|col|dd|div|dl|dt|em|figure|"
    "font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|main|meta|nav|ol|option|p|pre|script|"
    "section|select|small|span|strike|strong|style|sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|u|ul|video"
)
MARKUP = (
    rf"(?i)</(?:{TAGS})\s*>|<(?:br|hr|p|div|img|span|table|tr|td|li|ul|ol|h[1-6])(?:\s[^<>]*)?/?>"
    rf"|<(?:{TAGS})\s+[a-z-]+\s*=[^<>]*>|&(?:amp|lt|gt|quot|apos|nbsp|copy|reg|hellip|[lr]s?dquo|[lr]squo|[mn]dash|"
    rf"[aeiouAEIOU](?:uml|acute|grave|circ|tilde)|[nN]tilde|[cC]cedil|szlig|euro|#\d{{2,6}}|#x[0-9a-f]{{2,5}});"
)
# not: tab and line ends, joiners and direction marks, soft hyphens
CONTROL = (
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\u2028\u2029\u202d\u202e\u2061-\u2064\ufff9-\ufffb\ue000-\uf8ff\ufeff]"
)
# invisible ones that some scripts need: spaces of no width between words, and directions set within a line
INVISIBLE = "[\u200b\u2060\u202a-\u202c\u2066-\u2069]"
NEEDED = r"[\p{Khmer}\p{Myanmar}\p{Thai}\p{Lao}\p{Tibetan}\p{Hebrew}\p{Arabic}]"
SAID = r"[\p{L}\p{N}\p{So}\p{Sc}\p{Co}]"
FEWEST_SHARING = 5
RAREST_PASSAGE = 0.01
SHOWN = 20  # repaired texts that a finding brings along
FROM = {
    "garbled": "letters that only decode together; 2 of 143,416 texts of clean columns have such",
    "blank": "no letter, digit or symbol",
    "stand_in": "known stand-ins, or one letter again and again",
    "markup": "tags and entities of HTML",
    "control": "control letters, private and invisible ones that no script needs",
    "passage": "twelve words in the same order in 1 % of the texts and in five; no review of 22,641 shares so many",
}


@dataclass(frozen=True)
class Faults:
    """Texts of one column with one fault, and one of them, shortened, for messages."""

    column: str
    positions: Rows
    shown: str
    more: dict[str, Any]


class FaultyText(Check):
    """Six kinds of faulty texts, one finding each; placeholders such as "n/a" are left to `invalid_values`.

    garbled   letters of one encoding read as another ("cafÃ©"), or lost (�); with what they were, where it can be told
    blank     empty, white space or punctuation only; missing texts are none
    stand_in  "test", "asdf", filler Latin, or one letter four times and more
    markup    HTML tags and entities; a suspicion where most texts have them
    control   control letters, invisible and private ones
    passage   the same passage of twelve words and more in 1 % of the texts, five at least, that differ otherwise

    Severity is the share of the worst column's texts, times five; for passages the share of the column's words.
    """

    symptoms = frozenset({"invalid_values"})
    reads = frozenset({"text"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        found: dict[str, list[Faults]] = {kind: [] for kind in FROM}
        findings = []
        for column in table.of_kind("text"):
            for kind, faults in faults_of(column, table.column(column)).items():
                found[kind].append(faults)
            texts = table.column(column)
            shared = passages(texts, max(FEWEST_SHARING, fewest(texts)), context.seed)
            if shared is not None:
                findings.append(boilerplate(table, column, shared))
        return [*(finding(table, kind, faults) for kind, faults in found.items() if faults), *findings]


def fewest(texts: pl.Series) -> int:
    """How many texts a passage must stand in."""
    return int(np.ceil(RAREST_PASSAGE * min(20_000, texts.n_unique())))


def faults_of(column: str, texts: pl.Series) -> dict[str, Faults]:
    """Kind -> the texts of a column that have this fault. A text counts once, under the first of its faults.

    >>> sorted(faults_of("note", pl.Series(["fine", "cafÃ©", "...", "asdf", "a<br>b", "n/a", None])))
    ['blank', 'garbled', 'markup', 'stand_in']
    """
    texts = texts.cast(pl.String)
    folded = texts.str.strip_chars().str.to_lowercase()
    broken = garbled(texts)
    masks = {
        "garbled": np.isin(np.arange(len(texts)), broken.positions),
        "blank": _true(~texts.str.contains(SAID) & ~folded.is_in(sorted(WORDS))),
        "stand_in": _true(folded.is_in(sorted(STAND_INS)) | texts.str.contains(LOREM)) | _one_letter(folded),
        "markup": _true(texts.str.contains(MARKUP)),
        "control": _true(texts.str.contains(CONTROL) | (texts.str.contains(INVISIBLE) & ~texts.str.contains(NEEDED))),
    }
    found = {}
    taken = np.zeros(len(texts), dtype=bool)
    for kind, mask in masks.items():
        positions = np.flatnonzero(mask & ~taken)
        taken |= mask
        if not len(positions):
            continue
        first = int(positions[0])
        more: dict[str, Any] = {}
        shown = around(texts[first], {"markup": MARKUP, "control": f"{CONTROL}|{INVISIBLE}"}.get(kind, ""))
        if kind == "garbled":
            again = {
                int(p): text for p, text in zip(broken.positions, broken.repaired, strict=True) if text is not None
            }
            more = {"repairable": len(again), "repaired": dict(list(again.items())[:SHOWN])}
            if again:
                first, right = next(iter(again.items()))
                shown = " for ".join(differing(texts[first], right))
            else:
                shown = around(texts[first], "\ufffd")
        found[kind] = Faults(column, positions, shown, more)
    return found


def _true(mask: pl.Series) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return mask.fill_null(False).to_numpy().astype(bool)


def _one_letter(folded: pl.Series) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Texts of one letter four times and more."""
    found = np.zeros(len(folded), dtype=bool)
    short = np.flatnonzero(_true(folded.str.len_chars().is_between(4, 200) & folded.str.contains(r"^\p{L}+$")))
    texts = folded.gather(short).to_list()
    found[short] = [len(set(text)) == 1 for text in texts]
    return found


def around(text: str, pattern: str, most: int = 40) -> str:
    """A piece of a text around what a pattern finds, in quotation marks, invisible letters made visible."""
    match = re.search(pattern, text)
    begin = max(0, match.start() - most // 2) if match else 0
    piece = text[begin : begin + most]
    return repr(f"{'…' if begin else ''}{' '.join(piece.split(' '))}{'…' if begin + most < len(text) else ''}")


def differing(bad: str, right: str, most: int = 24) -> tuple[str, str]:
    """The words of two texts around the first letter in which they differ."""
    at = next((k for k, (a, b) in enumerate(zip(bad, right, strict=False)) if a != b), min(len(bad), len(right)))
    begin = max(bad.rfind(" ", 0, at) + 1, at - most // 2)
    return tuple(repr(text[begin : begin + most].split(" ")[0]) for text in (bad, right))  # type: ignore[return-value]


def finding(table: Table, kind: str, faults: list[Faults]) -> Finding:
    faults = sorted(faults, key=lambda one: (-len(one.positions), one.column))
    worst = faults[0]
    many = len(worst.positions)
    part = many / len(table)
    where = f"{count(many)} of {count(len(table))} texts of {worst.column!r} ({share(part)})"
    said = {
        "garbled": f"{where} hold garbled letters, such as {worst.shown}: they were read in the wrong encoding.",
        "blank": f"{where} say nothing: they are empty, or white space and punctuation only.",
        "stand_in": f"{where} are stand-ins and no real texts, such as {worst.shown}.",
        "markup": f"{where} hold HTML tags or entities, which a model takes for words.",
        "control": f"{where} hold control or invisible letters, such as in {worst.shown}.",
    }[kind]
    names = [one.column for one in faults]
    also = f" Also in {listed(names[1:])}." if len(names) > 1 else ""
    rows = np.unique(np.concatenate([one.positions for one in faults]))
    measured: dict[str, Any] = {
        "kind": kind,
        "rows": len(rows),
        "share": len(rows) / len(table),
        "texts": {one.column: len(one.positions) for one in faults},
        "examples": {one.column: one.shown for one in faults},
    }
    if kind == "garbled":
        measured["repairable"] = {one.column: one.more["repairable"] for one in faults}
        measured["repaired"] = {
            one.column: {int(table.row_ids[p]): text[:500] for p, text in one.more["repaired"].items()}
            for one in faults
        }
    return Finding(
        symptom="invalid_values",
        severity=min(1.0, 5 * part),
        message=said + also,
        measured=measured,
        threshold_from=FROM[kind],
        columns=tuple(names),
        rows=table.row_ids[rows],
        certain=kind != "markup" or part <= 0.5,
    )


def boilerplate(table: Table, column: str, found: Passages) -> Finding:
    words = found.longest.split()
    short = " ".join(words[:8])[:60]
    sample = "" if len(found.looked) >= table.column(column).n_unique() - 1 else (
        f" Looked at was a sample of {count(len(found.looked))} texts."
    )  # fmt: skip
    return Finding(
        symptom="invalid_values",
        severity=min(1.0, found.share),
        message=(
            f"{count(len(found.positions))} texts of {column!r} share a passage word for word with many others, such "
            f"as {short + '…'!r} in {count(found.texts)}: {share(found.share)} of all words are boilerplate.{sample}"
        ),
        measured={
            "kind": "passage",
            "rows": len(found.positions),
            "share": len(found.positions) / len(found.looked),
            "share_of_words": found.share,
            "passage": found.longest[:500],
            "texts_with_it": found.texts,
            "rows_looked_at": len(found.looked),
        },
        threshold=RAREST_PASSAGE,
        threshold_from=FROM["passage"],
        columns=(column,),
        rows=table.row_ids[found.positions],
        row_scores=found.shares,
    )
