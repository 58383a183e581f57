"""Rows per second of a training, in one process or in several that share it: `python -m melior.proofs.speed JOB FILE`.

A job is plain values: the network (features, width, layers), rows, and the engine's settings. Each process has one
thread. The first steps, in which processes find each other, do not count.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

Job = dict[str, Any]
PATIENCE = 300  # seconds
BEFORE = 4  # steps that do not count
FEATURES, CLASSES = 64, 4


def rows_per_second(ranks: int, *, width: int, layers: int, steps: int, rows: int, seed: int, **settings: Any) -> float:
    """Of a network of `layers` layers of `width` units on normal numbers, over the steps after the first few.

    rows      of a step, over all processes
    settings  of the engine, such as parallel and precision
    """
    found = _measured(ranks, width, layers, steps, rows, seed, settings)
    return rows * (steps - BEFORE) / found["seconds"]


def memory_of_a_process(
    ranks: int, *, width: int, layers: int, steps: int, rows: int, seed: int, **settings: Any
) -> float:
    """MiB that the first process holds more after its steps than before it made the network: weights, gradients, the
    optimiser's state, and what a step needs. The arguments are those of `rows_per_second`."""
    return _measured(ranks, width, layers, steps, rows, seed, settings)["memory"]


def _measured(
    ranks: int, width: int, layers: int, steps: int, rows: int, seed: int, settings: dict[str, Any]
) -> dict[str, float]:
    own = {"batch_rows": rows, "steps": steps, "seed": seed, "threads": 1, "checkpoint_every": 0, "log_every": 1}
    job = {"width": width, "layers": layers, "rows": 4 * rows, "settings": {**own, **settings}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        _run([json.dumps(job), str(file)], ranks)
        return dict(json.loads(file.read_text()))


def held() -> float:
    """MiB that this process holds now; nan where the system does not tell (it does on Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _run(arguments: Sequence[str], ranks: int) -> None:
    """As torchrun starts processes of one machine."""
    started = (
        ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m"] if ranks > 1 else ["-m"]
    )
    command = [sys.executable, *started, "melior.proofs.speed", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])


def main() -> None:
    """One process."""
    import numpy as np
    import torch
    from torch import nn

    from melior.engine.loop import train
    from melior.engine.losses import class_loss
    from melior.engine.parallel.ranks import joined
    from melior.engine.problem import Batch
    from melior.engine.settings import Training

    job, file = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(job["settings"]["seed"])
    width, before = job["width"], held()
    blocks = nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(job["layers"])))
    module = nn.Sequential(nn.Linear(FEATURES, width), blocks, nn.Linear(width, CLASSES))
    random = np.random.default_rng(job["settings"]["seed"])
    values = torch.tensor(random.normal(size=(job["rows"], FEATURES)), dtype=torch.float32)
    answers = values[:, :CLASSES].argmax(1)

    class Source:
        lengths = None

        def __len__(self) -> int:
            return len(answers)

        def batch(self, rows: Any) -> Batch:
            chosen = torch.as_tensor(rows)
            return Batch({"input": values[chosen]}, answers[chosen], None, len(rows), len(rows))

    marks: list[float] = []
    memory: list[float] = []

    def mark(stage: str, done: float, total: float, note: str = "") -> None:
        """Called on the first process after each step."""
        marks.append(perf_counter())
        memory.append(held() - before)

    with joined(60):
        train(module, Source(), class_loss, Training(**job["settings"]), progress=mark)
    if marks:
        file.write_text(json.dumps({"seconds": marks[-1] - marks[BEFORE - 1], "memory": memory[-1]}))


if __name__ == "__main__":
    main()
