"""Two torchrun agents on this machine, as on two machines; the one that holds the meeting point dies and comes back.

`faults.py` uses it: `melior train` of a table by one process of each agent, calm once, then disturbed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from together import Case, free_port

ROWS, EPOCHS, EVERY = 2000, 30, 20  # 50 steps an epoch, a checkpoint every 20 steps
LONGEST = 600


def recipe(folder: Path) -> Path:
    random = np.random.default_rng(0)
    a, b, c = random.normal(size=(3, ROWS)).round(3)
    rows = "".join(f"{x},{y},{z},{'yes' if x + y * z > 0 else 'no'}\n" for x, y, z in zip(a, b, c, strict=True))
    (folder / "rows.csv").write_text("a,b,c,y\n" + rows)
    path = folder / "recipe.yaml"
    path.write_text(
        f"data: {{path: {folder}/rows.csv, target: y}}\n"
        f"model:\n  tabular_network: {{epochs: {EPOCHS}, dropout: 0.0, checkpoint_every: {EVERY}}}\n"
        "train: {parallel: {data: 2}}\n"
    )
    return path


class Agents:
    """The two agents of one training; the first holds the meeting point."""

    def __init__(self, told: Path, run: Path) -> None:
        self.port, self.told, self.run = free_port(), told, run
        self.both: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
            "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{self.port}", "--rdzv-id", "faults",
            "--local-addr", "127.0.0.1", "--max-restarts", "3",
            "-m", "--", "melior", "train", str(self.told), "--run", str(self.run),
        ]  # fmt: skip
        more = {**os.environ, "OMP_NUM_THREADS": "1"}
        for holds in ("1", "0"):  # torchrun would let either agent hold it: both are on one machine
            conf = ["--rdzv-conf", f"is_host={holds},join_timeout=120"]
            one = [*command[:3], *conf, *command[3:]]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.both.append(subprocess.Popen(one, env=more, start_new_session=True, **quiet))  # type: ignore[call-overload]

    def ended(self) -> list[int]:
        codes = [one.wait(timeout=LONGEST) for one in self.both]
        self.both = []
        return codes

    def kill_host(self) -> None:
        """The first agent and its processes, as where its machine loses power."""
        for child in _children(self.both[0].pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.both[0].kill()

    def stop(self) -> None:
        for one in self.both:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)

    def steps(self) -> int:
        """How many steps the history tells so far."""
        path = self.run / "training" / "network-1" / "history.jsonl"
        return path.read_bytes().count(b'"kind": "step"') if path.exists() else 0


def _children(of: int) -> list[int]:
    """The processes below one."""
    found, todo = [], [of]
    while todo:
        one = todo.pop()
        try:
            below = [int(pid) for task in Path(f"/proc/{one}/task").iterdir()
                     for pid in (task / "children").read_text().split()]  # fmt: skip
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += below
        todo += below
    return found


def weights(run: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in (run / "predictor").rglob("*.safetensors")}


def host_killed(folder: Path, tries: int) -> Case:
    """So many trainings whose first agent is killed at a step drawn at random, then the same two commands again."""
    told = recipe(folder)
    began = time.perf_counter()
    calm = Agents(told, folder / "calm")
    calm.start()
    if calm.ended() != [0, 0]:
        raise RuntimeError("two agents do not train here")
    steps, random = calm.steps(), np.random.default_rng(12)
    killed = same = 0
    slowest = 0.0
    for number in range(tries):
        agents = Agents(told, folder / str(number))
        agents.start()
        at = int(random.integers(1, steps))
        while agents.steps() < at and all(one.poll() is None for one in agents.both):
            time.sleep(0.01)
        met = all(one.poll() is None for one in agents.both)
        killed += met
        agents.kill_host()
        noticed = time.perf_counter()
        other = agents.ended()[1]  # must end by itself
        slowest = max(slowest, time.perf_counter() - noticed)
        if met and other == 0:
            raise RuntimeError("the second agent ended with code 0 without the first")
        agents.start()
        same += agents.ended() == [0, 0] and weights(agents.run) == weights(folder / "calm")
    seconds = time.perf_counter() - began
    return {"kills": killed, "tries": tries, "same": same, "seconds": seconds, "slowest": slowest}


def main() -> None:
    """Once, in the folder that is given."""
    print(json.dumps(host_killed(Path(sys.argv[1]), 1)))


if __name__ == "__main__":
    main()
