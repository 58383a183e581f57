"""Processes that train together: how they find each other, agree on what they do, and end together.

Whoever starts them (torchrun, `melior train --processes`, a scheduler) sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR
and MASTER_PORT, as torch.distributed has them.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from melior.errors import UserError
from melior.processes import number_in, started_together

T = TypeVar("T")
SAID = count(1)  # messages so far: all ranks say the same things in the same order
WRONG = "wrong"  # a sentence: what is wrong on some rank, which the others need not wait for
LOOKED = 5.0  # seconds that the first rank waits for the others before it ends with an error
MEET = 300.0  # seconds that ranks wait for one another before training: others may have more to read


@dataclass
class Ranks:
    """The processes started together; one where none were. number: of this one."""

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0

    def told(self, message: Any, wait: float = MEET) -> list[Any]:
        """What every rank says, as plain values (JSON; nothing is unpickled). wait: seconds for the slowest."""
        if self.count == 1:
            return [message]
        import torch.distributed as dist

        store, said = dist.distributed_c10d._get_default_store(), next(SAID)
        store.set(f"said/{said}/{self.number}", json.dumps(message))
        found, end, pause = [], time.monotonic() + wait, 0.005
        try:
            for rank in range(self.count):
                while not store.check([f"said/{said}/{rank}"]):
                    if store.check([WRONG]):
                        raise UserError(store.get(WRONG).decode())
                    if time.monotonic() > end:
                        raise UserError(f"after {wait:.0f} s not all of {self.count} ranks were ready to train.")
                    time.sleep(pause)
                    pause = min(2 * pause, 0.2)
                found.append(json.loads(store.get(f"said/{said}/{rank}")))
        except RuntimeError:
            raise UserError(f"of {self.count} ranks some are gone; the first of them says why.") from None
        return found

    def together(self, make: Callable[[], T]) -> T:
        """What `make` gives, where it gives it on all ranks; a UserError of any rank is one on all of them."""
        made: list[T] = []
        error = ""
        try:
            made.append(make())
        except UserError as problem:
            error = str(problem)
        found = [(rank, one) for rank, one in enumerate(self.told(error)) if one]
        if found:
            rank, sentence = found[0]
            raise UserError(sentence if rank == 0 else f"rank {rank}: {sentence}")
        return made[0]

    def agree(self, facts: Mapping[str, Any]) -> None:
        """All ranks must have the same code, recipe, rows and seed: others would not notice, and learn nonsense.

        facts  what must be the same, by what a person calls it
        """
        if self.count == 1:
            return
        said = self.told({name: str(value) for name, value in {**facts, "code": code_digest()}.items()})
        for name in said[0]:
            other = next((rank for rank, one in enumerate(said) if one.get(name) != said[0][name]), None)
            if other is not None:
                raise UserError(
                    f"rank {other} has another {name} than rank 0 ({said[other].get(name)}, not {said[0][name]}); "
                    "give all machines the same."
                )


def here() -> Ranks:
    """The ranks that are joined now."""
    import torch.distributed as dist

    joined_now = dist.is_available() and dist.is_initialized()
    return Ranks(dist.get_rank(), dist.get_world_size()) if joined_now else Ranks()


@cache
def code_digest() -> str:
    """Changes with the code and with the libraries that compute."""
    found = hashlib.sha256(" ".join(version(name) for name in ("torch", "numpy")).encode())
    folder = Path(__file__).resolve().parents[1]
    for file in sorted(folder.rglob("*.py")):
        found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()[:16]


@contextmanager
def joined(timeout: float) -> Iterator[Ranks]:
    """Inside, collectives work, and those that wait longer than `timeout` seconds fail. One process alone needs none.

    UserError: the first rank cannot be reached, its port is in use, more ranks than GPUs.
    """
    together = started_together()
    if together == 1:
        yield Ranks()
        return
    import torch
    import torch.distributed

    dist: Any = torch.distributed
    if dist.is_initialized():
        yield Ranks(dist.get_rank(), dist.get_world_size())
        return
    number, place = number_in("RANK", 0), number_in("LOCAL_RANK", 0)
    backend = "gloo"
    if torch.cuda.is_available():
        too_many = more_than_gpus(number_in("LOCAL_WORLD_SIZE", place + 1))  # the same on all ranks of the machine
        if too_many:
            raise UserError(too_many)
        torch.cuda.set_device(place)
        backend = "cuda:nccl,cpu:gloo"
    where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    try:
        # an agent that starts lost processes again keeps its store, in which the old ones left where they listened
        again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store, _, _ = next(dist.rendezvous("env://", timeout=timedelta(seconds=timeout)))
        dist.init_process_group(
            backend, store=dist.PrefixStore(f"start-{again}", store), rank=number, world_size=together,
            timeout=timedelta(seconds=timeout),
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        said = str(error).splitlines()[0]
        if "EADDRINUSE" in said or "address already in use" in said:
            raise UserError(f"the port of {where} is in use; give another one with --master-port.") from None
        raise UserError(f"the first rank at {where} cannot be reached ({said[:120]}).") from None
    try:
        yield Ranks(number, together)
    except UserError as error:  # others may be waiting for this rank
        own = number == 0 or f"rank {number}" in str(error)
        _told_to_all(str(error) if own else f"rank {number}: {error}", number, together)
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def more_than_gpus(processes: int) -> str:
    """A sentence where a machine with GPUs has fewer of them than processes."""
    import torch

    gpus = torch.cuda.device_count()
    if not torch.cuda.is_available() or processes <= gpus:
        return ""
    return (
        f"this machine has {gpus} {'GPU' if gpus == 1 else 'GPUs'}, and {processes} processes; start as many as GPUs."
    )


def _told_to_all(sentence: str, number: int, together: int) -> None:
    """Says that this rank ends, and why; those that wait for it in a sum are woken, since its connections close. The
    first one keeps the store until the others have looked there."""
    import torch.distributed as dist

    with suppress(RuntimeError):  # the store is gone, and with it whoever could be told
        store = dist.distributed_c10d._get_default_store()
        if not store.check([WRONG]):
            store.set(WRONG, sentence)
        store.set(f"ended/{number}", "")
        dist.destroy_process_group()
        end = time.monotonic() + LOOKED
        while number == 0 and time.monotonic() < end and not store.check([f"ended/{rank}" for rank in range(together)]):
            time.sleep(0.02)
