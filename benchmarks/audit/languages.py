"""Languages, garbled letters and cut texts on manual pages and message catalogues in more than fifty languages.

    python benchmarks/audit/languages.py --peers peers/bin/python

Truth is the folder in which Debian keeps a text. Paragraphs that stand in several languages' folders, and those with
English function words in another language's, are untranslated and left out. See language_peers.py for the peers.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import polars as pl
from common import Results, Shown, number, options

from melior.checks.faulty_text import faults_of, fewest
from melior.checks.truncated_text import cut_texts
from melior.proofs import debian
from melior.texts.garbled import garbled
from melior.texts.languages import LANGUAGES, identify, mixtures
from melior.texts.passages import passages

AS = {"nb": "no", "nn": "no", "bs": "hr", "dz": "bo", "wuu": "zh", "yue": "zh"}
ENGLISH = re.compile(r"\b(?:the|of|is|to|and|this|that|for|be)\b")
FEWEST = 40
BANDS = ((0.8, 0.9), (0.9, 0.99), (0.99, 1.01))
WRONG_READING = ("latin-1", "cp1252", "gbk")


def own(code: str) -> str:
    return AS.get(code, code)


@cache
def texts(size: str, most: int) -> dict[str, list[str]]:
    """Language -> texts, of known languages with enough of them."""
    if size == "sentence":
        found = debian.messages()
    else:
        found = debian.paragraphs()
        times = Counter(text for many in found.values() for text in many)
        found = {
            code: [t for t in many if times[t] == 1 and (code == "en" or len(ENGLISH.findall(t)) < 4)]
            for code, many in found.items()
        }
    draw = random.Random(0)
    return {
        code: draw.sample(many, min(most, len(many)))
        for code, many in found.items()
        if len(many) >= FEWEST and own(code) in LANGUAGES
    }


def flat(size: str, most: int) -> tuple[list[str], list[str]]:
    pairs = [(text, own(code)) for code, many in texts(size, most).items() for text in many]
    return [text for text, _ in pairs], [code for _, code in pairs]


# ---- identification


def together(size: str, most: int) -> dict[str, Any]:
    """All languages in one column: each text is judged nearly by itself, as the peers judge it."""
    column, truth = flat(size, most)
    series = pl.Series(column)
    identify(series.head(10))  # reads the model
    started = time.process_time()
    found = identify(series, most=len(column))
    seconds = time.process_time() - started
    said = found.names()
    sure = np.array([a == b for a, b in zip(said, truth, strict=True)])
    bands = {
        f"{low} to {min(high, 1)}": [int(inside.sum()), float(sure[inside].mean()) if inside.any() else None]
        for low, high in BANDS
        for inside in [(found.confidence >= low) & (found.confidence < high)]
    }
    return {**scored(said, truth), "seconds_per_100k": 1e5 * seconds / len(column), "calibration": bands}


def apart(size: str, most: int) -> dict[str, Any]:
    """A column for each language, as in a real table."""
    said: list[str] = []
    column, truth = flat(size, most)
    started = time.process_time()
    for many in texts(size, most).values():
        said += identify(pl.Series(many)).names()
    return {**scored(said, truth), "seconds_per_100k": 1e5 * (time.process_time() - started) / len(column)}


def peer(name: str, python: str, size: str, most: int) -> dict[str, Any]:
    column, truth = flat(size, most)
    program = Path(__file__).with_name("language_peers.py")
    done = subprocess.run([python, program, name], input=json.dumps(column), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    said = [own(code) for code in answer["languages"]]
    return {**scored(said, truth), "seconds_per_100k": 1e5 * answer["seconds"] / len(column)}


def scored(said: list[str], truth: list[str]) -> dict[str, Any]:
    right: dict[str, list[bool]] = {}
    for one, other in zip(said, truth, strict=True):
        right.setdefault(other, []).append(one == other)
    named = [(one, other) for one, other in zip(said, truth, strict=True) if one != "unknown"]
    by_language = {code: float(np.mean(hits)) for code, hits in sorted(right.items())}
    return {
        "texts": len(said),
        "languages": len(by_language),
        "right": float(np.mean(list(by_language.values()))),
        "right_known": float(np.mean([part for part in by_language.values() if part > 0])),
        "unknown": 1 - len(named) / len(said),
        "wrong_of_named": float(np.mean([one != other for one, other in named])) if named else None,
        "by_language": by_language,
    }


# ---- mixed texts, garbled letters, and what is called faulty in clean columns


def mixed(most: int) -> dict[str, Any]:
    """Two English sentences and two of another language in one text; beside them such texts of one language."""
    many = texts("sentence", most)
    hits = of = 0
    false = clean = 0
    for code, own_texts in many.items():
        if code == "en":
            continue
        pairs = min(len(own_texts), len(many["en"])) // 2
        a, b = own_texts[: 2 * pairs], many["en"][: 2 * pairs]
        planted = [f"{b[2 * k]}.\n{a[2 * k]}.\n{b[2 * k + 1]}.\n{a[2 * k + 1]}." for k in range(pairs)]
        alone = [f"{a[2 * k]}.\n{a[2 * k + 1]}." for k in range(pairs)]
        found = mixtures(pl.Series(alone + planted)).positions
        hits, of = hits + int((found >= pairs).sum()), of + pairs
        false, clean = false + int((found < pairs).sum()), clean + pairs
    return {"planted": of, "found": hits / of, "clean": clean, "false": false / clean}


def read_wrongly(most: int) -> dict[str, Any]:
    """Texts with letters beyond ASCII, as UTF-8 read in another encoding."""
    found = {}
    for encoding in WRONG_READING:
        originals, bad = [], []
        for many in texts("sentence", most).values():
            for text in many:
                try:
                    read = text.encode().decode(encoding)
                except UnicodeDecodeError:
                    continue
                if read != text:
                    originals.append(text)
                    bad.append(read)
        answer = garbled(pl.Series(bad))
        right = [r == originals[p] for p, r in zip(answer.positions.tolist(), answer.repaired, strict=True)]
        found[encoding] = {"texts": len(bad), "found": len(right) / len(bad), "repaired": sum(right) / len(bad)}
    return found


def calm(most: int) -> dict[str, Any]:
    """Rows of clean columns that are flagged, by kind; every language and size is a column."""
    flagged: Counter[str] = Counter()
    rows = columns = 0
    started = time.process_time()
    for size in ("sentence", "paragraph"):
        for many in texts(size, most).values():
            series = pl.Series(many)
            rows, columns = rows + len(many), columns + 1
            for kind, faults in faults_of("text", series).items():
                flagged[kind] += len(faults.positions)
            shared = passages(series, max(5, fewest(series)))
            flagged["passage"] += 0 if shared is None else len(shared.positions)
            cut = cut_texts(series)
            flagged["truncated"] += 0 if cut is None else len(cut.positions)
    seconds = time.process_time() - started
    return {"columns": columns, "rows": rows, "flagged": dict(flagged), "seconds_per_100k": 1e5 * seconds / rows}


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--peers", help="a Python that has the peer libraries")
        parser.add_argument("--most", type=int, default=300, help="texts of a language")
        parser.add_argument("--lingua-most", type=int, default=60, help="texts of a language for the slow peer")

    asked = options(__doc__.splitlines()[0], add)
    most = 40 if asked.quick else asked.most
    few = 20 if asked.quick else asked.lingua_most
    if asked.peers:  # the recorded command names no folder of this machine
        sys.argv = ["peers/bin/python" if word == asked.peers else word for word in sys.argv]
    results = Results("audit/languages", "Languages and faults of texts", asked, {"most": most, "lingua_most": few})
    if not asked.show:
        for size in ("sentence", "paragraph"):
            results.case(f"melior, one column, {size}", lambda size=size: together(size, most))
            results.case(f"melior, a column a language, {size}", lambda size=size: apart(size, most))
            if asked.peers:
                results.case(f"fasttext, {size}", lambda size=size: peer("fasttext", asked.peers, size, most))
                results.case(f"lingua, {size}", lambda size=size: peer("lingua", asked.peers, size, few))
        results.case("mixed texts", lambda: mixed(most))
        results.case("garbled letters", lambda: read_wrongly(most))
        results.case("clean columns", lambda: calm(10 * most))
        results.case("packages", lambda: {"packages": debian.versions()})
    results.show(shown(results.finished()))


def shown(cases: dict[str, dict[str, Any]]) -> list[Shown | None]:
    named = {key: case for key, case in cases.items() if "by_language" in case}
    total = Shown(
        "Languages named",
        ("who and what", "texts", "languages", "right", "right, known", "unknown", "wrong of named", "s / 100,000"),
        [
            (key, f"{c['texts']:,}", str(c["languages"]), number(c["right"]), number(c["right_known"]),
             number(c["unknown"]), number(c["wrong_of_named"], 4), number(c["seconds_per_100k"], 1))
            for key, c in named.items()
        ],
        "Right: a mean over languages, an unknown is not right; known: languages of which one text was named.",
    )  # fmt: skip
    codes = sorted({code for case in named.values() for code in case["by_language"]})
    each = Shown("By language", ("language", *named), [
        (code, *(number(case["by_language"].get(code), 2) for case in named.values())) for code in codes
    ])  # fmt: skip
    sure = Shown("Confidence and how often it is right", ("case", "confidence", "texts", "right"), [
        (key, band, f"{many:,}", number(part, 4))
        for key, case in named.items() for band, (many, part) in case.get("calibration", {}).items()
    ])  # fmt: skip
    rest = []
    if "mixed texts" in cases:
        m = cases["mixed texts"]
        rest.append(("mixed texts, found", f"{m['planted']:,}", number(m["found"])))
        rest.append(("texts of one language, called mixed", f"{m['clean']:,}", number(m["false"], 4)))
    for encoding, g in cases.get("garbled letters", {}).items():
        if isinstance(g, dict):
            rest.append((f"UTF-8 read as {encoding}, found", f"{g['texts']:,}", number(g["found"])))
            rest.append((f"UTF-8 read as {encoding}, repaired", f"{g['texts']:,}", number(g["repaired"])))
    if "clean columns" in cases:
        clean = cases["clean columns"]
        for kind, rows in sorted(clean["flagged"].items()):
            rest.append(
                (f"clean columns ({clean['columns']}), {kind}", f"{clean['rows']:,}", number(rows / clean["rows"], 5))
            )
    return [total, sure, Shown("Faults", ("what", "texts", "share"), rest) if rest else None, each]


if __name__ == "__main__":
    main()
