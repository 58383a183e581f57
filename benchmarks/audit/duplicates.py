"""Near copies planted in real rows are found; how fast, and in how much memory.

    python benchmarks/audit/duplicates.py                     some minutes
    MELIOR_PEER=PYTHON python benchmarks/audit/duplicates.py  and datasketch, by an interpreter that has it and numpy
    python benchmarks/audit/duplicates.py --quick

texts    all reviews, and of a tenth of them a second row whose review was edited: of its words 5, 10 or 20 % were
         replaced by a word of another review, preceded by one, deleted, or swapped with the next, in turn at random
         (or one of these alone). All other columns are the same. Rows found are those that `duplicate_rows` names
numbers  tables, and of a tenth of their rows a second one whose numbers were rounded
speed    100,000 texts made from the reviews by recombining two to five of their sentences: groups by Melior from the
         texts on, with bands that it chooses; and from the same shingles on, with 128 permutations and the bands that
         datasketch chooses for 0.5, Melior's exact groups beside datasketch's candidates (signatures, index, queries);
         and both from the texts on, datasketch's shingles cut as its documentation does: words by a regular expression,
         a Python set of pairs of words, its own hash
million  a million texts of one or two sentences, in a fresh process

Precision counts what a table has without planting as false: reviews hold some real near copies.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, mean, number, options, part_asked, peak_mib

from melior.proofs.tables import SETS, TARGET, all_reviews

KINDS = ("replace", "insert", "delete", "swap")
SHARES = (0.05, 0.10, 0.20)
ROUNDINGS = {"2 decimals": ".2f", "1 decimal": ".1f", "3 digits": ".3g", "6 digits": ".6g"}
NUMBERS = ("wine", "breast_cancer", "mixed 3000")
Case = dict[str, Any]


def edited(text: str, share: float, kinds: tuple[str, ...], others: list[str], random: np.random.Generator) -> str:
    words = text.split()
    for _ in range(max(1, round(share * len(words)))):
        if len(words) < 2:
            break
        at, kind = int(random.integers(len(words))), kinds[random.integers(len(kinds))]
        if kind == "replace":
            words[at] = others[random.integers(len(others))]
        elif kind == "insert":
            words.insert(at, others[random.integers(len(others))])
        elif kind == "delete":
            del words[at]
        else:
            at = min(at, len(words) - 2)
            words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def found_in(frame: pl.DataFrame, planted: np.ndarray, seed: int) -> Case:
    """Row recall and precision of `duplicate_rows` against the planted rows (the copies and what they copy)."""
    from melior.checks.duplicate_rows import DuplicateRows
    from melior.trials.context import TableContext
    from melior.verbs.prepare import prepare

    ready = prepare(frame, target=TARGET, seed=seed)
    started = time.perf_counter()
    findings = DuplicateRows().measure(TableContext(ready.table, ready.recipe))
    seconds = time.perf_counter() - started
    rows = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(finding.rows for finding in findings)]))
    right = np.isin(rows, planted).sum()
    return {
        "rows": frame.height,
        "planted": len(planted),
        "named": len(rows),
        "recall": right / len(planted),
        "precision": right / len(rows) if len(rows) else None,
        "seconds": seconds,
    }


def texts_case(share: float, kinds: tuple[str, ...], seed: int, most: int) -> Case:
    random = np.random.default_rng([seed, 11])
    rows = all_reviews()
    frame = rows.frame.with_columns(pl.Series(TARGET, rows.labels.tolist())).drop_nulls("review")
    frame = frame.sample(min(most, frame.height), seed=seed)
    source = np.sort(random.choice(frame.height, frame.height // 10, replace=False))
    words = " ".join(frame["review"].sample(1000, seed=seed).to_list()).split()
    copies = [edited(frame["review"][int(row)], share, kinds, words, random) for row in source]
    whole = pl.concat([frame, frame[source].with_columns(pl.Series("review", copies))])
    return found_in(whole, np.concatenate([source, frame.height + np.arange(len(source))]), seed)


def numbers_case(name: str, how: str, seed: int) -> Case:
    random = np.random.default_rng([seed, 12])
    rows = SETS[name](seed)
    frame = rows.frame.with_columns(pl.Series(TARGET, rows.labels.tolist()))
    source = np.sort(random.choice(frame.height, max(5, frame.height // 10), replace=False))
    copies = frame[source]
    for column in rows.numbers():
        values = copies[column].cast(pl.Float64)
        changed = [None if value is None else float(format(value, ROUNDINGS[how])) for value in values]
        copies = copies.with_columns(pl.Series(column, changed, dtype=pl.Float64))
        frame = frame.with_columns(pl.col(column).cast(pl.Float64))
    differ = ~np.array([frame[int(row)].equals(copies[k : k + 1]) for k, row in enumerate(source)])
    planted = np.concatenate([source, frame.height + np.arange(len(source))])
    return {**found_in(pl.concat([frame, copies]), planted, seed), "changed": int(differ.sum())}


def recombined(rows: int, least: int, most: int) -> pl.Series:
    """Texts of `least` to `most` sentences of the reviews, drawn at random."""
    reviews = all_reviews().frame["review"].drop_nulls().to_list()
    sentences = [part for text in reviews for part in re.split(r"(?<=[.!?])\s+", text.strip()) if len(part) > 15]
    random = np.random.default_rng(0)
    sizes = random.integers(least, most + 1, rows)
    picked = random.integers(0, len(sentences), int(sizes.sum()))
    ends = np.cumsum(sizes)
    return pl.Series(
        [" ".join(sentences[at] for at in picked[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    )


def speed(rows: int, least: int, most: int) -> Case:
    """Melior from the texts on: seconds of wall clock and of processor, and the most memory, before and after."""
    from melior.texts.near import near_copies

    texts = recombined(rows, least, most)
    near_copies(texts[:100])  # what is loaded once
    before = most_memory()
    wall, busy = time.perf_counter(), time.process_time()
    found = near_copies(texts, 0.5)
    return {
        "rows": rows,
        "characters": float(texts.str.len_chars().mean()),  # type: ignore[arg-type]
        "shingles": float(found.sets.sizes.mean()),
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - busy,
        "peak_mib_before": before,
        "peak_mib": most_memory(),
        "grouped": sum(len(members) for members in found.clusters()),
    }


def same_bands(rows: int, bands: int, rows_of_band: int, folder: str) -> Case:
    """Melior from ready shingles on with datasketch's bands: signatures, candidates, exact similarity, groups."""
    from melior.texts.minhash import Bands
    from melior.texts.near import joined
    from melior.texts.shingles import shingles

    texts = recombined(rows, 2, 5)
    wall, busy = time.perf_counter(), time.process_time()
    sets = shingles(texts, "words", 2)
    cut, cut_busy = time.perf_counter() - wall, time.process_time() - busy
    weights = np.ones(len(sets.values), dtype=np.float32)
    told = sets.sizes > 0
    group, _ = joined(sets, weights, np.zeros(rows), told, 0.5, Bands(bands, rows_of_band), 0)
    seconds, busy = time.perf_counter() - wall - cut, time.process_time() - busy - cut_busy
    if folder:
        np.savez(Path(folder) / "shingles.npz", values=sets.values, starts=sets.starts)
    grouped = int((np.bincount(group)[group] > 1).sum())
    return {
        "seconds": seconds,
        "seconds_of_shingles": cut,
        "processor_seconds": busy,
        "processor_seconds_of_shingles": cut_busy,
        "grouped": grouped,
    }


PEER = """
import json, re, sys, time
import numpy as np
import datasketch
from datasketch import MinHash, MinHashLSH
made = np.load(sys.argv[1])
values, starts = made["values"], made["starts"]
sets = [values[a:b].astype(np.uint64) for a, b in zip(starts[:-1], starts[1:])]
wall, busy = time.perf_counter(), time.process_time()
same = lambda number: number  # the shingles are hashed already
sketches = list(MinHash.generator(sets, num_perm=128, hashfunc=same))
signed, signed_busy = time.perf_counter() - wall, time.process_time() - busy
index = MinHashLSH(threshold=0.5, num_perm=128)
with index.insertion_session() as session:
    for number, sketch in enumerate(sketches):
        session.insert(number, sketch, check_duplication=False)
found = sum(len(index.query(sketch)) - 1 for sketch in sketches)
whole, whole_busy = time.perf_counter() - wall, time.process_time() - busy
del sketches
texts = json.loads(open(sys.argv[2]).read())
begun, begun_busy = time.perf_counter(), time.process_time()
word = re.compile(r"\\w+")
cut = []
for text in texts:
    words = word.findall(text.lower())
    cut.append({f"{one} {two}".encode() for one, two in zip(words, words[1:])})
shingled, shingled_busy = time.perf_counter() - begun, time.process_time() - begun_busy
list(MinHash.generator(cut, num_perm=128))
hashed, hashed_busy = time.perf_counter() - begun, time.process_time() - begun_busy
print(json.dumps({"seconds": whole, "processor_seconds": whole_busy,
                  "seconds_of_shingles": shingled,
                  # cutting and signing by its own hash, and index and queries as above
                  "seconds_from_texts": hashed + whole - signed,
                  "processor_seconds_from_texts": hashed_busy + whole_busy - signed_busy,
                  "seconds_of_signatures": signed, "candidates": found, "bands": index.b, "rows_of_band": index.r,
                  "version": datasketch.__version__}))
"""


def peer(python: str, rows: int) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        # bands do not change the shingles; those of datasketch are known only after it has run
        fresh("audit/duplicates", "same_bands", rows=rows, bands=1, rows_of_band=12, folder=folder)
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps(recombined(rows, 2, 5).to_list()))
        command = [python, str(script), str(Path(folder) / "shingles.npz"), str(texts)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
    theirs = dict(json.loads(done.stdout.splitlines()[-1]))
    bands = {"bands": theirs["bands"], "rows_of_band": theirs["rows_of_band"]}
    ours = fresh("audit/duplicates", "same_bands", rows=rows, folder="", **bands)
    return {"rows": rows, "datasketch": theirs, "same_bands": ours, "times": theirs["seconds"] / ours["seconds"],
            "times_of_processor": theirs["processor_seconds"] / ours["processor_seconds"]}  # fmt: skip


PARTS = {"speed": speed, "same_bands": same_bands}


def shown(results: Results) -> list[Shown]:
    cases = results.finished()
    tables = []
    for title, start in (("Edited texts", "texts"), ("Rounded numbers", "numbers")):
        names = dict.fromkeys(key.rsplit(" | ", 1)[0] for key in cases if key.startswith(start))
        rows = []
        for name in names:
            own = [case for key, case in cases.items() if key.startswith(f"{name} | ")]
            rows.append(
                (
                    name.split(" | ", 1)[1],
                    f"{own[0]['rows']:,}",
                    f"{own[0]['planted']:,}",
                    number(mean([case["recall"] for case in own])),
                    number(min(case["recall"] for case in own)),
                    number(mean([case["precision"] for case in own])),
                    number(mean([case["seconds"] for case in own]), 1),
                )
            )
        if rows:
            headings = ("planted", "rows", "rows to find", "recall", "least recall", "precision", "seconds")
            tables.append(Shown(title, headings, rows))
    rows = [
        (key, f"{case['characters']:.0f}", f"{case['seconds']:.1f}", f"{case['processor_seconds']:.1f}",
         f"{case['peak_mib_before']:.0f}", f"{case['peak_mib']:.0f}")
        for key, case in cases.items() if key.startswith("speed")
    ]  # fmt: skip
    headings = ("texts", "characters each", "seconds", "of processor", "MiB before", "MiB at most")
    tables.append(Shown("From texts to groups, by a similarity of 0.5 and a miss rate of 1 %", headings, rows))
    compared = cases.get("peer")
    if compared is not None:
        theirs, ours = compared["datasketch"], compared["same_bands"]
        rows = [
            (f"datasketch {theirs['version']}: signatures, index, queries", f"{theirs['seconds']:.1f}",
             f"{theirs['processor_seconds']:.1f}"),
            ("Melior from the same shingles on: bands, exact similarity, groups", f"{ours['seconds']:.2f}",
             f"{ours['processor_seconds']:.2f}"),
            ("times", f"{compared['times']:.1f}", f"{compared['times_of_processor']:.1f}"),
            ("datasketch from the texts on", f"{theirs['seconds_from_texts']:.1f}",
             f"{theirs['processor_seconds_from_texts']:.1f}"),
            ("Melior from the texts on", f"{total(ours, 'seconds'):.2f}", f"{total(ours, 'processor_seconds'):.2f}"),
            ("times", f"{theirs['seconds_from_texts'] / total(ours, 'seconds'):.1f}",
             f"{theirs['processor_seconds_from_texts'] / total(ours, 'processor_seconds'):.1f}"),
            ("times, only Melior's cutting counted", f"{theirs['seconds'] / total(ours, 'seconds'):.1f}",
             f"{theirs['processor_seconds'] / total(ours, 'processor_seconds'):.1f}"),
        ]  # fmt: skip
        note = f"{compared['rows']:,} texts, {theirs['bands']} bands of {theirs['rows_of_band']} of 128 permutations"
        tables.append(Shown("Beside datasketch", ("what", "seconds", "of processor"), rows, note))
    return tables


def total(ours: Case, what: str) -> float:
    return float(ours[what] + ours[f"{what}_of_shingles"])


def most_memory() -> float:
    """MiB; of this process alone, where the system tells: what `peak_mib` gives begins with that of the parent."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    return int(found.group(1)) / 1024 if found else peak_mib()


def main() -> None:
    given = options(__doc__.splitlines()[0])
    other = os.environ.get("MELIOR_PEER")
    seeds = range(1 if given.quick else 3)
    most = 2000 if given.quick else 10**6
    Path(tempfile.gettempdir(), "melior-audit").mkdir(exist_ok=True)
    results = Results("audit/duplicates", "Near copies: found, and how fast", given, {"seeds": len(seeds)})
    if not given.show:
        for seed in seeds:
            for share in SHARES:
                results.case(f"texts | {share:.0%} of words | {seed}", lambda: texts_case(share, KINDS, seed, most))  # noqa: B023
            for kind in KINDS:
                results.case(f"texts | 10%, {kind} alone | {seed}", lambda: texts_case(0.1, (kind,), seed, most))  # noqa: B023
            for name in NUMBERS:
                for how in ROUNDINGS:
                    results.case(f"numbers | {name}, {how} | {seed}", lambda: numbers_case(name, how, seed))  # noqa: B023
        some, many = (2000, 5000) if given.quick else (100_000, 1_000_000)
        results.case(f"speed | {some:,}", lambda: fresh("audit/duplicates", "speed", rows=some, least=2, most=5))
        results.case(f"speed | {many:,} short", lambda: fresh("audit/duplicates", "speed", rows=many, least=1, most=2))
        if other:
            results.case("peer", lambda: peer(other, some))
    results.show(shown(results))


if __name__ == "__main__" and not part_asked(PARTS):
    main()
