"""Embeddings with sparse gradients beside dense ones: time of a step and memory, by how many values a column has.

    python benchmarks/methods/sparse_embedding.py
    python benchmarks/methods/sparse_embedding.py --quick

The same network, rows and steps: two numbers and a category column of so many values, trained with AdamW by the engine.
Every case runs in a process of its own, on one thread; its memory is the peak beyond what it held before training. The
score is the accuracy on rows of the same columns that were not trained on, so that speed is not bought with it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, number, options, part_asked, peak_mib

PROGRAM = "methods/sparse_embedding"


def measured(**asked: Any) -> dict[str, Any]:
    """What `trained` gives, and the memory that the process took beyond what it held with its libraries loaded."""
    import torch  # noqa: F401

    import melior.networks.fusion  # noqa: F401
    from melior.proofs.sparse_steps import trained

    before = peak_mib()
    return {**trained(**asked), "memory_mib": peak_mib() - before}


PARTS = {"measured": measured}


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    rows = []
    for key, one in cases.items():
        levels, kind = key.split(" | ")
        other = cases.get(f"{levels} | dense", {})
        ratio = other["cpu_ms_a_step"] / one["cpu_ms_a_step"] if other and kind == "sparse" else None
        rows.append((
            f"{int(levels):,}", kind, number(one["ms_a_step"], 2), number(one["cpu_ms_a_step"], 2),
            number(ratio, 1), number(one["memory_mib"], 0), number(one["table_mib"], 0), number(one["accuracy"]),
        ))  # fmt: skip
    headings = ("values", "gradients", "a step, ms", "of the processor, ms", "times as fast", "memory, MiB",
                "the table itself, MiB", "accuracy")  # fmt: skip
    return [Shown("A step by how many values a column has", headings, rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--levels", default="100,10000,100000,1000000", help="values of the column, commas between")


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.rows, given.steps, given.levels = 4000, 20, "100,20000"
    settings = {"rows": given.rows, "steps": given.steps, "batch": given.batch}
    results = Results(PROGRAM, "Embeddings with sparse gradients", given, settings)
    if not given.show:
        for levels in map(int, given.levels.split(",")):
            for sparse in (False, True):
                results.case(
                    f"{levels} | {'sparse' if sparse else 'dense'}",
                    lambda n=levels, s=sparse: fresh(PROGRAM, "measured", levels=n, sparse=s, **settings),
                )
    results.show(tables(results))


if __name__ == "__main__":
    main()
