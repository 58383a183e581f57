"""`--processes`: the command again, in several processes of this machine, by torch's elastic agent (torchrun).

A process that is lost, killed or out of memory, is replaced: the agent starts all of them again, and they go on from
the last checkpoint.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from melior.errors import MissingExtra, UserError
from melior.processes import ENDED
from melior.trials.threads import cores

REPLACED = 3  # times that lost processes are replaced


def launch(arguments: Sequence[str], processes: int, run: Path) -> int:
    """Runs `melior ARGUMENTS --run RUN` in so many processes; its exit code. What they say comes through as it is."""
    if find_spec("torch") is None:
        raise MissingExtra("--processes", "networks")
    with tempfile.TemporaryDirectory(prefix="melior-") as folder:
        ended = Path(folder) / "ended"
        agent = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            f"--max-restarts={REPLACED}", "-m", "--", "melior", *arguments, "--run", str(run),
        ]  # fmt: skip
        threads = str(max(1, cores() // processes))
        environment = {"OMP_NUM_THREADS": threads, "LOGLEVEL": "ERROR", "TORCH_CPP_LOG_LEVEL": "ERROR", **os.environ,
                       ENDED: str(ended)}  # fmt: skip
        code = _watched(subprocess.Popen(agent, env=environment, start_new_session=True))
        if ended.exists():
            number, _, sentence = ended.read_text(encoding="utf-8").partition(" ")
            print(sentence, file=sys.stderr)
            return int(number)
        if code:
            raise UserError(
                f"the processes ended with code {code} after {REPLACED} replacements; give the same command again: it "
                "goes on from the last checkpoint."
            )
        return 0


def _watched(agent: "subprocess.Popen[bytes]") -> int:
    """Waits for the agent. Ctrl-C goes to it once, and by it to the processes, which end after their step."""
    while True:
        try:
            return agent.wait()
        except KeyboardInterrupt:
            agent.send_signal(signal.SIGTERM)
