"""Starts processes that train together on this machine, and what one of them does for the benchmarks beside.

python benchmarks/parallel/together.py JOB OUT     one rank of a job (started by `together`)
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "engine")]

Case = dict[str, Any]
LONGEST = 1800


def environment(rank: int, ranks: int, port: int) -> dict[str, str]:
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_PORT": port}
    return {**os.environ, **{key: str(value) for key, value in own.items()}, "MASTER_ADDR": "127.0.0.1",
            "OMP_NUM_THREADS": "1"}  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def together(ranks: int, job: Case, kill: float | None = None) -> tuple[list[Case], bool]:
    """(what each rank found, whether all came to their end); kill: one of them, after so many seconds of training."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        told, out = Path(folder) / "job.json", Path(folder) / "out"
        told.write_text(json.dumps(job))
        command = [sys.executable, str(Path(__file__).resolve()), str(told), str(out)]
        processes = [subprocess.Popen(command, env=environment(rank, ranks, port), stderr=subprocess.PIPE, text=True)
                     for rank in range(ranks)]  # fmt: skip
        try:
            if kill is not None:
                _kill(processes, out, kill)
            said = [one.communicate(timeout=LONGEST)[1] for one in processes]
        finally:
            for one in processes:
                one.kill()
        well = all(one.returncode == 0 for one in processes)
        if not well and kill is None:
            raise RuntimeError(next(text for text in said if text).strip().splitlines()[-1])
        found = [json.loads((out / f"{rank}.json").read_text()) for rank in range(ranks)] if well else []
        return found, well


def _kill(processes: "list[subprocess.Popen[str]]", out: Path, seconds: float) -> None:
    while not all((out / f"{rank}.began").exists() for rank in range(len(processes))):
        if any(one.poll() is not None for one in processes):
            return
        time.sleep(0.01)
    time.sleep(seconds)
    victim = processes[int(seconds * 1000) % len(processes)]
    victim.send_signal(signal.SIGKILL)


def network(kind: str, rows: int) -> tuple[Any, Any, Any]:
    """(module, rows, loss): the same bits for the same kind wherever it is made."""
    import torch
    from rows import Numbers, Texts, dense, encoder

    from melior.engine.losses import class_loss

    torch.manual_seed(0)
    if kind == "table":
        return dense(64, 512), Numbers(rows, 64), class_loss
    if kind == "encoder":
        return encoder(2000, 64), Texts(rows, longest=64, typical=32, words=2000), class_loss
    from transformers import LlamaConfig, LlamaForCausalLM

    from melior.networks.conversation import Language
    from melior.networks.losses import CausalNetwork, language_loss
    from melior.networks.packing import LanguageRows
    from melior.networks.tokens import Tokens

    texts = Texts(rows, longest=64, typical=32, words=2000)
    counts = [place > 0 for row in texts.rows for place in range(len(row))]
    import numpy as np

    config = LlamaConfig(vocab_size=2000, hidden_size=128, intermediate_size=256, num_hidden_layers=4,
                         num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=False)  # fmt: skip
    held = LanguageRows(Language(Tokens.of([row.tolist() for row in texts.rows]), np.array(counts)), 0)
    return CausalNetwork(LlamaForCausalLM(config)), held, language_loss


def held_bytes() -> int:
    """Bytes of all tensors in this process, each storage once: weights, gradients, the optimiser's state, the rows."""
    import torch
    from torch.distributed.tensor import DTensor

    found = {}
    for one in gc.get_objects():
        if issubclass(type(one), torch.Tensor):
            for part in (one, one.grad if one.is_leaf else None):
                if part is not None:
                    storage = (part.to_local() if isinstance(part, DTensor) else part).untyped_storage()
                    found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


def sent_bytes() -> int:
    """Bytes that went over the loopback device so far, of all processes."""
    line = next(one for one in Path("/proc/net/dev").read_text().splitlines() if one.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def main() -> None:
    """One rank."""
    import torch

    from melior.engine.loop import train
    from melior.engine.parallel.ranks import joined
    from melior.engine.settings import Training

    job, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    with joined(60) as ranks:
        module, source, loss = network(job["network"], job["rows"])
        rows = held_bytes() - sum(one.nbytes for one in module.parameters())  # held before any training
        marks: list[tuple[float, int, int]] = []

        def measure(_: Any) -> dict[str, float]:
            """Called between steps: where the clock and the counters are."""
            if not marks:
                (out / f"{ranks.number}.began").touch()
            marks.append((time.perf_counter(), sent_bytes(), held_bytes() - rows if len(marks) == 2 else 0))
            return {}

        folder = Path(job["folder"]) if job.get("folder") else None
        settings = Training(**job["settings"])
        # no rank of a pipeline has a whole network to measure: there the clock stands before and after
        whole = (job["settings"].get("parallel") or {}).get("pipeline", 1) == 1
        if not whole:
            measure(None)
        trained = train(module, source, loss, settings, folder=folder, measure=measure if whole else None)
        if not whole:
            measure(None)
        flat = torch.cat([one.detach().flatten().double() for one in module.parameters()])
        losses = [line["loss"] for line in trained.history if line["kind"] == "step"]
        weights = {"sum": float(flat.sum()), "length": float(flat.norm())}
        if job.get("keep"):
            torch.save(flat, f"{job['keep']}.{ranks.number}")
        calls = job["settings"].get("validate_every", 1) if whole else len(losses)
        steady = marks[2:] if len(marks) > 3 else marks
        steps = max((len(steady) - 1) * calls, 1)
        found = {
            "losses": losses, **weights,
            "step_seconds": (steady[-1][0] - steady[0][0]) / steps,
            "step_bytes": (steady[-1][1] - steady[0][1]) / steps,
            "held": max(mark[2] for mark in marks), "weights": 4 * len(flat),
        }  # fmt: skip
        (out / f"{ranks.number}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
