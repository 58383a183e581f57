"""What the environment says of processes that were started together, and what this machine has for them."""

import subprocess
import sys

import pytest
import torch
from torch.distributed.run import config_from_args, parse_args

from melior.engine.parallel.ranks import joined
from melior.errors import UserError
from melior.processes import ENDED
from melior.verbs.launch import agent, launch

PLACED = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
FEW = "this machine has 1 GPU, and 2 processes; start as many as GPUs."


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def test_every_rank_refuses_more_ranks_than_gpus(one_gpu, monkeypatch):
    for name, value in PLACED.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=FEW), joined(1):  # the first rank has a GPU, and would wait for the second
        pass


def test_more_processes_than_gpus_are_not_started(one_gpu, monkeypatch, tmp_path):
    monkeypatch.setenv(ENDED, str(tmp_path / "ended"))
    agent(2, "--an-option-that-nobody-knows")
    assert (tmp_path / "ended").read_text() == f"2 {FEW}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE in the environment is 2, and RANK does not say"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "WORLD_SIZE in the environment is 2, and RANK does not say"),
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE in the environment is 'abc', not a number"),
        ({"WORLD_SIZE": "2", "RANK": "x"}, "RANK in the environment is 'x', not a number"),
    ],
)
def test_an_environment_that_makes_no_sense_is_one_sentence(given, said, monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=said), joined(1):
        pass


def test_the_command_says_so_too(monkeypatch, tmp_path):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "abc")
    done = subprocess.run(
        [sys.executable, "-m", "melior", "train", str(tmp_path / "none.yaml"), "--processes", "2"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("melior: WORLD_SIZE in the environment is 'abc'")
    assert "Traceback" not in done.stderr


def test_processes_have_more_than_half_a_minute_to_end(monkeypatch, tmp_path):
    started = []

    class Agent:
        def __init__(self, command, env, **_):
            started.append((command, env))

        def wait(self):
            return 0

    monkeypatch.setattr(subprocess, "Popen", Agent)
    launch(["train", "recipe.yaml"], 2, tmp_path)
    ((command, env),) = started
    monkeypatch.setenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", env["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"])
    options = command[command.index("--standalone") :]
    config, _, _ = config_from_args(parse_args(options))
    assert config.shutdown_timeout == 3600
