"""How many rows go through the module at once: as many as memory allows."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from melior.engine.device import Device
from melior.engine.parallel.spread import local
from melior.engine.problem import Batch, Rows, Source
from melior.engine.surroundings import still
from melior.errors import UserError

BESIDE = 2.0  # what a pass holds beside what it saves for the backward pass: gradients of activations, work space
SHARE = 0.5  # of the free memory that activations may take


def longest(source: Source, rows: int) -> Rows:
    """The numbers of the longest rows."""
    rows = min(rows, len(source))
    if source.lengths is None:
        return np.arange(rows)
    return np.argsort(-source.lengths, kind="stable")[:rows]


def saved_bytes(module: nn.Module, batch: Batch) -> int:
    """Bytes that one forward pass keeps for the backward pass, weights left out; each storage once."""
    own = {local(one).untyped_storage().data_ptr() for one in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}
    held: list[Tensor] = []  # what is kept stays alive, or its place in memory would be given to another

    def pack(tensor: Tensor) -> Tensor:
        storage = local(tensor).untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with still(module), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(**batch.inputs)
    return sum(kept.values())


def micro_batch(module: nn.Module, source: Source, most: int, device: Device, processes: int = 1) -> int:
    """Rows that fit at once, at most `most`: from what the two longest rows keep for the backward pass. processes: how
    many share the memory of a machine without GPUs."""
    probe = source.batch(longest(source, 2)).to(device.device)
    each = saved_bytes(module, probe) / max(probe.rows, 1)
    trained = sum(local(one).nbytes for one in module.parameters() if one.requires_grad)
    free = (
        free_bytes(device.device) / (1 if device.is_gpu else processes) - 3 * trained
    )  # gradients and two moments are still to come
    return int(np.clip(SHARE * max(free, 0) / (BESIDE * max(each, 1.0)), 1, most))


def free_bytes(device: torch.device) -> float:
    """Memory that could still be used: of the GPU, or of the machine and of the group of processes this one is in."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    found = [float("inf")]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            found.append(float(int(limit) - int((group / "memory.current").read_text())))
    except (OSError, ValueError):
        pass  # another system: no limit is known, and running out of memory halves the micro-batch
    return min(found)


def used_mib(device: torch.device) -> float:
    """The most memory that was in use so far, in MiB: of the GPU by tensors, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource
    import sys

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on a CPU torch has no type of its own for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def too_little(rank: int, rows: int) -> UserError:
    """What a rank ends with that others meet in every pass: they wait in one that it cannot finish."""
    return UserError(
        f"out of memory on rank {rank} with {rows} rows at once: give a smaller micro_batch; the same command goes on "
        "from the last checkpoint."
    )
