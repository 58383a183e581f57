"""The courier gives the machines back as soon as nobody asks any more, whatever it waits for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import melior
from melior.trials.executors._wire import Inbox, say

RAY = """\
import sys
import time
from unittest.mock import MagicMock


def init(**_):
    time.sleep({init})


def nodes():
    return [{{"NodeID": "a", "NodeManagerAddress": "there", "Alive": True, "Resources": {{"CPU": 1}}}}]


def wait(refs, num_returns, timeout):
    time.sleep(timeout)
    return [], refs


remote, cloudpickle = MagicMock(), MagicMock()
sys.modules["ray.util"] = sys.modules["ray.util.scheduling_strategies"] = MagicMock()
"""


@pytest.mark.parametrize(("init", "last"), [(3600, "awake"), (0, "connected")])
def test_it_ends_while_it_connects_and_while_machines_get_ready(tmp_path, init, last):
    """A stand-in for Ray is asked: one that never connects, and one whose machine never says anything."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text(RAY.format(init=init))
    paths = [str(tmp_path), str(Path(melior.__file__).parents[1])]
    courier = subprocess.Popen(
        [sys.executable, "-m", "melior.trials.executors.courier"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        said = Inbox(courier.stdout)
        say(courier.stdin, "hello", address="auto", installed={}, grace=20.0)
        while said.next(120).word != last:
            pass
        with pytest.raises(subprocess.TimeoutExpired):  # it waits for its machines, since somebody asks
            courier.wait(1)
        courier.stdin.close()
        courier.wait(60)  # it would wait for two minutes or more
    finally:
        courier.kill()
        courier.wait()
