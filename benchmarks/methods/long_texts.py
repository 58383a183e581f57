"""Seconds and memory of an encoder at 512 to 16,384 tokens: attention within windows beside all to all and Longformer.

    python benchmarks/methods/long_texts.py
    python benchmarks/methods/long_texts.py --most 8192      no longer texts than this
    python benchmarks/methods/long_texts.py --quick

Three encoders of the same sizes (4 layers, width 256, 4 heads, random weights): BERT of transformers with torch's
attention of all tokens to all (SDPA), the same with Melior's attention within windows of 256 tokens and the first token
that sees all, and Longformer of transformers with windows of 256 and its first token global (it has a second set of
projections for that token). One text, forward and backward, float32. Each length is a fresh process, after one pass
that does not count; the median of `--repeats`. Memory: what a forward pass keeps for the backward pass, counted tensor
by tensor, which is the same on every machine; and the peak of the process.

The exponent is the slope of log seconds (MiB) against log tokens, by least squares over the lengths from 2,048 on: 1 is
linear, 2 is quadratic. Below, what costs the same for every token hides the attention.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, median, number, options, part_asked, peak_mib, write

LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
FITTED_FROM = 2048
FULL, LOCAL, LONGFORMER = "all to all (SDPA)", "windows of 256 (Melior)", "windows of 256 (Longformer)"
KINDS = (FULL, LOCAL, LONGFORMER)
SIZES = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
WINDOW, WORDS = 256, 1000


def encoder_of(kind: str, tokens: int, layers: int) -> Any:
    """An encoder in training mode, without dropout, so that passes are alike."""
    import torch
    from transformers import BertConfig, BertModel, LongformerConfig, LongformerModel

    from melior.networks.local_attention import attend_locally

    torch.manual_seed(0)
    sizes = {**SIZES, "num_hidden_layers": layers, "vocab_size": WORDS, "max_position_embeddings": tokens + 2,
             "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 0}  # fmt: skip
    if kind == LONGFORMER:
        config = LongformerConfig(**{**sizes, "attention_window": WINDOW, "sep_token_id": 2, "type_vocab_size": 1})
        return LongformerModel(config, add_pooling_layer=False).train()
    made = BertModel(BertConfig(**{**sizes, "type_vocab_size": 1}), add_pooling_layer=False).train()
    if kind == LOCAL:
        attend_locally(made, WINDOW, 1)
    return made


def measured(kind: str, tokens: int, threads: int, repeats: int, layers: int) -> dict[str, Any]:
    import torch

    from melior.engine.memory import saved_bytes
    from melior.engine.problem import Batch

    torch.set_num_threads(threads)
    encoder = encoder_of(kind, tokens, layers)
    ids = torch.randint(3, WORDS, (1, tokens), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind == LONGFORMER:
        inputs["global_attention_mask"] = (torch.arange(tokens) == 0).long()[None]

    def one_pass() -> float:
        begin = time.perf_counter()
        encoder(**inputs)[0].mean().backward()
        return time.perf_counter() - begin

    one_pass()
    every = [one_pass() for _ in range(repeats)]
    peak = peak_mib()
    kept = saved_bytes(encoder, Batch(inputs, torch.zeros(1), None, 1, tokens)) / 2**20
    return {"seconds": median(every), "all_seconds": every, "kept_mib": kept, "peak_mib": peak}


PARTS = {"measured": measured}


def key(kind: str, tokens: int) -> str:
    return f"{kind} | {tokens} tokens"


def exponent(found: dict[int, float], least: int) -> float | None:
    """The slope of the logarithms, over lengths of at least so many tokens."""
    import numpy as np

    own = {tokens: value for tokens, value in found.items() if tokens >= least and value > 0}
    if len(own) < 2:
        return None
    return float(np.polyfit(np.log(list(own)), np.log(list(own.values())), 1)[0])


def of(results: Results, kind: str, what: str) -> dict[int, float]:
    cases = results.finished()
    return {tokens: cases[key(kind, tokens)][what] for tokens in LENGTHS if key(kind, tokens) in cases}


def tables(results: Results, least: int) -> list[Shown]:
    found = {what: {kind: of(results, kind, what) for kind in KINDS} for what in ("seconds", "kept_mib", "peak_mib")}
    rows = [
        (
            f"{tokens:,}",
            *(number(found["seconds"][kind].get(tokens), 2) for kind in KINDS),
            *(number(found["kept_mib"][kind].get(tokens), 0) for kind in KINDS),
            *(number(found["peak_mib"][kind].get(tokens), 0) for kind in KINDS),
        )
        for tokens in LENGTHS
        if any(tokens in found["seconds"][kind] for kind in KINDS)
    ]
    named = [f"{said}, {kind}" for said in ("seconds", "MiB kept", "MiB at most") for kind in KINDS]
    growth = [
        (kind, number(exponent(found["seconds"][kind], least), 2), number(exponent(found["kept_mib"][kind], least), 2))
        for kind in KINDS
    ]
    note = f"Tokens to this power, fitted over the lengths from {least:,} on; 1 is linear, 2 is quadratic."
    return [
        Shown("One text, forward and backward", ("tokens", *named), rows),
        Shown("How the cost grows", ("attention", "seconds", "MiB kept"), growth, note),
    ]


# ---- the picture

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 720, 380, 64, 500, 20, 330
COLOURS = {FULL: "#c0562f", LOCAL: "#2f6fb0", LONGFORMER: "#7a7a7a"}


def picture(seconds: dict[str, dict[int, float]]) -> str:
    """Seconds against tokens, both on logarithmic scales, a line for each attention."""
    import math
    from html import escape

    known = [value for line in seconds.values() for value in line.values()]
    tokens = sorted({one for line in seconds.values() for one in line})
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    first, last = math.log2(tokens[0]), math.log2(max(tokens[-1], 2 * tokens[0]))

    def x(value: float) -> float:
        return LEFT + (math.log2(value) - first) / (last - first) * (RIGHT - LEFT)

    def y(value: float) -> float:
        return BOTTOM - (math.log10(value) - low) / max(high - low, 1) * (BOTTOM - TOP)

    marks = []
    for power in range(low, high + 1):
        at = y(10.0**power)
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
    marks += [f'<text x="{x(one):.1f}" y="{BOTTOM + 20}" text-anchor="middle">{one:,}</text>' for one in tokens]
    marks.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 42}" text-anchor="middle">tokens of a text</text>')
    taken: list[float] = []
    for kind, line in sorted(seconds.items(), key=lambda item: max(item[1], default=0)):
        if not line:
            continue
        points = " ".join(f"{x(one):.1f},{y(value):.1f}" for one, value in sorted(line.items()))
        marks.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2"/>')
        marks += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5" fill="{COLOURS[kind]}"/>' for a, b in line.items()]
        end = y(line[max(line)])
        while any(abs(end - one) < 16 for one in taken):
            end += 16
        taken.append(end)
        marks.append(f'<text x="{RIGHT + 12}" y="{end + 4:.1f}" fill="{COLOURS[kind]}">{escape(kind)}</text>')
    style = (
        "text{font:13px system-ui,sans-serif}text:not([fill]){fill:#555}.grid{stroke:#ccc;stroke-width:.5}"
        "@media (prefers-color-scheme:dark){text:not([fill]){fill:#bbb}.grid{stroke:#555}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" width="{WIDE}" '
        'aria-label="Seconds of a forward and backward pass against the tokens of a text, by attention">'
        f"<style>{style}</style>{''.join(marks)}</svg>\n"
    )


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--most", type=int, default=LENGTHS[-1])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    layers, least = (1, 512) if given.quick else (4, FITTED_FROM)
    if given.quick:
        given.most, given.repeats = 1024, 1
    settings = {"repeats": given.repeats, "threads": given.threads, "layers": layers, "window": WINDOW}
    results = Results("methods/long_texts", "What a long text costs, by its attention", given, settings)
    if not given.show:
        same = {"threads": given.threads, "repeats": given.repeats, "layers": layers}
        for tokens in LENGTHS:
            for kind in KINDS:
                if tokens <= given.most:
                    results.case(
                        key(kind, tokens),
                        lambda kind=kind, tokens=tokens: fresh(
                            "methods/long_texts", "measured", kind=kind, tokens=tokens, **same
                        ),
                    )
    seconds = {kind: of(results, kind, "seconds") for kind in KINDS}
    notes = []
    if any(seconds.values()):
        drawn = results.document.with_suffix(".svg")
        write(drawn, picture(seconds))
        notes.append(f"![Seconds against tokens]({drawn.name})")
    results.show(tables(results, least), notes)


if __name__ == "__main__":
    main()
