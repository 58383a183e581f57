"""What more processes bring on this machine: rows per second, time in communication, bytes sent, memory held.

    python benchmarks/parallel/scaling.py
    python benchmarks/parallel/scaling.py --quick

Each process has one thread. Seconds are of a step in the steady state. The time in communication is one minus the step
of as many processes that run side by side on as many rows each and tell each other nothing, over the step together.
Bytes are those that went over the loopback device, of all processes, per step; the least that a ring needs to sum
gradients is 2 (n - 1) times the weights over all ranks, of shards 3 (n - 1) times (gathered twice, scattered once).
gloo has no scattering sum of its own: it sums all and keeps a share, so that of layers that are gathered twice
4 (n - 1) times the weights go over the wire, where NCCL sends 3.
Memory is the bytes of all tensors of a rank between two steps, without the rows: the theory is 4 words a weight with
copies (weight, gradient, two moments), one more where ranks step alone (the weights where they last met), and as much
as copies over n with shards. What is more is what the last step left behind, activations of its last rows. The copy of
the state to go back to, which a training without a folder keeps in memory, is off here (`non_finite: skip`).
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import Results, Shown, number, options
from together import Case, together

LAYOUTS: dict[str, Case] = {
    "copies": {},
    "shards": {"sharded": True},
    "averaged every 8 steps": {"local_steps": 8},
    "tensor": {"tensor": 2},
}
BATCH = 64


def settings(steps: int, parallel: Case | None) -> Case:
    own = {} if parallel is None else {"parallel": parallel}
    return {"batch_rows": BATCH, "steps": steps, "learning_rate": 1e-3, "threads": 1, "checkpoint_every": 0,
            "validate_every": 8, "log_every": 8, "non_finite": "skip", "precision": "float32", **own}  # fmt: skip


def case(network: str, name: str, ranks: int, steps: int) -> Case:
    job = {"network": network, "rows": 2048}
    found, _ = together(ranks, {**job, "settings": settings(steps, LAYOUTS[name] if ranks > 1 else None)})
    seconds = max(one["step_seconds"] for one in found)
    made = {
        "ranks": ranks, "rows_per_second": BATCH / seconds, "step_seconds": seconds,
        "step_bytes": found[0]["step_bytes"], "held": max(one["held"] for one in found), "weights": found[0]["weights"],
    }  # fmt: skip
    if ranks > 1:
        made["silent_seconds"] = silent(network, ranks, steps, name)
    return made


def silent(network: str, ranks: int, steps: int, name: str) -> float:
    """Seconds of a step of processes that run side by side, each on its share of the rows, and tell each other
    nothing."""
    share = BATCH if name == "tensor" else BATCH // ranks
    given = {**settings(steps, None), "batch_rows": share}
    job = {"network": network, "rows": 2048, "settings": given}
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from together import together; import json;"
        "print(together(1, json.loads(sys.argv[2]))[0][0]['step_seconds'])"
    )
    import json

    command = [sys.executable, "-c", program, str(Path(__file__).resolve().parent), json.dumps(job)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(ranks)]
    return max(float(one.communicate()[0].split()[-1]) for one in processes)


def tables(results: Results) -> list[Shown]:
    rows = []
    done = results.finished()
    for key, one in done.items():
        network, ranks = key.split(" | ")[0], one["ranks"]
        alone = next((two for name, two in done.items() if name.startswith(network) and two["ranks"] == 1), None)
        times = None if alone is None else one["rows_per_second"] / alone["rows_per_second"]
        name = key.split(" | ")[1]
        talk = 1 - one["silent_seconds"] / one["step_seconds"] if ranks > 1 and name != "tensor" else None
        ring = {"copies": 2 * (ranks - 1), "shards": 3 * (ranks - 1), "averaged every 8 steps": 2 * (ranks - 1) / 8}
        least = ring.get(name, 0) * one["weights"] if ranks > 1 else None
        words = 5 if name.startswith("averaged") else 4
        theory = words * one["weights"] / (ranks if name == "shards" else 1) if name != "tensor" else None
        rows.append((
            key, number(one["rows_per_second"], 0), number(times, 2), "–" if talk is None else f"{max(talk, 0):.0%}",
            number(one["step_bytes"] / 2**20, 2) if ranks > 1 else "–",
            "–" if not least else number(least / 2**20, 2), number(one["held"] / 2**20, 1),
            "–" if theory is None else number(theory / 2**20, 1),
        ))  # fmt: skip
    headings = ("case", "rows/s", "times one", "communication", "MiB a step", "least", "MiB of tensors", "theory")
    note = (
        "Four processes on two cores can be no faster than two. The networks are tiny, so what is sent weighs more "
        "than it would; no network lies between the processes."
    )
    return [Shown("More processes on one machine", headings, rows, note)]


def main() -> None:
    given = options(__doc__ or "")
    steps = 32 if given.quick else 96
    networks = ("table",) if given.quick else ("table", "encoder", "causal")
    results = Results("parallel/scaling", "What more processes bring", given, {"steps": steps})
    if not given.show:
        for network in networks:
            results.case(f"{network} | alone, 1", lambda n=network: case(n, "copies", 1, steps))
            for name in LAYOUTS:
                for ranks in (2,) if given.quick or name == "tensor" else (2, 4):
                    results.case(
                        f"{network} | {name} | {ranks}", lambda n=network, m=name, r=ranks: case(n, m, r, steps)
                    )
    results.show(tables(results))


if __name__ == "__main__":
    main()
