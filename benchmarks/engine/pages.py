"""A small language model from nothing, tokenizer and all, on manual pages in several languages, through `melior.train`.

    python benchmarks/engine/pages.py
    python benchmarks/engine/pages.py --quick

Paragraphs of Debian's manual pages in eight languages, as many of each; a tenth is put aside, so that paragraphs of one
page stand on both sides, for the model and for the compressor beside it. Some pages are not wholly translated. Bits per
byte of the paragraphs put aside, by language, beside two yardsticks that see the same:

    xz      what `xz -9e` needs for the rows put aside once it has seen the training rows: bits of both together, less
            bits of the training rows
    letters the entropy of single bytes of that language, which knows no order at all

Nothing was tuned on these rows: the settings are the family's defaults but for vocabulary and passes.
"""

import argparse
import json
import lzma
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "audit"))

from common import Results, Shown, fresh, number, options, part_asked

LANGUAGES = ("de", "en", "es", "fr", "ja", "pl", "ru", "zh")
LETTERS = 1200  # of a paragraph at most
ASIDE = 0.1


def rows_of(each: int, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(training rows, rows put aside): texts with their language, `each` of a language."""
    from melior.proofs.debian import paragraphs

    random, found = np.random.default_rng(seed), paragraphs()
    train, held = [], []
    for language in LANGUAGES:
        texts = [one for one in found[language] if len(one) <= LETTERS]
        drawn = [{"text": texts[at], "language": language} for at in random.permutation(len(texts))[:each]]
        cut = round(ASIDE * len(drawn))
        held += drawn[:cut]
        train += drawn[cut:]
    return [train[at] for at in random.permutation(len(train))], held


def texts_in(rows: list[dict[str, str]], language: str) -> list[str]:
    return [row["text"] for row in rows if row["language"] == language]


def xz(texts: list[str]) -> int:
    """Bytes of the texts, compressed."""
    return len(lzma.compress("\n".join(texts).encode(), preset=9 | lzma.PRESET_EXTREME))


def of_letters(train: list[str], held: list[str]) -> float:
    """Bits per byte by how often each byte stands in the training texts; each is counted once more."""
    counts = np.bincount(np.frombuffer("".join(train).encode(), dtype=np.uint8), minlength=256) + 1
    seen = np.bincount(np.frombuffer("".join(held).encode(), dtype=np.uint8), minlength=256)
    return float(-(seen * np.log2(counts / counts.sum())).sum() / seen.sum())


def taught(each: int, seed: int, threads: int, settings: dict[str, Any]) -> dict[str, Any]:
    import torch

    import melior
    from melior.verbs.language import load_writer

    torch.set_num_threads(threads)
    train, held = rows_of(each, seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("train", train), ("held", held)):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (Path(folder) / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        recipe = {
            "task": "generate", "seed": seed, "model": {"causal_lm": settings},
            "data": {"path": f"{folder}/train.jsonl", "test": f"{folder}/held.jsonl"},
        }  # fmt: skip
        found = melior.train(melior.Recipe.checked(recipe), run=Path(folder) / "run")
        writer, _ = load_writer(Path(folder) / "run")
        begun = {
            language: next(row["text"] for row in held if row["language"] == language)[:40] for language in LANGUAGES
        }
        goes_on = dict(zip(begun.items(), writer.answers(list(begun.values()), maximum=24), strict=True))
        parameters = sum(one.numel() for one in writer.model.parameters())
    texts = {one: (texts_in(train, one), texts_in(held, one)) for one in LANGUAGES}
    whole = [row["text"] for row in train]
    already = xz(whole)
    by = {}
    for language, (own, aside) in texts.items():
        size = len("".join(aside).encode())
        by[language] = {
            "model": found.evaluation.by_language[language]["bits_per_byte"],
            "xz": 8 * (xz([*whole, *aside]) - already) / size,
            "letters": of_letters(own, aside),
            "bytes": size,
        }
    overall = found.evaluation["bits_per_byte"]
    return {
        "bits_per_byte": [overall.value, overall.low, overall.high],
        "perplexity": found.evaluation["perplexity"].value,
        "by_language": by,
        "rows": [len(train), len(held)],
        "bytes": len("".join(whole).encode()),
        "parameters": parameters,
        "seconds": found.seconds,
        "goes_on": [[language, begun, written] for (language, begun), written in goes_on.items()],
        "notes": list(found.notes),
    }


PARTS = {"taught": taught}


def tables(results: Results) -> list[Shown]:
    found = next(iter(results.finished().values()), None)
    if found is None:
        return []
    rows = [
        (language, number(one["model"], 2), number(one["xz"], 2), number(one["letters"], 2), f"{one['bytes']:,}")
        for language, one in found["by_language"].items()
    ]
    value, low, high = found["bits_per_byte"]
    note = (
        f"All: {value:.2f} [{low:.2f}, {high:.2f}]. {found['parameters'] / 1e6:.1f} million weights taught "
        f"{found['rows'][0]:,} paragraphs ({found['bytes'] / 1e6:.1f} MB) in {found['seconds']:.0f} s."
    )
    written = [(language, begun, text) for language, begun, text in found["goes_on"]]
    return [
        Shown("Bits per byte of paragraphs put aside", ("language", "model", "xz", "letters", "bytes"), rows, note),
        Shown("How the model goes on", ("language", "begun", "written"), written,
              "The likeliest token each time: what so small a model has learned of a language's look."),
    ]  # fmt: skip


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--each", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.each, given.epochs = 40, 1
    model = {"vocabulary": 6000, "width": 256, "depth": 4, "heads": 4, "context": 256, "epochs": given.epochs}
    settings = {"each": given.each, "threads": given.threads, "model": model}
    results = Results("engine/pages", "A language model from nothing on manual pages", given, settings)
    if not given.show:
        same = {"each": given.each, "seed": 0, "threads": given.threads, "settings": model}
        results.case("eight languages", lambda: fresh("engine/pages", "taught", **same))
    results.show(tables(results))


if __name__ == "__main__":
    main()
