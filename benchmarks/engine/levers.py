"""Rows per second on texts of mixed length, one lever at a time, beside HF Trainer with its defaults.

    python benchmarks/engine/levers.py
    MELIOR_PEER=PYTHON python benchmarks/engine/levers.py   with HF Trainer, by an interpreter that has accelerate
    python benchmarks/engine/levers.py --quick

A small BERT of transformers (4 layers, width 128) on generated texts whose lengths are lognormal, as those of real
texts are; eight rows a step, AdamW, a falling rate, one epoch: what Trainer does unless told otherwise (it pads each
batch to its longest row and shuffles). Each lever is one setting changed against the row above it that is named. Every
case runs in a fresh process, `--repeats` times; medians. The loss is on rows put aside, after the epoch; the seconds
are of the whole epoch, compiling included. Wanted: 1.5 times the rows per second of Trainer, at the same loss.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import HERE, ROOT, Results, Shown, fresh, median, number, options, part_asked, peak_mib

BATCH_ROWS = 8
LEVERS: dict[str, dict[str, Any]] = {
    "engine, plain": {"by_length": False, "precision": "float32"},
    "+ rows by length": {"by_length": True, "precision": "float32"},
    "+ by length, what is fast here (auto)": {"by_length": True, "precision": "auto"},
    "+ by length, bfloat16": {"by_length": True, "precision": "bfloat16"},
    "+ by length, compile": {"by_length": True, "precision": "float32", "compile": True},
    "+ by length, blocks computed again": {"by_length": True, "precision": "float32", "activation_checkpointing": True},
    "+ by length, 32 rows a step": {"by_length": True, "precision": "float32", "batch_rows": 32},
}
TRAINER = "HF Trainer, its defaults"

PEER = """
import json, sys, time, resource
sys.path[:0] = [FOLDER, SOURCES]
import numpy as np, torch
torch.set_num_threads(THREADS)
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments
from rows import Texts, encoder
source, held = Texts(ROWS), Texts(ROWS // 4, seed=1)

class Rows(Dataset):
    def __init__(self, texts):
        self.texts = texts
    def __len__(self):
        return len(self.texts)
    def __getitem__(self, place):
        return place

def collated(texts):
    def collate(places):
        batch = texts.batch(np.array(places))
        return {**batch.inputs, "labels": batch.labels}
    return collate

module = encoder(source.words, source.longest)
arguments = TrainingArguments(output_dir=OUT, num_train_epochs=1, report_to="none", learning_rate=3e-4, use_cpu=CPU,
                              remove_unused_columns=False, disable_tqdm=True)
trainer = Trainer(module, arguments, train_dataset=Rows(source), data_collator=collated(source))
begin = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
module.eval()
total = 0.0
with torch.no_grad():
    for start in range(0, len(held), 32):
        batch = held.batch(np.arange(start, min(start + 32, len(held))))
        batch = batch.to(next(module.parameters()).device)
        logits = module(**batch.inputs).logits.float()
        total += float(torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum"))
print(json.dumps({"seconds": seconds, "loss": total / len(held), "peak_mib": peak, "padding": None,
                  "batch_rows": arguments.per_device_train_batch_size}))
"""


def trained(lever: dict[str, Any], rows: int, threads: int) -> dict[str, Any]:
    """One epoch of the engine, with these settings."""
    import torch
    from rows import Texts, encoder

    from melior.engine.loop import scores, train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training

    torch.set_num_threads(threads)
    source, held = Texts(rows), Texts(rows // 4, seed=1)
    settings = Training(**{"epochs": 1, "batch_rows": BATCH_ROWS, "learning_rate": 3e-4, "compile": False, **lever})
    module, marks = encoder(source.words, source.longest), [0.0, 0.0]

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        marks[1] = time.perf_counter()

    marks[0] = time.perf_counter()
    found = train(module, source, class_loss, settings, progress=progress)
    peak = peak_mib()
    steps = [line for line in found.history if line["kind"] == "step"]
    logits = torch.from_numpy(scores(module, held, settings.model_copy(update={"precision": "float32"})))
    return {
        "seconds": marks[1] - marks[0],
        "loss": float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(held.labels))),
        "padding": sum(line["padding"] for line in steps) / len(steps),
        "peak_mib": peak,
        "batch_rows": settings.batch_rows,
        "said": found.notes[0],
        "notes": found.notes[1:],
    }


def by_trainer(rows: int, threads: int, python: str, cpu: bool = True) -> dict[str, Any]:
    import tempfile

    with tempfile.TemporaryDirectory() as out:
        given = {"ROWS": rows, "THREADS": threads, "OUT": out, "CPU": cpu, "FOLDER": str(HERE / "engine"),
                 "SOURCES": str(ROOT / "src")}  # fmt: skip
        head = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        done = subprocess.run([python, "-c", head + PEER], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


PARTS = {"trained": trained}


def repeated(make: Any, repeats: int, rows: int) -> dict[str, Any]:
    runs = [make() for _ in range(repeats)]
    seconds = median([one["seconds"] for one in runs])
    every = [one["seconds"] for one in runs]
    return {**runs[-1], "seconds": seconds, "rows_per_second": rows / seconds, "all_seconds": every}


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    base = cases.get(TRAINER, {}).get("rows_per_second")
    plain = cases.get("engine, plain", {}).get("rows_per_second")
    rows = [
        (
            key, str(one["batch_rows"]), number(one["seconds"], 1), number(one["rows_per_second"], 1),
            number(one["rows_per_second"] / base if base else None, 2),
            number(one["rows_per_second"] / plain if plain else None, 2), number(one["loss"], 3),
            "–" if one["padding"] is None else f"{one['padding']:.0%}", number(one["peak_mib"], 0),
        )
        for key, one in cases.items()
    ]  # fmt: skip
    headings = ("case", "rows a step", "seconds an epoch", "rows a second", "times Trainer", "times plain",
                "loss on other rows", "padding", "peak, MiB")  # fmt: skip
    said = next((one["said"] for key, one in cases.items() if "auto" in key), "")
    note = f"Wanted: 1.5 times Trainer at the same loss and rows a step. Auto is {said}."
    note += "" if base else " Trainer: not measured."
    return [Shown("Rows per second, one lever at a time", headings, rows, note)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.rows, given.repeats = 160, 1
    settings = {"rows": given.rows, "repeats": given.repeats, "threads": given.threads}
    results = Results("engine/levers", "Rows per second, one lever at a time", given, settings)
    if not given.show:
        same = {"rows": given.rows, "threads": given.threads}
        peer = os.environ.get("MELIOR_PEER")
        if peer:
            results.case(TRAINER, lambda: repeated(lambda: by_trainer(python=peer, **same), given.repeats, given.rows))
        for name, lever in LEVERS.items():
            results.case(
                name,
                lambda one=lever: repeated(
                    lambda: fresh("engine/levers", "trained", lever=one, **same), given.repeats, given.rows
                ),
            )
    results.show(tables(results))


if __name__ == "__main__":
    main()
