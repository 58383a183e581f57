"""Any of the processes killed at any moment, under every layout: started again, the end is that of one undisturbed.

    python benchmarks/parallel/faults.py            20 kills a layout
    python benchmarks/parallel/faults.py --quick

A small encoder is trained by two processes, a checkpoint every 4 steps. One of them, drawn anew each time, is killed
(SIGKILL) at a moment drawn uniformly from the training; the other ends by itself, since nobody answers it. Then the
same is started again and must end with the same losses and weights, bit by bit.

Meeting point: `melior train` of a table by two torchrun agents, of which the one that holds the meeting point is killed
with its process at a step drawn at random. The other must end by itself, and the same two commands must end with the
weights of an undisturbed training, bit by bit.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from common import Results, Shown, number, options
from together import Case, together
from two_agents import host_killed

LAYOUTS: dict[str, Case] = {
    "copies": {},
    "shards": {"sharded": True},
    "tensor": {"tensor": 2},
    "pipeline": {"pipeline": 2},
    "averaged every 4 steps": {"local_steps": 4},
}


def case(name: str, kills: int, steps: int) -> Case:
    random = np.random.default_rng(11)
    settings = {"batch_rows": 16, "steps": steps, "learning_rate": 1e-3, "threads": 1, "log_every": 1,
                "checkpoint_every": 4, "average": 0.9, "validate_every": 8, "parallel": LAYOUTS[name]}  # fmt: skip
    job = {"network": "encoder", "rows": 512, "settings": settings}
    folder = tempfile.mkdtemp()
    began = time.perf_counter()
    calm, _ = together(2, {**job, "folder": f"{folder}/calm"})
    seconds = steps * calm[0]["step_seconds"]
    same = killed = 0
    for number_of_it in range(kills):
        own = {**job, "folder": f"{folder}/{number_of_it}"}
        found, well = together(2, own, kill=float(random.uniform(0, seconds)))
        killed += not well
        if not well:
            found, _ = together(2, own)
        same += found[0]["losses"] == calm[0]["losses"] and found[0]["sum"] == calm[0]["sum"]
    shutil.rmtree(folder)
    return {"kills": killed, "tries": kills, "same": same, "seconds": time.perf_counter() - began}


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=20, help="tries a layout")
    parser.add_argument("--hosts", type=int, default=5, help="tries of the meeting point")


def meeting_point(tries: int) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        return host_killed(Path(folder), tries)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.kills, given.hosts = 2, 1
    results = Results("parallel/faults", "Processes killed while they train together", given, {"kills": given.kills})
    if not given.show:
        for name in LAYOUTS:
            results.case(name, lambda n=name: case(n, given.kills, 64))
        results.case("copies, the meeting point lost", lambda: meeting_point(given.hosts))
    rows = [
        (name, str(one["tries"]), str(one["kills"]), str(one["same"]), number(one["seconds"], 0))
        for name, one in results.finished().items()
    ]
    headings = ("layout", "tries", "met the training", "the same end", "seconds in all")
    note = "A kill that came after the last step met no training."
    results.show([Shown("Killed and started again", headings, rows, note)])


if __name__ == "__main__":
    main()
