"""The numbers that a plan needs of the machine that is at hand: measured where that takes no time, else assumed, and
said to be (see hardware.py)."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from melior.engine.device import Device, choose
from melior.engine.plan.hardware import (
    CARRIED,
    ETHERNET_100,
    GPU_LATENCY,
    LOOPBACK,
    REACHED,
    UNKNOWN,
    cores,
    gpu_named,
)  # fmt: skip
from melior.engine.plan.measured import typical
from melior.engine.plan.sizes import Cluster, Sizes
from melior.engine.precision import Precision
from melior.engine.problem import Loss, Source
from melior.engine.settings import Training
from melior.engine.surroundings import still

LONG_ENOUGH = 0.2  # seconds of the timed passes
MOST_TIMED = 64  # rows of them
PROBES = (2**14, 2**22)  # bytes of the all-reduces that tell latency and speed
LATENCY = 0.9  # of the time of the large one, at most


def cluster_here(
    module: nn.Module, source: Source, loss: Loss, settings: Training, sizes: Sizes, ranks: int | None = None
) -> Cluster:
    """This machine, or as many like it as so many ranks need; ranks: all of its GPUs, or one process for each core."""
    device = choose(settings, module)
    if device.is_gpu:
        return _gpus(device, ranks or torch.cuda.device_count())
    ranks = ranks or cores()
    reached, overhead = _timed(module, source, loss, settings, sizes)
    each = share_of_a_core(ranks)
    wire, said = _between_processes()
    return Cluster(
        ranks=ranks,
        per_machine=ranks,
        memory=machine_bytes() / ranks,
        flops=reached * each,
        within=wire[0],
        between=wire[0],
        latency=wire[1],
        memory_speed=_copying() * each,
        overhead=overhead / each,
        overlap=0.0,
        assumed=(*said, f"{reached / 1e9:,.1f} GFLOP/s of one core were measured on this network"),
    )


def share_of_a_core(ranks: int) -> float:
    """What each rank has of a core; 1 on GPUs."""
    return 1.0 if torch.cuda.is_available() else min(1.0, cores() / ranks)


def _gpus(device: Device, ranks: int) -> Cluster:
    name, many = torch.cuda.get_device_name(device.device), torch.cuda.device_count()
    known = gpu_named(name)
    gpu = known or UNKNOWN
    peak = gpu.float32 if device.dtype == torch.float32 else gpu.short
    wire, said = _between_gpus(gpu.within, gpu.by, ranks > many)
    who = f"a {name}" if known else f"a {name}, which is in no table here and taken for a middling GPU"
    return Cluster(
        ranks=ranks,
        per_machine=many,
        memory=float(torch.cuda.mem_get_info(device.device)[1]),
        flops=REACHED * peak,
        within=wire[0],
        between=CARRIED * ETHERNET_100.speed,
        latency=wire[1],
        latency_between=ETHERNET_100.latency,
        memory_speed=gpu.memory_speed,
        overlap=1.0,
        assumed=(f"{REACHED:.0%} of the {peak / 1e12:,.0f} TFLOP/s of {who} were assumed", *said),
    )


def _between_gpus(speed: float, by: str, over: bool) -> tuple[tuple[float, float], tuple[str, ...]]:
    found = measured_link(torch.device("cuda", torch.cuda.current_device()))
    if found:
        return found, (f"{found[0] / 1e9:,.1f} GB/s between the ranks were measured",)
    said = [f"{CARRIED:.0%} of the {speed / 1e9:,.0f} GB/s of {by} within a machine were assumed"]
    said += [f"{ETHERNET_100.name} between machines was assumed"] if over else []
    return (CARRIED * speed, GPU_LATENCY), tuple(said)


def _between_processes() -> tuple[tuple[float, float], tuple[str, ...]]:
    found = measured_link(torch.device("cpu"))
    if found:
        return found, (f"{found[0] / 1e9:,.2f} GB/s between the ranks were measured",)
    said = f"{LOOPBACK.speed / 1e9:,.0f} GB/s between {LOOPBACK.name} were assumed"
    return (LOOPBACK.speed, LOOPBACK.latency), (said,)


def measured_link(device: torch.device) -> tuple[float, float] | None:
    """(bytes a second of each rank, seconds of a message) by two short all-reduces over all ranks; None where none were
    started. A collective: every rank asks."""
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    ranks = dist.get_world_size()

    def taken(size: int) -> float:
        data = torch.zeros(size // 4, device=device)
        best = float("inf")
        for _ in range(4):  # the first warms up
            dist.all_reduce(torch.zeros(1, device=device))
            began = perf_counter()
            dist.all_reduce(data)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = min(best, perf_counter() - began)
        return best

    small, large = (taken(size) for size in PROBES)
    slowest = torch.tensor([small, large], dtype=torch.float64, device=device)
    dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
    small, large = slowest.tolist()
    small = min(small, LATENCY * large)  # what else the machine does may have kept the small one waiting
    sent = 2 * (ranks - 1) / ranks * (PROBES[1] - PROBES[0])
    return sent / (large - small), small / (2 * np.ceil(np.log2(ranks)))


def machine_bytes() -> float:
    """The memory of this machine, or what of it the group of processes may use that this one is in."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemTotal")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        found += [float(limit)] if limit != "max" else []
    except (OSError, ValueError):
        pass
    return min(found, default=8.0 * 2**30)


def _copying() -> float:
    """Bytes a second that one core moves to and from memory."""
    one, other = torch.ones(2**23), torch.empty(2**23)
    best = min(_took(lambda: other.copy_(one)) for _ in range(4))
    return 2 * one.nbytes / best


def _took(act: Callable[[], Any]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


def _timed(module: nn.Module, source: Source, loss: Loss, settings: Training, sizes: Sizes) -> tuple[float, float]:
    """(operations a second that one core reaches in forward and backward passes of this network, seconds of a
    micro-batch whatever its rows); from a few rows and as many as fit into some tenths of a second."""
    row, threads = typical(source), torch.get_num_threads()

    def once(rows: int) -> float:
        batch = source.batch(np.repeat(row, rows))

        def act() -> None:
            total, _ = loss(module(**batch.inputs), batch)
            total.backward()  # type: ignore[no-untyped-call]

        return min(_took(act) for _ in range(2))

    try:
        torch.set_num_threads(1)
        with still(module), Precision.of(choose(settings, module)).forward():
            once(1)  # warms up
            first = once(1)
            many = int(np.clip(LONG_ENOUGH / max(first, 1e-6), 2, MOST_TIMED))
            last = once(many)
    finally:
        torch.set_num_threads(threads)
        for one in module.parameters():
            one.grad = None
    each = max((last - first) / (many - 1), 1e-9)
    return sizes.passes_plain * sizes.row_flops / each, max(first - each, 0.0)
