"""What a training changes around itself and puts back: seeds, threads, determinism, ctrl-C."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.utils import deterministic

from melior.engine.device import Device
from melior.engine.settings import Training


class Interrupt:
    """Ctrl-C, or a request to end, is noted and acted on at the end of the step; a second one ends at once.

    asked      whether this process was asked
    elsewhere  whether another one was, for which this one ends too. All are asked, at moments of their own: a request
               that comes when the training has ended for that of another is the first one here, and changes nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self.elsewhere = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def watching(self) -> Iterator["Interrupt"]:
        if threading.current_thread() is not threading.main_thread():
            yield self  # signals reach the main thread only
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self) for number in numbers}
        try:
            yield self
        finally:

            def as_before(*request: object) -> None:
                for number, handler in before.items():
                    signal.signal(number, handler)

            if self.elsewhere and not self.asked:
                for number in numbers:
                    signal.signal(number, as_before)
            else:
                as_before()


@contextmanager
def surroundings(settings: Training, device: Device) -> Iterator[Interrupt]:
    """Threads, random states and determinism for one training; all as before afterwards."""
    threads = torch.get_num_threads()
    exact = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filler: Any = deterministic
    filled = filler.fill_uninitialized_memory
    if device.is_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it products are not repeatable
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[device.device] if device.is_gpu else []))
        interrupt = stack.enter_context(Interrupt().watching())
        try:
            if settings.threads:
                torch.set_num_threads(settings.threads)
            torch.use_deterministic_algorithms(True, warn_only=True)
            filler.fill_uninitialized_memory = False  # costs time, and nothing here reads it
            yield interrupt
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(exact[0], warn_only=exact[1])
            filler.fill_uninitialized_memory = filled


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in eval mode: nothing is drawn, and running statistics stay as they are."""
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)


def seed_step(seed: int, step: int, device: torch.device, rank: int = 0) -> None:
    """Dropout and whatever else a step draws is a function of seed, step and rank: a step that is done again, or after
    going on from a checkpoint, draws the same, and there is no random state to keep."""
    drawn = mixed(mixed(mixed(seed) + step) + rank) >> 1
    # not torch.manual_seed: without a GPU each call of it notes a traceback, for when there will be one
    torch.default_generator.manual_seed(drawn)
    if device.type == "cuda":  # without a number it is the one that this rank computes on
        number = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[number].manual_seed(drawn)


def mixed(number: int) -> int:
    """64 bits in which every bit of the number has its part (SplitMix64; Steele et al., OOPSLA 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return number ^ (number >> 31)
