"""The devices that train together, along three axes: pipeline, data, tensor. Everything global is asked of it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from melior.engine.parallel.ranks import WRONG
from melior.errors import UserError
from melior.layout import Layout
from melior.processes import number_in

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

AXES = ("pipeline", "data", "tensor")  # the last changes fastest: ranks that share a matrix stand side by side
HEARTBEAT = 1.0  # seconds between notes of where a rank is


@dataclass(frozen=True)
class Mesh:
    """Gradients are summed over data ranks, never averaged: the loop divides by the global count, and the mean of
    per-rank means would be wrong on uneven shards.

    rank, ranks  along the axis of data: whose rows these are
    layout       of all ranks
    axes         torch's mesh with the names of AXES; None where one process trains alone
    group        of all ranks, where it is not the usual one
    """

    rank: int = 0
    ranks: int = 1
    layout: Layout = field(default_factory=lambda: Layout(data=1))
    axes: "DeviceMesh | None" = None
    group: Any = None

    @classmethod
    def of(cls, layout: Layout | None, device: torch.device) -> "Mesh":
        """The mesh of the ranks that were started together; of one process where none were, or none is wanted."""
        if layout is None or not dist.is_available() or not dist.is_initialized():
            return cls()
        try:
            layout = layout.fits(dist.get_world_size())
        except ValueError as error:
            raise UserError(f"{error}.") from None
        from torch.distributed.device_mesh import init_device_mesh

        shape = (layout.pipeline, int(layout.data), layout.tensor)
        axes = init_device_mesh(device.type, shape, mesh_dim_names=AXES)
        for axis in AXES:  # made with torch's own half an hour
            dist.distributed_c10d._set_pg_timeout(patience(device.type), axes.get_group(axis))
        return cls(axes.get_local_rank("data"), int(layout.data), layout, axes)

    def aside(self) -> "Mesh":
        """The same ranks for what goes on beside the training: two threads must not share a group of processes."""
        if self.axes is None:
            return self
        return replace(self, group=dist.new_group(backend="gloo", timeout=patience(self.axes.device_type)))

    @property
    def alone(self) -> bool:
        return self.axes is None

    @property
    def first(self) -> bool:
        """Whether this rank writes what is written once: history, progress, what people see."""
        return self.axes is None or dist.get_rank() == 0

    @property
    def world(self) -> int:
        return 1 if self.axes is None else dist.get_world_size()

    @property
    def place(self) -> int:
        """The number of this rank among all."""
        return 0 if self.axes is None else dist.get_rank()

    @property
    def neighbours(self) -> int:
        """Ranks on this machine."""
        return 1 if self.axes is None else number_in("LOCAL_WORLD_SIZE", self.world)

    def along(self, axis: str) -> Any:
        """The group of the ranks that differ from this one only along an axis."""
        assert self.axes is not None
        return self.axes.get_group(axis)

    @property
    def stage(self) -> int:
        """Which part of the layers this rank has."""
        return 0 if self.axes is None else int(self.axes.get_local_rank("pipeline"))

    @property
    def share(self) -> int:
        """Which share of every matrix this rank has."""
        return 0 if self.axes is None else int(self.axes.get_local_rank("tensor"))

    @property
    def draws(self) -> int:
        """Ranks that differ here draw differently: dropout in other rows, or in other layers."""
        return self.rank + self.ranks * self.stage

    def size(self, axis: str) -> int:
        return 1 if self.axes is None else int(self.axes[axis].size())

    # ---- what is global

    def sums(self, values: Sequence[float]) -> Sequence[float]:
        """The sums over all rows of a few numbers: losses, counts of rows and of target tokens. Along the pipeline one
        stage knows them and the others give 0; along the tensor axis all know the same."""
        if self.axes is None or self.ranks * self.size("pipeline") == 1:
            return values
        found = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        for axis in ("data", "pipeline"):
            if self.size(axis) > 1:
                dist.all_reduce(found, group=self.along(axis))
        return [float(one) for one in found.tolist()]

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank: out of memory, an interrupt."""
        return bool(self.most(float(flag)))

    def most(self, value: float, axis: str = "") -> float:
        """The largest over all ranks, or over those along an axis."""
        if self.axes is None:
            return value
        found = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX, group=self.along(axis) if axis else self.group)
        return float(found)

    def told(self, values: Sequence[float]) -> list[float]:
        """What the first rank says, on all of them: what was measured differs, and must not where it decides."""
        if self.axes is None:
            return list(values)
        found = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        dist.broadcast(found, src=0)
        return [float(one) for one in found.tolist()]

    def least(self, value: float) -> float:
        """The smallest over all ranks."""
        return -self.most(-value)

    def norm(self, squares: Sequence[Tensor]) -> Tensor:
        """The square root of the sum of squares of gradients. squares: whole over data and tensor ranks already (see
        clip.total_norm); each stage of a pipeline has those of its own layers."""
        total = torch.stack(list(squares)).sum()
        if self.size("pipeline") > 1:
            dist.all_reduce(total, group=self.along("pipeline"))
        return total.sqrt()

    def barrier(self) -> None:
        if self.axes is not None:
            dist.all_reduce(torch.zeros((), device=self.device))

    @property
    def device(self) -> torch.device:
        """Where what is said to other ranks lies. Beside the training that is the CPU: gloo sends it, and a new thread
        does not know the GPU of this rank."""
        if self.axes is not None and self.axes.device_type == "cuda" and self.group is None:
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")


def patience(device: str) -> timedelta:
    """How long ranks wait for one another: what the group of all was given when they met."""
    everybody: Any = dist.group.WORLD
    found: timedelta = everybody._get_backend(torch.device(device)).options._timeout
    return found


class Heart:
    """Each rank notes in the store that all share which step it is at, so that whoever waits in vain can say for
    whom. A note costs some 50 microseconds, so it is made at most once a second."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.store = None if mesh.alone else dist.distributed_c10d._get_default_store()
        self.noted = 0.0

    def beat(self, step: int) -> None:
        now = time.time()
        if self.store is not None and now - self.noted >= HEARTBEAT:
            self.noted = now
            with suppress(RuntimeError):  # a store that is gone is noticed by the next collective
                self.store.set(f"beat/{self.mesh.place}", f"{step} {now}")

    def wrong(self) -> str:
        """What another rank said before it ended; empty where none did."""
        with suppress(RuntimeError):  # the store is gone
            if self.store is not None and self.store.check([WRONG]):
                return str(self.store.get(WRONG).decode())
        return ""

    def late(self, step: int) -> str:
        """Which rank others wait for, as far as the notes tell."""
        if self.store is None:
            return ""
        found = []
        try:
            self.store.set_timeout(timedelta(seconds=5))
            for rank in range(self.mesh.world):
                if rank == self.mesh.place:
                    continue  # its own note may be older than that of who is late
                at, when = self.store.get(f"beat/{rank}").decode().split()
                found.append((float(when), int(at), rank))
        except (RuntimeError, ValueError):
            return f"at step {step} another rank did not answer, and the store of all ranks is gone"
        last, reached, rank = min(found)
        ago = time.time() - last
        return (
            f"rank {rank} was last heard of at step {reached}, {ago:,.0f} s ago (this is rank {self.mesh.place}, at "
            f"step {step})"
        )
