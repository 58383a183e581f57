"""`--processes`: the command again, in several processes of this machine, by torch's elastic agent (torchrun).

A process that is lost, killed or out of memory, is replaced: the agent starts all of them again, and they go on from
the last checkpoint.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from melior.errors import MissingExtra, UserError
from melior.processes import ENDED, end_with_parent, how_it_ended, say_how_it_ended
from melior.trials.threads import cores

REPLACED = 3  # times that lost processes are replaced
END = 3600  # seconds that processes have after ctrl-C for step, last checkpoint, scores and report; torch gives 30
STOPPED = 130  # exit code of the agent after ctrl-C


def launch(arguments: Sequence[str], processes: int, run: Path) -> None:
    """Runs `melior ARGUMENTS --run RUN` in so many processes. What they say comes through as it is; how they end is how
    this ends: with a UserError, a KeyboardInterrupt, or well."""
    if find_spec("torch") is None:
        raise MissingExtra("--processes", "networks")
    with tempfile.TemporaryDirectory(prefix="melior-") as folder:
        ended = Path(folder) / "ended"
        agent = [
            sys.executable, "-m", __name__, str(processes),
            "--standalone", f"--max-restarts={REPLACED}", f"--log-dir={folder}",
            "-m", "--", "melior", *arguments, "--run", str(run),
        ]  # fmt: skip
        threads = str(max(1, cores() // processes))
        environment = {"OMP_NUM_THREADS": threads, "LOGLEVEL": "ERROR", "TORCH_CPP_LOG_LEVEL": "ERROR",
                       "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(END), **os.environ, ENDED: str(ended)}  # fmt: skip
        code = _watched(subprocess.Popen(agent, env=environment, start_new_session=True))
        if ended.exists():
            number, _, sentence = ended.read_text(encoding="utf-8").partition(" ")
            if int(number) == 2:
                raise UserError(sentence)
            raise KeyboardInterrupt
        if code == STOPPED:  # by ctrl-C, before a process could say so
            raise KeyboardInterrupt
        if code:
            raise UserError(
                f"the processes ended with code {code} after {REPLACED} replacements; give the same command again: it "
                "goes on from the last checkpoint."
            )


def _watched(agent: "subprocess.Popen[bytes]") -> int:
    """Waits for the agent. Ctrl-C, a kill, or the end of the terminal goes to it once, and by it to the processes,
    which end after their step; they are of a session of their own, and would go on alone."""
    asked = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, lambda *_: agent.send_signal(signal.SIGTERM)) for number in asked}
    try:
        while True:
            try:
                return agent.wait()
            except KeyboardInterrupt:
                agent.send_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def agent(processes: int, *options: str) -> None:
    """Torch's elastic agent, with its options. How processes ended is said by them and by `launch`, and not by its
    tracebacks; what it logs is of use where one was lost."""
    end_with_parent()
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    from melior.engine.parallel.ranks import more_than_gpus

    too_many = more_than_gpus(processes)  # here and not in `launch`, which needs no torch
    if too_many:
        say_how_it_ended(2, too_many)
        return
    ended = how_it_ended()
    log = logging.getLogger("torch.distributed.elastic.multiprocessing.api")
    log.addFilter(lambda line: line.levelno >= logging.ERROR and not (ended and ended.exists()))
    try:
        main([f"--nproc-per-node={processes}", *options])
    except SignalException:
        sys.exit(STOPPED)
    except ChildFailedError:
        sys.exit(1)


if __name__ == "__main__":
    agent(int(sys.argv[1]), *sys.argv[2:])
