"""How much memory a wide sparse table takes from the texts to the fitted model, and what dense matrices would take.

    python benchmarks/methods/sparse_path.py             a million short texts, 100,000 terms: wanted in 24 GiB
    python benchmarks/methods/sparse_path.py --quick

The texts are those of defaults.py. Each case runs in a process of its own, so that its peak is its own; the peak is
told as it is, texts, libraries and all, and beyond what the process held with its texts read and its libraries loaded.

The dense attempt takes the encoded rows of a slice, makes them dense, and fits the same model on them. What a dense
matrix of all rows would be is computed, not tried.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, number, options, part_asked, peak_mib
from defaults import held, texts_of

PROGRAM = "methods/sparse_path"
GIB = 1024
WANTED = 24 * GIB  # MiB


def table_of(rows: int, words: int) -> tuple[Any, Any, float]:
    """Training rows as a table, the last tenth as another, and the MiB of the texts."""
    from melior.data.read import read

    texts, answers = texts_of(rows, words, 0)
    size = sum(map(len, texts)) / 2**20
    frame = pl.DataFrame({"text": texts, "answer": answers.tolist()})
    del texts
    table = read(frame, target="answer", columns={"text": "text"})
    cut = rows - rows // 10
    return table.take(np.arange(cut)), table.take(np.arange(cut, rows)), size


def whole(rows: int, words: int, terms: int, method: str) -> dict[str, Any]:
    """From the texts to a fitted predictor, with a method or without."""
    from melior.recipe import Recipe
    from melior.trials.fit import fit
    from melior.trials.threads import cores, one_thread_each

    train, test, size = table_of(rows, words)
    model = {"linear": {"most_terms": terms, "characters": False}}
    recipe = Recipe.checked(
        {"model": model, "methods": [method] if method else [], "metric": "accuracy", "seed": 0}, "benchmark"
    )
    before = held()
    started = time.perf_counter()
    with one_thread_each():
        predictor = fit(recipe, train, threads=cores())
    seconds, peak = time.perf_counter() - started, peak_mib()
    encoding = predictor.scorer.encoding  # type: ignore[attr-defined]
    matrix = encoding.encoder.transform(train.take(np.arange(min(train.rows, 20_000))))
    entries = matrix.values.nnz / matrix.rows
    right = float(np.mean(predictor.answers(test) == test.given_labels()))
    return {
        "rows": train.rows, "features": matrix.features, "entries_a_row": entries, "seconds": seconds,
        "accuracy": right,
        "peak_mib": peak, "before_mib": before, "texts_mib": size,
        "sparse_mib": 12 * entries * train.rows / 2**20, "dense_mib": 8 * matrix.features * train.rows / 2**20,
    }  # fmt: skip


def slice_of(rows: int, words: int, terms: int, dense: bool) -> dict[str, Any]:
    """Encoded rows of a slice, made dense or left as they are, and a fit on them."""
    from dataclasses import replace

    from melior.models.linear import Linear
    from melior.trials.threads import cores, one_thread_each

    train, _, size = table_of(rows, words)
    model = Linear(most_terms=terms, characters=False)
    encoder = model.encoder(train, scaled=False).fit(train, 0)
    matrix = encoder.transform(train)
    before = held()
    started = time.perf_counter()
    if dense:
        matrix = replace(matrix, values=matrix.dense())
    with one_thread_each():
        model.fit(matrix, train.given_labels(), None, 2, seed=0, threads=cores())
    return {
        "rows": train.rows, "features": matrix.features, "seconds": time.perf_counter() - started,
        "peak_mib": peak_mib(), "before_mib": before, "texts_mib": size,
        "dense_mib": 8 * matrix.features * train.rows / 2**20,
    }  # fmt: skip


PARTS = {"whole": whole, "slice_of": slice_of}
METHODS = ("", "l1_selection", "sparse_augmentation")


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    rows = [
        (key.split(" | ")[1], f"{one['rows']:,}", f"{one['features']:,}", number(one["entries_a_row"], 1),
         number(one["seconds"], 0), number(one["accuracy"]), number(one["peak_mib"], 0),
         number(one["peak_mib"] - one["before_mib"], 0), number(one["dense_mib"] / GIB, 1),
         "yes" if one["peak_mib"] <= WANTED else "NO")
        for key, one in cases.items()
        if key.startswith("whole")
    ]  # fmt: skip
    slices = [
        (key.split(" | ")[1], f"{one['rows']:,}", f"{one['features']:,}", number(one["seconds"], 1),
         number(one["peak_mib"] - one["before_mib"], 0), number(one["dense_mib"], 0))
        for key, one in cases.items()
        if key.startswith("slice")
    ]  # fmt: skip
    return [
        Shown(
            "From texts to a fitted model",
            ("what", "training rows", "terms", "terms a row", "seconds", "accuracy", "peak, MiB", "beyond texts, MiB",
             "a dense matrix would be, GiB", "within 24 GiB"),
            rows,
        ),
        Shown(
            "A slice, as it is and made dense",
            ("matrix", "rows", "terms", "seconds", "memory of the fit, MiB", "one dense matrix is, MiB"),
            slices,
        ),
    ]  # fmt: skip


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=100_000, help="different words in the texts")
    parser.add_argument("--terms", type=int, default=100_000, help="terms that are kept")
    parser.add_argument("--slice", type=int, default=6000, help="texts of the dense attempt")


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.texts, given.words, given.terms, given.slice = 3000, 2000, 3000, 1000
    settings = {"texts": given.texts, "words": given.words, "terms": given.terms, "slice": given.slice}
    results = Results(PROGRAM, "Sparse from texts to the fitted model", given, settings)
    if not given.show:
        for method in METHODS:
            name = method or "linear"
            asked = {"rows": given.texts, "words": given.words, "terms": given.terms, "method": method}
            results.case(f"whole | {name}", lambda a=asked: fresh(PROGRAM, "whole", **a))
        for dense in (False, True):
            asked = {"rows": given.slice, "words": given.words, "terms": given.terms, "dense": dense}
            name = "dense" if dense else "sparse"
            results.case(f"slice | {name}", lambda a=asked: fresh(PROGRAM, "slice_of", **a))
    notes = [
        "Generated texts of eight to sixteen words; words and pairs of words that stand in two rows are terms.",
        "Peaks are of whole processes; what a dense matrix of all rows would be is computed from its shape.",
    ]
    results.show(tables(results), notes)


if __name__ == "__main__":
    main()
