"""One rank of a test of pipelines: trains the cases of a job, one after the other. Beside what `worker.py` can, it is
killed at a step, goes on from a copy of another case's folder, and writes down what was refused and what was noted."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from spread_toys import made
from stage_toys import staged

from melior.engine.loop import train
from melior.engine.parallel import visiting
from melior.engine.parallel.ranks import joined
from melior.engine.parallel.visiting import fits
from melior.engine.settings import Training
from melior.errors import UserError


class Killed(Exception):
    pass


class Deadly:
    """Rows of which some cannot be collated once: all ranks end there, between two steps."""

    def __init__(self, source, batches):
        self.source, self.left, self.lengths = source, batches, source.lengths

    def __len__(self):
        return len(self.source)

    def batch(self, rows):
        if self.left == 0:
            raise Killed
        self.left -= 1
        return self.source.batch(rows)


def main():
    job, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    with joined(60) as ranks:
        for case in json.loads(job.read_text()):
            how = {"rows": 61, "seed": 0, **case.get("how", {})}
            module, source, loss, valid = staged(case["toy"], **how) or made(case["toy"], **how)
            visiting.fits = (lambda *given: False) if case["name"].startswith("visited") else fits
            if "kill" in case:
                source = Deadly(source, case["kill"])
            folder = Path(case["folder"]) if "folder" in case else None
            if ranks.first and "copy" in case:
                shutil.copytree(case["copy"], folder)
            if ranks.count > 1:
                torch.distributed.barrier()
            found, said = {}, {"refused": "", "notes": [], "layers": [], "freed": 0}
            measure = (lambda module: {"figure": 0.0}) if case.get("measure") else None
            try:
                trained = train(
                    module, source, loss, Training(**case["settings"]), valid=valid, folder=folder, measure=measure
                )
                layers = [line for line in trained.history if line["kind"] == "layers"]
                weights = next((line["weights"] for line in trained.history if line["kind"] == "start"), {})
                said |= {"notes": trained.notes, "layers": layers, "start": list(weights)}
                found["losses"] = [line["loss"] for line in trained.history if line["kind"] == "step"]
                found["norms"] = [line["norm"] for line in trained.history if line["kind"] == "step"]
                found["valid"] = [line["loss"] for line in trained.history if line["kind"] == "valid"]
                found["weights"] = torch.cat([one.detach().flatten() for one in module.parameters()]).numpy()
                if ranks.count > 1:  # every rank ends with the same whole weights
                    every = [None] * ranks.count
                    torch.distributed.all_gather_object(every, float(found["weights"].astype(float).sum()))
                    assert max(every) - min(every) < 1e-9, every
            except Killed:
                pass
            except UserError as error:
                said["refused"] = str(error)
            every = ranks.told(said["refused"])
            assert len(set(every)) == 1, every  # all ranks refuse, by the same sentence, or none does
            if ranks.first:
                out.mkdir(exist_ok=True)
                np.savez(out / f"{case['name']}.npz", **found)
                (out / f"{case['name']}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
