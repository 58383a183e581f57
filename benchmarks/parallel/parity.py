"""Every layout beside one process: losses at every step, weights in the end. Wanted: within 1e-6 in float32, no drift.

    python benchmarks/parallel/parity.py
    python benchmarks/parallel/parity.py --quick

Three networks (a table's, a small encoder, a small causal model of transformers), plain gradient descent, batches of 20
of 330 rows: the last step has 10, and shares are uneven for 3 and 4 ranks; once with micro-batches of 3. Started as
torchrun starts processes, on gloo.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import Results, Shown, options
from together import Case, together

LAYOUTS: dict[str, tuple[int, Case]] = {
    "copies, 2 ranks": (2, {}),
    "copies, 4 ranks": (4, {}),
    "shards, 2 ranks": (2, {"sharded": True}),
    "shards, 3 ranks": (3, {"sharded": True}),
    "shards, 4 ranks": (4, {"sharded": True}),
    "tensor, 2 ranks": (2, {"tensor": 2}),
    "tensor 2 x copies 2": (4, {"tensor": 2}),
    "tensor 2 x shards 2": (4, {"tensor": 2, "sharded": True}),
    "pipeline, 2 ranks": (2, {"pipeline": 2}),
    "pipeline 2 x copies 2": (4, {"pipeline": 2}),
    "pipeline 2 x shards 2": (4, {"pipeline": 2, "sharded": True}),
    "pipeline 2 x tensor 2": (4, {"pipeline": 2, "tensor": 2}),
    "averaged after every step, 2 ranks": (2, {"local_steps": 1}),
}
SETTINGS = {"batch_rows": 20, "optimizer": "sgd", "learning_rate": 0.05, "log_every": 1, "threads": 1, "epochs": 2,
            "checkpoint_every": 0, "clip_norm": None, "precision": "float32"}  # fmt: skip


def run(network: str, ranks: int, parallel: Case | None, changes: Case) -> tuple[np.ndarray, np.ndarray]:
    """(losses, weights)"""
    import torch

    settings = {**SETTINGS, **changes, **({} if parallel is None else {"parallel": parallel})}
    with tempfile.TemporaryDirectory() as folder:
        keep = str(Path(folder) / "weights")
        found, _ = together(ranks, {"network": network, "rows": 330, "settings": settings, "keep": keep})
        weights = torch.load(f"{keep}.0", weights_only=True).numpy()
    return np.array(found[0]["losses"]), weights


def case(network: str, name: str, pieces: int | None) -> Case:
    ranks, parallel = LAYOUTS[name]
    changes: Case = {"micro_batch": pieces} if pieces else {}
    local = bool(parallel.get("local_steps"))
    if local:
        changes["momentum"] = 0.0  # each rank has its own
    one, several = run(network, 1, None, changes), run(network, ranks, parallel, changes)
    apart = np.zeros(1) if local else several[0] - one[0]
    return {
        "steps": len(one[0]),
        "loss": float(np.abs(apart).max()),
        "drift": float(apart.mean()),
        "weights": float(np.abs(several[1] - one[1]).max()),
    }


def main() -> None:
    given = options(__doc__ or "")
    networks = ("table",) if given.quick else ("table", "encoder", "causal")
    layouts = list(LAYOUTS)[:3] if given.quick else list(LAYOUTS)
    results = Results("parallel/parity", "Many ranks give the answer of one process", given, dict(SETTINGS))
    if not given.show:
        for network in networks:
            for name in layouts:
                if network == "table" and "pipeline" in name:
                    continue  # it has no blocks that follow one another
                for pieces in (None,) if given.quick or "averaged" in name else (None, 3):
                    key = f"{network} | {name}" + (f", micro-batches of {pieces}" if pieces else "")
                    results.case(key, lambda n=network, m=name, p=pieces: case(n, m, p))
    rows = [
        (key, str(one["steps"]), f"{one['loss']:.1e}", f"{one['drift']:+.1e}", f"{one['weights']:.1e}",
         "yes" if max(one["loss"], one["weights"]) <= 1e-6 else "NO")
        for key, one in results.finished().items()
    ]  # fmt: skip
    headings = ("case", "steps", "losses apart", "mean residual", "weights apart", "within 1e-6")
    note = (
        "Apart: the largest difference. Where ranks step alone each has its own losses, and only weights are compared."
    )
    results.show([Shown("Many ranks beside one process", headings, rows, note)])


if __name__ == "__main__":
    main()
