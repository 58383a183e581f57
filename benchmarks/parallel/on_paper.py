"""Tokens a second of models of 1, 8 and 70 billion weights on 8, 64 and 512 GPUs, on paper. Nothing here is measured.

python benchmarks/parallel/on_paper.py            writes docs/parallel_plan.md
python benchmarks/parallel/on_paper.py --check    ends with code 1 where the page is out of date
"""

import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from melior.engine.plan.hardware import CARRIED, GPU_LATENCY, GPUS, INFINIBAND_8X400, REACHED
from melior.engine.plan.layouts import MARGIN, Plan, choose, considered, gib, plan
from melior.engine.plan.memory import PARTS, SAID
from melior.engine.plan.sizes import Cluster, Sizes, transformer
from melior.engine.plan.time import OVERLAPS
from melior.layout import Layout

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parallel_plan.md"
TOKENS, ROWS, VOCABULARY = 8192, 1024, 128_256
LLAMA = {"vocabulary": VOCABULARY, "tokens": TOKENS, "rows": ROWS, "kv_heads": 8, "gated": True}
MODELS = {  # the shapes of Llama 3.2 1B, Llama 3 8B and 70B (Grattafiori et al., The Llama 3 Herd of Models, 2024)
    "1B": transformer(layers=16, width=2048, heads=32, inner=8192, tied=True, **LLAMA),
    "8B": transformer(layers=32, width=4096, heads=32, inner=14336, **LLAMA),
    "70B": transformer(layers=80, width=8192, heads=64, inner=28672, **LLAMA),
}
RANKS = (8, 64, 512)
NOT = "NOT MEASURED"


def cluster(name: str, ranks: int, reached: float = REACHED) -> Cluster:
    gpu = GPUS[name]
    return Cluster(
        ranks=ranks, per_machine=8, memory=gpu.memory, flops=reached * gpu.short, within=CARRIED * gpu.within,
        between=CARRIED * INFINIBAND_8X400.speed, latency=GPU_LATENCY, latency_between=INFINIBAND_8X400.latency,
        memory_speed=gpu.memory_speed,
    )  # fmt: skip


def planned(sizes: Sizes, there: Cluster) -> tuple[Sizes, Plan, tuple[str, ...]]:
    """With activations kept or computed again: what fits, and of two that do, the faster."""
    found = []
    for one in (sizes, replace(sizes, checkpointing=True)):
        layout, why = choose(one, there)
        found.append((one, plan(one, there, layout), why))
    return max(found, key=lambda each: (each[1].fits, each[1].tokens_per_second if each[1].fits else -each[1].bytes))


def named(one: Plan) -> str:
    return f"{one.layout}, {one.rows.pieces} micro-batches" if one.layout.pipeline > 1 else str(one.layout)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def throughput(gpu: str) -> list[str]:
    rows = []
    for name, sizes in MODELS.items():
        for ranks in RANKS:
            there = cluster(gpu, ranks)
            used, found, why = planned(sizes, there)
            if not found.fits:
                rows.append((name, str(ranks), f"nothing fits: {why[-1]}", "", gib(found.bytes), "", "", "", "", ""))
                continue
            speed = found.tokens_per_second
            model = speed * sizes.passes_plain * sizes.row_flops / TOKENS / ranks / GPUS[gpu].short
            rows.append((
                name, str(ranks), named(found), "computed again" if used.checkpointing else "kept",
                gib(found.bytes), f"{speed:,.0f}", f"{speed / ranks:,.0f}", f"{found.seconds.share:.1%}",
                f"{found.seconds.bubble:.1%}", f"{model:.0%}",
            ))  # fmt: skip
    headings = (
        "model", f"GPUs ({gpu})", "layout", "activations", "memory a GPU", f"tokens a second, {NOT}",
        "tokens a second and GPU", "communication", "bubble", "model FLOP utilisation",
    )  # fmt: skip
    return table(headings, rows)


def layouts(gpu: str, model: str, ranks: int) -> list[str]:
    there = cluster(gpu, ranks)
    sizes, best, _ = planned(MODELS[model], there)
    every = [one for rung in considered(sizes, there) for one in rung]
    kept = [Layout(), Layout(sharded=True), Layout(sharded=True, tensor=2), Layout(sharded=True, tensor=8),
            Layout(tensor=8)]  # fmt: skip
    laid = [one.fits(ranks) for one in kept] + [best.layout]
    for stages in (2, 8):  # of the ways to cut rows for a pipeline, the fastest that fits
        alike = [one for one in every if one.layout.pipeline == stages]
        laid += [max(alike, key=lambda one: (one.fits, one.tokens_per_second)).layout] if alike else []
    rows = []
    for one in sorted(every, key=lambda found: -found.tokens_per_second):
        if one.layout in laid:
            mark = " (chosen)" if one.layout == best.layout else ""
            rows.append((
                f"{named(one)}{mark}", gib(one.bytes), "yes" if one.fits else "no",
                gib(sum(one.sent.values())), f"{one.seconds.share:.1%}", f"{one.seconds.bubble:.1%}",
                f"{one.tokens_per_second:,.0f}",
            ))  # fmt: skip
    headings = ("layout", "memory a GPU", f"fits, {MARGIN:.0%} to spare", "sent a step and GPU", "communication",
                "bubble", f"tokens a second, {NOT}")  # fmt: skip
    return table(headings, rows)


def by_part(gpu: str) -> list[str]:
    found = [(name, ranks, planned(sizes, cluster(gpu, ranks))[1]) for name, sizes in MODELS.items()
             for ranks in (64, 512)]  # fmt: skip
    rows = [
        (part, *(gib(one.memory[part]) if one.memory[part] else "" for *_, one in found), SAID[part])
        for part in PARTS
        if any(one.memory[part] for *_, one in found)
    ]
    return table((f"memory a GPU, {NOT}", *(f"{name} on {ranks}" for name, ranks, _ in found), "what"), rows)


def sensitivity(gpu: str) -> list[str]:
    rows = []
    for name, sizes in MODELS.items():
        speeds = [planned(sizes, cluster(gpu, 64, reached))[1] for reached in (0.3, 0.4, 0.5)]
        rows.append((name, *(f"{one.tokens_per_second:,.0f}" if one.fits else "does not fit" for one in speeds)))
    return table((f"tokens a second on 64 {gpu}, {NOT}", "30 % of the peak", "40 %", "50 %"), rows)


def filled(text: str) -> str:
    return textwrap.fill(text, 120, break_on_hyphens=False)


def items(*said: str) -> list[str]:
    return [
        *(textwrap.fill(f"- {one}", 120, subsequent_indent="  ", break_on_hyphens=False) for one in said),
        "",
    ]


def page() -> str:
    h100, h200 = GPUS["H100"], GPUS["H200"]
    lines = [
        f"# Training on many GPUs, on paper: {NOT}",
        "",
        filled(
            f"**Every figure on this page is {NOT}.** It is what the formulas below give with the assumptions below. "
            "It "
            "is good for telling which layout fits, what it sends, and which of two is the faster. A measured figure "
            "goes before one of these."
        ),
        "",
        "`melior train --plan` makes the same plan for a recipe, with the sizes of its own network measured.",
        "",
        "Made by",
        "",
        "```",
        "python benchmarks/parallel/on_paper.py",
        "```",
        "",
        "## What is assumed",
        "",
        *items(
            f"Steps of {ROWS:,} rows of {TOKENS:,} tokens; AdamW; weights, gradients and the optimiser in float32, "
            "products in bfloat16 under autocast, as the engine trains today.",
            f"H100 SXM: {h100.short / 1e12:,.0f} TFLOP/s of dense bfloat16, {h100.memory / 1e9:,.0f} GB, "
            f"{h100.memory_speed / 1e12:.2f} TB/s. H200: the same peak, {h200.memory / 1e9:,.0f} GB, "
            f"{h200.memory_speed / 1e12:.1f} TB/s (NVIDIA, data sheets).",
            f"One GPU reaches {REACHED:.0%} of its peak. No GPU was measured for this page; Llama 3 reports 38 % to "
            "43 % "
            "on 8,192 to 16,384 H100, communication included (Grattafiori et al. 2024, table 4), so that this is "
            "careful "
            "for few.",
            f"Eight GPUs a machine: NVLink of {h100.within / 1e9:,.0f} GB/s one way a GPU, {INFINIBAND_8X400.name} "
            f"({INFINIBAND_8X400.speed / 1e9:,.0f} GB/s one way; NVIDIA, DGX H100). {CARRIED:.0%} of either is "
            "reached; "
            "a message takes 5 microseconds.",
            f"{MARGIN:.0%} of the memory stay free for what is not counted.",
            OVERLAPS,
            "The network between machines is not shared with anybody else, and no machine is slower than others.",
        ),
        "## The formulas",
        "",
        *items(
            "Work: 6 operations for each weight and token (Kaplan et al. 2020), attention counted beside it (Narayanan "
            "et al. 2021, equation 3), 8 where activations are computed again.",
            "Weights, gradients and optimiser: 4 + 4 + 8 bytes a weight, divided by the data ranks where sharded "
            "(Rajbhandari et al., ZeRO, 2020: stages 0 and 3), by the tensor ranks inside blocks, by the stages of a "
            "pipeline.",
            "Activations of a layer: tokens x width x 34 bytes for the classic layer (Korthikanti et al. 2022), "
            "counted "
            "anew for gated ones; 10 of 34 parts whole, 24 shared by tensor ranks. Attention keeps no pairs of tokens "
            "(Dao et al. 2022).",
            "Sent: all-reduce 2 (n - 1) / n, all-gather and reduce-scatter (n - 1) / n each; shards gather twice a "
            "micro-batch; tensor ranks sum four times a layer (Shoeybi et al. 2019), six with activations computed "
            "again.",
            "A pipeline of p stages and m micro-batches waits (p - 1) / (m + p - 1) of the time (Narayanan et al. "
            "2021).",
            "In the engine as it is, shards hold whole gradients between the micro-batches of a step, and autocast "
            "keeps "
            "a short copy of every matrix until the backward pass has used it. Both are counted, and both cost large "
            "models dearly.",
        ),
        f"## Throughput: {NOT}",
        "",
        filled(
            "The layout is what `auto` chooses: copies where they fit, else shards, else tensor ranks within a "
            "machine, "
            "else a pipeline; the fastest of those that fit. Activations are kept or computed again, whichever is the "
            "faster of what fits."
        ),
        "",
        *throughput("H100"),
        *throughput("H200"),
        filled(
            "Model FLOP utilisation counts the work of one forward and one backward pass, over the peak: what is "
            "computed again counts nothing."
        ),
        "",
        f"## One model under several layouts: {NOT}",
        "",
        "8B on 64 H100.",
        "",
        *layouts("H100", "8B", 64),
        f"## Memory by part: {NOT}",
        "",
        "Of the layouts chosen on H100.",
        "",
        *by_part("H100"),
        f"## How much hangs on the assumption: {NOT}",
        "",
        *sensitivity("H100"),
        "This page is made by the program above; do not edit.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
        print("out of date, run python benchmarks/parallel/on_paper.py" if stale else "up to date")
        return int(stale)
    PAGE.write_text(text, encoding="utf-8")
    print(f"docs/{PAGE.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
