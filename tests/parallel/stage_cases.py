"""Cases of `stage_worker.py`: how they are told, run and compared."""

import json
import sys

import numpy as np
from started import HERE, ended, start

BASE = {
    "epochs": 2, "batch_rows": 8, "optimizer": "sgd", "learning_rate": 0.05, "log_every": 1, "checkpoint_every": 0,
    "precision": "float32", "device": "cpu", "threads": 1,
}  # fmt: skip


def case(name, toy, how, settings, **more):
    return dict(name=name, toy=toy, how=how, settings={**BASE, **settings}, **more)


def alone(one):
    settings = {key: value for key, value in one["settings"].items() if key != "parallel"}
    return {**{key: one[key] for key in ("name", "toy", "how")}, "settings": settings}


def run(ranks, cases, folder, seconds=500):
    """{name: arrays, and `said`: what was refused, the notes, the lines of layers}"""
    job, out = folder / f"{ranks}.json", folder / f"out{ranks}"
    job.write_text(json.dumps(cases))
    codes, _, errors = ended(start(ranks, [sys.executable, str(HERE / "stage_worker.py"), str(job), str(out)]), seconds)
    assert codes == [0] * ranks, "\n".join(error[-3000:] for error in errors)
    found = {}
    for one in cases:
        with np.load(out / f"{one['name']}.npz") as kept:
            found[one["name"]] = {key: kept[key] for key in kept}
        found[one["name"]]["said"] = json.loads((out / f"{one['name']}.json").read_text())
    return found


def is_the_same(one, several):
    """Losses at every step, norms of gradients, validations and the weights in the end."""
    assert several["said"]["refused"] == ""
    assert len(several["losses"]) == len(one["losses"]) > 0
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(several["valid"], one["valid"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(several["norms"], one["norms"], rtol=1e-5)  # of gradients, over all ranks
    np.testing.assert_allclose(several["weights"], one["weights"], rtol=0, atol=1e-6)
