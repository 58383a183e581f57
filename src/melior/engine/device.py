"""Device and precision: what the hardware does fast is chosen, and said in one sentence."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn

from melior.engine.settings import Training
from melior.errors import UserError

MATRIX_UNITS = ("amx_bf16", "avx512_bf16")  # names of processor flags; without one bf16 is done through float32
PAYS = 1.2  # bfloat16 has to be this much faster in a product of matrices: casts cost, and digits are lost
# Where casts eat what the units win. On a Xeon with amx_bf16, where a product of 512 x 512 is 3.2 times as fast, a step
# of an encoder of width 64 takes 1.16 to 0.85 times as long in bfloat16, of 256 1.14 to 0.63, of 312 0.81 to 0.69, of
# 768 0.57 to 0.43; a dense layer of 128 over 32 rows 2.1 times, of 512 1.0; a residual network of pictures of 32 x 32
# 1.4 times. So narrow networks and convolutions stay in float32 there unless asked.
WIDE = 300
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Device:
    """Where and in what to compute. said: one sentence why."""

    device: torch.device
    dtype: torch.dtype  # of products under autocast; weights and optimiser stay in float32
    said: str

    @property
    def is_gpu(self) -> bool:
        return self.device.type == "cuda"


def choose(settings: Training, module: nn.Module | None = None, began: str = "") -> Device:
    """The device and precision of these settings, or a UserError where there is no such device.

    module  what is to be trained; without it only the hardware is looked at
    began   the precision of a training that goes on, where it is known: `auto` stays with it where the hardware can.
            What is measured of the hardware differs a little each time, and the numbers of a training must not
    """
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device: {settings.device} was asked for and torch sees no GPU here; use device: cpu or auto.")
    asked_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    device = torch.device("cpu" if asked_cpu else "cuda" if settings.device == "auto" else settings.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device: there is no {settings.device}, torch sees {torch.cuda.device_count()} GPU(s).")
    name = "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    if settings.precision != "auto":
        if settings.precision == "float16" and device.type == "cpu":
            raise UserError("precision: float16 is for GPUs; on a CPU use auto, bfloat16 or float32.")
        said = f"{settings.precision} on {name}, as asked for" + _changed(began, settings.precision)
        return Device(device, getattr(torch, settings.precision), said)
    if began and _can(device, began):
        return Device(device, getattr(torch, began), f"{began} on {name}: this training began in it")
    dtype, why = _on_cpu(module) if device.type == "cpu" else _on_gpu(device)
    chosen = str(dtype).removeprefix("torch.")
    return Device(device, dtype, f"{chosen} on {name}: {why}" + _changed(began, chosen))


def _changed(began: str, now: str) -> str:
    return f"; this training began in {began}, so it goes on a little differently" if began not in ("", now) else ""


def _can(device: torch.device, precision: str) -> bool:
    """Whether this hardware has units for the precision. Every one computes in float32."""
    if precision == "float32":
        return True
    if device.type == "cpu":
        return precision == "bfloat16" and not processor_flags().isdisjoint(MATRIX_UNITS)
    return torch.cuda.get_device_capability(device)[0] >= (8 if precision == "bfloat16" else 7)


def _on_gpu(device: torch.device) -> tuple[torch.dtype, str]:
    major, minor = torch.cuda.get_device_capability(device)
    if major >= 8:
        return torch.bfloat16, "it has matrix units for bfloat16"
    if major >= 7:
        return torch.float16, "it has matrix units for float16 only, so losses are scaled"
    return torch.float32, f"it has no matrix units (compute capability {major}.{minor})"


def _on_cpu(module: nn.Module | None) -> tuple[torch.dtype, str]:
    units = [flag for flag in MATRIX_UNITS if flag in processor_flags()]
    if not units:
        return torch.float32, "the processor has no matrix units for bfloat16, which would be slower"
    if module is not None and (width := typical_width(module)) < WIDE:
        what = f"{width} wide, too narrow" if width else "convolutions or sums, not products of matrices wide enough"
        return torch.float32, f"most of the network is {what} for the processor's {units[0]} to pay"
    ratio = float32_over_bfloat16()
    if ratio < PAYS:
        return torch.float32, f"bfloat16 is only {ratio:.1f} times as fast in a product of matrices"
    return torch.bfloat16, f"with {units[0]} it is {ratio:.1f} times as fast as float32 in a product of matrices"


def typical_width(module: nn.Module) -> int:
    """The width of the matrices in which half of the weights stand, or 0 where convolutions hold most of them: the
    smaller side of a matrix, of all weights that vectors are multiplied with (so not of embeddings, which are read)."""
    # experts of one layer stand in one weight (experts, out, in), each a matrix of its own
    found = sorted(
        (0 if weight.ndim > 3 or isinstance(one, CONVOLUTIONS) else min(weight.shape[-2:]), weight.numel())
        for one in module.modules()
        if not isinstance(one, nn.Embedding | nn.EmbeddingBag)
        for weight in one.parameters(recurse=False)
        if weight.ndim >= 2
    )
    half, seen = sum(size for _, size in found) / 2, 0
    for width, size in found:
        seen += size
        if seen >= half:
            return int(width)
    return 0


@cache
def processor_flags() -> frozenset[str]:
    """The flags of the processor, as Linux tells them; none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


@cache
def float32_over_bfloat16() -> float:
    """How many times as long a product of two matrices takes in float32 on this CPU; measured once."""
    return times_as_fast(torch.device("cpu"), torch.bfloat16, torch.float32)


def times_as_fast(device: torch.device, fast: torch.dtype, slow: torch.dtype) -> float:
    """How many times as long a product of two matrices takes in `slow` as in `fast`; the best of a few."""
    size, repeats = (512, 5) if device.type == "cpu" else (4096, 5)

    def seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(size, size, dtype=dtype, device=device)
        best = float("inf")
        for _ in range(repeats + 1):  # the first warms up
            started = time.perf_counter()
            matrix @ matrix
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - started)
        return best

    return 1.0 if fast == slow else seconds(slow) / seconds(fast)
