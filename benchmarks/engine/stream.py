"""Training a language model from tokens on disk beside rows in memory: rows a second, and the most memory held.

    python benchmarks/engine/stream.py
    python benchmarks/engine/stream.py --quick

Generated texts (words by a Zipf law) in a JSONL file; the same tokenizer and small model from nothing. Each way in a
process of its own that reads the file, makes tokens of it, and trains some steps; then batches of random rows are
collated without training. Seconds are those of the processor, which other work on the machine disturbs less; the files
are in the system's cache, so that waiting for a disk is not measured. The losses of both ways must be the same, else
the case fails.

    until training   seconds from the file to the first step
    again            seconds until there, where the tokens are on disk already, as after an interruption
    peak             the most memory beyond that of the imports and a first short training

The rates of two processes tell of more than the two ways (of other work on the machine, and probably of the memory that
a process has at hand after it freed many small objects), so both are also trained in turns in one process.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, median, number, options, part_asked, peak_mib

SEED = 0
WORDS, LENGTH = 20_000, 150  # different words; words of a row
LIMIT, BATCH = 256, 16
WAYS = ("memory", "disk")
TURNS = 4


def written(path: Path, megabytes: float) -> None:
    """A file of about this size."""
    random = np.random.default_rng(SEED)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, random.integers(2, 10))) for _ in range(WORDS)]
    share = 1 / np.arange(1, WORDS + 1)
    cumulated = np.cumsum(share / share.sum())
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1e6:
            drawn = np.minimum(np.searchsorted(cumulated, random.random(LENGTH)), WORDS - 1)
            file.write(json.dumps({"text": " ".join(words[at] for at in drawn)}) + "\n")


def prepared(folder: str, megabytes: float) -> dict[str, Any]:
    """The file, and a tokenizer of its first rows."""
    from melior.networks.tokenizers import saved, train_tokenizer

    path = Path(folder) / "rows.jsonl"
    written(path, megabytes)
    with path.open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file.readlines(2**20)]
    tokenizer = train_tokenizer(texts, vocabulary=4000, marks="causal", limit=LIMIT)
    (Path(folder) / "tokenizer.json").write_text(saved(tokenizer), encoding="utf-8")
    return {"bytes": path.stat().st_size}


def small(folder: str) -> tuple[Any, Any, Any]:
    """(tokenizer, an untrained model, settings of a training)"""
    from melior.engine.settings import Training
    from melior.networks.scratch import small_causal
    from melior.networks.tokenizers import restored

    tokenizer = restored((Path(folder) / "tokenizer.json").read_text(encoding="utf-8"))
    model = small_causal(len(tokenizer), width=64, depth=2, heads=2, context=LIMIT, pad=tokenizer.pad_token_id,
                         end=tokenizer.eos_token_id)  # fmt: skip
    settings = Training(
        steps=1, batch_rows=BATCH, micro_batch=BATCH, learning_rate=1e-3, precision="float32", device="cpu",
        log_every=1, checkpoint_every=0,
    )  # fmt: skip
    return tokenizer, model, settings


def turns(folder: str, steps: int, threads: int, many: int) -> dict[str, Any]:
    """Rows a processor second of each way, trained in turns in one process."""
    import torch

    from melior.data.language import language_rows
    from melior.networks import token_store
    from melior.networks.conversation import language
    from melior.networks.finetune import finetune
    from melior.networks.loading import Loaded

    torch.set_num_threads(threads)
    path, store = Path(folder) / "rows.jsonl", Path(folder) / "tokens"
    tokenizer, _, settings = small(folder)
    token_store.make(path, tokenizer, LIMIT, store)
    rows = {"memory": language(tokenizer, language_rows(path)[0], LIMIT), "disk": token_store.open(store).language}
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(many + 1):  # the first warms up
        for way in WAYS if turn % 2 else WAYS[::-1]:
            marks: dict[int, float] = {}

            def progress(stage: str, done: float, total: float, note: str = "", marks: Any = marks) -> None:
                if stage == "training":
                    marks.setdefault(int(done), time.process_time())

            loaded = Loaded(small(folder)[1], tokenizer, "small", Path())
            finetune(loaded, rows[way], settings.model_copy(update={"steps": steps}), tuning="full", limit=LIMIT,
                     progress=progress)  # fmt: skip
            first, last = min(marks), max(marks)
            found[way].append((last - first) * BATCH / (marks[last] - marks[first]))
    return {way: rates[1:] for way, rates in found.items()}


def taught(folder: str, way: str, steps: int, threads: int) -> dict[str, Any]:
    import torch

    from melior.data.language import language_rows
    from melior.networks import token_store
    from melior.networks.conversation import language
    from melior.networks.finetune import finetune
    from melior.networks.loading import Loaded
    from melior.networks.packing import LanguageRows

    torch.set_num_threads(threads)
    path, store = Path(folder) / "rows.jsonl", Path(folder) / "tokens"
    tokenizer, model, settings = small(folder)
    settings = settings.model_copy(update={"steps": steps})
    # a short training first, so that what torch and the model hold is in the peak already
    few = [{"text": "a text to begin with " * 60}] * BATCH
    finetune(Loaded(model, tokenizer, "small", Path()), few, settings.model_copy(update={"steps": 2}), tuning="full",
             limit=LIMIT)  # fmt: skip
    before, started = peak_mib(), time.process_time()
    if way == "memory":
        rows = language(tokenizer, language_rows(path)[0], LIMIT)
        until, again = time.process_time() - started, None
    else:
        token_store.make(path, tokenizer, LIMIT, store)
        rows = token_store.open(store).language
        until, started = time.process_time() - started, time.process_time()
        token_store.make(path, tokenizer, LIMIT, store)
        rows = token_store.open(store).language
        again = time.process_time() - started
    made, marks = peak_mib(), {}

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        if stage == "training":
            marks.setdefault(int(done), time.process_time())

    found = finetune(Loaded(model, tokenizer, "small", Path()), rows, settings, tuning="full", limit=LIMIT,
                     progress=progress)  # fmt: skip
    source = LanguageRows(rows, tokenizer.pad_token_id, packed=True)
    order = np.random.default_rng(SEED).permutation(len(source))[: 2000 * BATCH]
    batches = np.array_split(order, max(len(order) // BATCH, 1))
    started = time.process_time()
    for some in batches:
        source.batch(some)
    collated = len(order) / (time.process_time() - started)
    first, last = min(marks), max(marks)
    return {
        "rows": len(source),
        "tokens": int(source.lengths.sum()),
        "until": until,
        "again": again,
        "rows_per_second": (last - first) * BATCH / (marks[last] - marks[first]),
        "collated_per_second": collated,
        "peak_making": made - before,
        "peak": peak_mib() - before,
        "disk": sum(one.stat().st_size for one in store.iterdir()) if store.is_dir() else 0,
        "losses": [line["loss"] for line in found.trained.history if line["kind"] == "step"],
    }


def both(megabytes: float, steps: int, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        size = fresh("engine/stream", "prepared", folder=folder, megabytes=megabytes)["bytes"]
        found = {
            way: fresh("engine/stream", "taught", folder=folder, way=way, steps=steps, threads=threads) for way in WAYS
        }
    losses = [found[way].pop("losses") for way in WAYS]
    if losses[0] != losses[1]:
        raise RuntimeError("the two ways have different losses")
    return {"bytes": size, **found}


def in_turns(megabytes: float, steps: int, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        fresh("engine/stream", "prepared", folder=folder, megabytes=megabytes)
        return {"turns": fresh("engine/stream", "turns", folder=folder, steps=steps, threads=threads, many=TURNS)}


PARTS = {"prepared": prepared, "taught": taught, "turns": turns}


def tables(results: Results) -> list[Shown]:
    rows = [
        (
            f"{key}, {way}", f"{one['rows']:,}", number(one["until"], 1), number(one["again"], 2),
            number(one["rows_per_second"], 1), f"{one['collated_per_second']:,.0f}", number(one["peak_making"], 0),
            number(one["peak"], 0), number(one["disk"] / 1e6, 1),
        )
        for key, case in results.finished().items() if "turns" not in case for way in WAYS for one in [case[way]]
    ]  # fmt: skip
    headings = ("file, tokens in", "rows", "until training, s", "again, s", "rows a second, training",
                "rows a second, collating", "peak until training, MiB", "peak, MiB", "on disk, MB")  # fmt: skip
    note = (
        "Processor seconds. The losses of both ways are the same. Rates of training in two processes differ by more "
        "than the two ways; see the next table for those."
    )
    in_one = [
        (key, way, number(median(rates), 1), f"{min(rates):.1f} to {max(rates):.1f}")
        for key, case in results.finished().items() if "turns" in case for way, rates in case["turns"].items()
    ]  # fmt: skip
    return [
        Shown("Tokens on disk beside rows in memory, in processes of their own", headings, rows, note),
        Shown("Training in turns in one process", ("file", "tokens in", "rows a second, median", "range"), in_one,
              "Processor seconds."),
    ]  # fmt: skip


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=float, nargs="+", default=[5, 20])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.megabytes, given.steps = [0.5], 10
    settings = {"steps": given.steps, "threads": given.threads, "words": WORDS, "limit": LIMIT, "batch": BATCH}
    results = Results("engine/stream", "Training from tokens on disk beside rows in memory", given, settings)
    if not given.show:
        for size in given.megabytes:
            results.case(f"{size:g} MB", lambda s=size: both(s, given.steps, given.threads))
        size = given.megabytes[0]
        results.case(f"{size:g} MB, in turns", lambda: in_turns(size, given.steps // 2, given.threads))
    results.show(tables(results))


if __name__ == "__main__":
    main()
