"""One rank of a test: trains the cases of a job, one after the other; the first rank writes what came out."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from spread_toys import made

from melior.engine.loop import train
from melior.engine.parallel.ranks import joined
from melior.engine.settings import Training
from melior.errors import UserError

MET = ("apart", "sent_bytes", "every_step_bytes")


def stopping(case):
    """Ends a training as ctrl-C does, at the step `stop_at`."""
    if "stop_at" not in case:
        return None

    def measure(module):
        measure.calls += 1
        if measure.calls == case["stop_at"]:
            os.kill(os.getpid(), signal.SIGINT)
        return {}

    measure.calls = 0
    return measure


def write(ranks, path, **found):
    if ranks.first:
        path.parent.mkdir(exist_ok=True)
        np.savez(f"{path}.npz", **found)


def gathered(ranks, one):
    """What each rank says."""
    every = [one] * ranks.count
    if ranks.count > 1:
        torch.distributed.all_gather_object(every, one)
    return every


def main():
    job, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    with joined(60) as ranks:
        for case in json.loads(job.read_text()):
            module, source, loss, valid = made(case["toy"], **case.get("how", {}))
            settings = Training(**case["settings"])
            if "stop_at" in case:
                settings = settings.model_copy(update={"validate_every": 1})
            folder = Path(case["folder"]) if case.get("folder") else None
            try:
                trained = train(module, source, loss, settings, valid=valid, folder=folder, measure=stopping(case))
            except UserError as error:
                if not case.get("refused"):
                    raise
                write(ranks, out / case["name"], said=gathered(ranks, str(error)))
                continue
            steps = [line["loss"] for line in trained.history if line["kind"] == "step"]
            checked = [line["loss"] for line in trained.history if line["kind"] == "valid"]
            flat = torch.cat([one.detach().flatten() for one in (*module.parameters(), *module.buffers())])
            met = [[line[key] for key in MET] for line in trained.history if line["kind"] == "meet"]
            layers = [sorted(line["layers"]) for line in trained.history if line["kind"] == "layers"][:1]
            told = [line["what"] for line in trained.history if line["kind"] == "event"]
            found = {"weights": flat.numpy(), "losses": steps, "valid": checked, "met": met, "layers": layers}
            write(ranks, out / case["name"], **found, told=told)
            every = gathered(ranks, float(flat.double().sum()))  # every rank ends with the same whole weights
            assert max(every) - min(every) < 1e-9, every


if __name__ == "__main__":
    main()
