"""Starts processes that train together, as torchrun would, and collects what the first of them found."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment(rank, ranks, port):
    paths = [str(HERE), str(HERE.parent / "engine"), str(HERE.parent / "networks"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_PORT": str(port),
        "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths),
    }  # fmt: skip


def start(ranks, command, **more):
    """The processes, one a rank."""
    port = free_port()
    return [
        subprocess.Popen(command, env={**environment(rank, ranks, port), **more}, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for rank in range(ranks)
    ]  # fmt: skip


def ended(processes, seconds=1200):
    """(exit codes, outputs, errors); all are killed after so many seconds."""
    try:
        said = [one.communicate(timeout=seconds) for one in processes]
    finally:
        for one in processes:
            one.kill()
    return [one.returncode for one in processes], [out for out, _ in said], [err for _, err in said]


def trained(ranks, cases):
    """What `worker.py` gives for each case on so many ranks: {name: {"weights", "losses", ...}}, one start for all."""
    with tempfile.TemporaryDirectory() as folder:
        job, out = Path(folder) / "job.json", Path(folder) / "out"
        job.write_text(json.dumps(cases))
        command = [sys.executable, str(HERE / "worker.py"), str(job), str(out)]
        codes, _, errors = ended(start(ranks, command))
        assert codes == [0] * ranks, next(err for code, err in zip(codes, errors, strict=True) if code)[-3000:]
        found = {}
        for case in cases:
            kept = np.load(out / f"{case['name']}.npz")
            found[case["name"]] = {key: kept[key] for key in kept}
        return found
