"""The numbers that a plan needs of a network and a machine that are at hand: counted and measured, not assumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import gcd
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from melior.engine import memory
from melior.engine.blocks import repeated
from melior.engine.device import Device, choose
from melior.engine.optimizers import inner_matrices
from melior.engine.plan_hardware import (
    CARRIED,
    ETHERNET_100,
    GPU_LATENCY,
    LOOPBACK,
    REACHED,
    UNKNOWN,
    cores,
    gpu_named,
)  # fmt: skip
from melior.engine.plan_sizes import Cluster, Part, Sizes, state_bytes, together
from melior.engine.precision import Precision
from melior.engine.problem import Batch, Loss, Rows, Source
from melior.engine.settings import Training

LONG_ENOUGH = 0.2  # seconds of the timed passes
MOST_TIMED = 64  # rows of them
CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch counts that of GPUs alone
PROBES = (2**14, 2**22)  # bytes of the all-reduces that tell latency and speed


# ---- the network


def parts_of(module: nn.Module, settings: Training) -> tuple[Part, tuple[Part, ...], Part]:
    """(before, blocks, after): the weights of each, every one counted once; those outside of blocks stand before where
    the module names them before its first block. Without blocks all stand before."""
    inner = inner_matrices(module) if settings.optimizer == "muon" else set()
    blocks = repeated(module)
    where = {id(one): number for number, block in enumerate(blocks) for one in block.parameters()}
    shared = {id(one.weight) for block in blocks for one in block.modules() if isinstance(one, nn.Linear)}
    found: dict[int, list[Part]] = {}
    begun = False
    for weight in module.parameters():
        number = where.get(id(weight))
        begun = begun or number is not None
        place = number if number is not None else (len(blocks) if begun else -1)
        count, trained = weight.numel(), weight.requires_grad
        state = state_bytes(settings.optimizer, tuple(weight.shape), inner=weight in inner, momentum=settings.momentum)
        one = Part(
            trained=count if trained else 0,
            frozen=0 if trained else count,
            state=state if trained else 0,
            matrices=count if id(weight) in shared else 0,
        )
        found.setdefault(place, []).append(one)
    each = tuple(together(found.get(number, ())) for number in range(len(blocks)))
    return together(found.get(-1, ())), each, together(found.get(len(blocks), ())) if blocks else Part()


def heads_of(module: nn.Module) -> int:
    """The largest number of tensor ranks that can share the blocks: what divides the heads, or where nothing says how
    many there are, the outputs of each matrix. 0: none; a LoRA stands beside its matrix, which is then not shared."""
    linear = [one for block in repeated(module) for one in block.modules() if isinstance(one, nn.Linear)]
    if not linear or any(name.endswith(".base") for name, _ in module.named_modules()):
        return 0
    said = [
        getattr(one.config, key, None)
        for one in module.modules()
        if hasattr(one, "config")
        for key in ("num_attention_heads", "num_key_value_heads")
    ]
    heads = [one for one in said if isinstance(one, int)]
    return gcd(*(heads or [one.out_features for one in linear]))


def sizes_of(module: nn.Module, source: Source, settings: Training, device: Device | None = None) -> Sizes:
    """What a plan needs of this training. Activations are measured on the longest rows, work on one of mean length;
    the module stays where and as it is."""
    device = device or choose(settings)
    before, blocks, after = parts_of(module, settings)
    dtype = device.dtype
    here = next(module.parameters()).device
    typical = _typical(source)
    inputs = _without_labels(source.batch(typical))
    counter = FlopCounterMode(display=False, custom_mapping={CPU_ATTENTION: _attention_flops})
    states: list[int] = []

    def look(_: nn.Module, given: Any, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        states.append(first.numel() if isinstance(first, Tensor) else 0)

    with _calm(module), torch.no_grad(), counter:
        hook = repeated(module)[0].register_forward_hook(look) if blocks else None
        out = module(**{name: one.to(here) for name, one in inputs.inputs.items()})
        if hook is not None:
            hook.remove()
    logits = out.numel() if isinstance(out, Tensor) and out.ndim == 3 else 0
    frozen = [one for one in module.parameters() if not one.requires_grad]
    count = sum(one.numel() for one in frozen)
    return Sizes(
        blocks=blocks,
        before=before,
        after=after,
        rows=min(settings.batch_rows, len(source)),
        row_flops=float(counter.get_total_flops()),
        row_activations=_activations(module, source, dtype, here),
        row_states=float(states[0]) if states else 0.0,
        row_logits=float(logits),
        tokens=float(inputs.tokens + inputs.padding),
        heads=heads_of(module),
        micro_batch=settings.micro_batch,
        cast=dtype.itemsize,
        frozen_bytes=sum(one.nbytes for one in frozen) / count if count else 4.0,
        checkpointing=settings.activation_checkpointing,
        average=settings.average > 0,
    )


def _attention_flops(query: Any, key: Any, value: Any, *given: Any, out_shape: Any = None, **named: Any) -> int:
    """Of two products: (time, width) with (width, time), and (time, time) with (time, width), for each row and head."""
    rows, heads, time, width = query
    return int(2 * rows * heads * time * key[2] * (width + value[3]))


def _typical(source: Source) -> Rows:
    """The number of a row of mean length."""
    if source.lengths is None:
        return np.zeros(1, dtype=np.int64)
    return np.array([np.argmin(np.abs(source.lengths - source.lengths.mean()))])


def _without_labels(batch: Batch) -> Batch:
    """Without the labels that a language model takes to make its loss itself: it then gives its logits, whose memory a
    plan counts apart."""
    return Batch({name: one for name, one in batch.inputs.items() if name != "labels"}, batch.labels, batch.weights,
                 batch.rows, batch.tokens, batch.padding)  # fmt: skip


def _activations(module: nn.Module, source: Source, dtype: torch.dtype, here: torch.device) -> float:
    """Bytes that one of the longest rows keeps: what a second one adds, since casts of weights are kept once."""
    with Precision(Device(here, dtype, "")).forward():
        kept = [
            memory.saved_bytes(module, _without_labels(source.batch(memory.longest(source, rows))).to(here))
            for rows in (1, 2)
        ]
    return float(kept[1] - kept[0] if len(source) > 1 and kept[1] > kept[0] else kept[0])


@contextmanager
def _calm(module: nn.Module) -> Iterator[None]:
    """Inside, running statistics stay as they are."""
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)


# ---- the machine


def cluster_here(
    module: nn.Module, source: Source, loss: Loss, settings: Training, sizes: Sizes, ranks: int | None = None
) -> Cluster:
    """This machine, or as many like it as so many ranks need; ranks: all of its GPUs, or one process for each core."""
    device = choose(settings)
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
    sent = 2 * (ranks - 1) / ranks * (PROBES[1] - PROBES[0])
    return sent / max(large - small, 1e-9), small / (2 * np.ceil(np.log2(ranks)))


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
    row, threads = _typical(source), torch.get_num_threads()

    def once(rows: int) -> float:
        batch = source.batch(np.repeat(row, rows))

        def act() -> None:
            total, _ = loss(module(**batch.inputs), batch)
            total.backward()  # type: ignore[no-untyped-call]

        return min(_took(act) for _ in range(2))

    try:
        torch.set_num_threads(1)
        with _calm(module), Precision.of(choose(settings)).forward():
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
