"""What a step of the engine costs over a loop written by hand, on the same network. Wanted: within 2 %.

    python benchmarks/engine/overhead.py
    python benchmarks/engine/overhead.py --quick

The loop by hand is the best plain one: fused AdamW, clipping by norm, a schedule, the loss read once a step, batches
collated between steps. The engine does all that and prefetches, watches for what is not finite, looks at layers, keeps
its history in a file (a line every ten steps) and writes a checkpoint at the end. Both run in one process, in turn,
many times, each for some steps; the ratio is that of the medians over the turns, of the wall clock and of the
processor's time (which other work on the machine disturbs less). The first turn of each warms up and is left out.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, median, number, options, part_asked

WARM = 31  # steps at the start of a turn that are not counted: layers are looked at more often there
NETWORKS = ("dense, small", "dense, large", "encoder")
Clock = tuple[float, float]


def clock() -> Clock:
    return time.perf_counter(), time.process_time()


def made(network: str) -> tuple[Any, Callable[[], Any], int]:
    """(rows, a maker of the network, rows of a step)."""
    from rows import Numbers, Texts, dense, encoder

    if network == "dense, small":
        return Numbers(4096, 64), lambda: dense(64, 256), 64
    if network == "dense, large":
        return Numbers(4096, 256), lambda: dense(256, 1024), 128
    return Texts(1024, longest=64, typical=32), lambda: encoder(5000, 64), 16


def by_hand(network: str, steps: int) -> Clock:
    """Seconds of the counted steps (wall, processor)."""
    import torch
    from torch.nn.functional import cross_entropy

    from melior.engine.losses import logits_of
    from melior.engine.order import Order

    source, make, batch_rows = made(network)
    module, order = make().train(), Order(len(source), batch_rows, 0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    begin = clock()
    for step in range(steps):
        if step == WARM - 1:
            begin = clock()
        batch = source.batch(order.step(step))
        optimizer.zero_grad()
        loss = cross_entropy(logits_of(module(**batch.inputs)), batch.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        loss.item()
    end = clock()
    return end[0] - begin[0], end[1] - begin[1]


def by_engine(network: str, steps: int) -> Clock:
    from melior.engine.loop import train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training

    source, make, batch_rows = made(network)
    settings = Training(
        steps=steps, batch_rows=batch_rows, micro_batch=batch_rows, learning_rate=1e-3, precision="float32",
        by_length=False, log_every=10,
    )  # fmt: skip
    marks: dict[int, Clock] = {}

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        if done in (WARM - 1, steps):
            marks[int(done)] = clock()

    with tempfile.TemporaryDirectory() as folder:
        found = train(make(), source, class_loss, settings, folder=Path(folder), progress=progress)
    if found.steps != steps:
        raise RuntimeError(f"{found.stopped} at step {found.steps} of {steps}: {'; '.join(found.notes)}")
    return marks[steps][0] - marks[WARM - 1][0], marks[steps][1] - marks[WARM - 1][1]


def compared(network: str, steps: int, turns: int, threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    found: dict[str, list[Clock]] = {"hand": [], "engine": []}
    for turn in range(turns + 1):
        for name, run in (
            (("hand", by_hand), ("engine", by_engine)) if turn % 2 else (("engine", by_engine), ("hand", by_hand))
        ):
            found[name].append(run(network, steps))
    counted = steps - WARM + 1
    each = {name: np.array(clocks[1:]) / counted for name, clocks in found.items()}  # (turns, 2)
    return {
        "milliseconds_by_hand": 1000 * np.median(each["hand"][:, 0]),
        "milliseconds_by_engine": 1000 * np.median(each["engine"][:, 0]),
        "wall_ratio": np.median(each["engine"][:, 0]) / np.median(each["hand"][:, 0]),
        "processor_ratio": np.median(each["engine"][:, 1]) / np.median(each["hand"][:, 1]),
        "best_wall_ratio": each["engine"][:, 0].min() / each["hand"][:, 0].min(),
        "ratios_of_turns": (each["engine"][:, 0] / each["hand"][:, 0]).tolist(),
    }


PARTS = {"compared": compared}


def tables(results: Results) -> list[Shown]:
    rows = [
        (
            key, number(one["milliseconds_by_hand"], 2), number(one["milliseconds_by_engine"], 2),
            number(one["wall_ratio"], 3), number(one["best_wall_ratio"], 3), number(one["processor_ratio"], 3),
            f"{median(one['ratios_of_turns']):.3f}, {min(one['ratios_of_turns']):.3f} to "
            f"{max(one['ratios_of_turns']):.3f}",
        )
        for key, one in results.finished().items()
    ]  # fmt: skip
    headings = ("network", "by hand, ms a step", "engine, ms a step", "engine / hand, medians", "of the fastest turns",
                "processor time", "ratios of pairs of turns")  # fmt: skip
    return [Shown("A step of the engine over one by hand", headings, rows, "Wanted: at most 1.02.")]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=230)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.steps, given.turns = 60, 2
    settings = {"steps": given.steps, "turns": given.turns, "threads": given.threads}
    results = Results("engine/overhead", "A step of the engine over one by hand", given, settings)
    if not given.show:
        for network in NETWORKS:
            results.case(
                network,
                lambda n=network: fresh(
                    "engine/overhead",
                    "compared",
                    network=n,
                    steps=given.steps,
                    turns=given.turns,
                    threads=given.threads,
                ),
            )
    results.show(tables(results))


if __name__ == "__main__":
    main()
