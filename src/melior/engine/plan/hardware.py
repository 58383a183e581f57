"""What devices and networks are said to do, for plans of what was not measured. A plan says which of it it assumed."""

import os
import re
from dataclasses import dataclass

from melior.engine.plan.sizes import Cluster

REACHED = 0.4  # of a device's peak in products that large trainings reach: 0.38-0.43 on H100 (Llama 3, 2024, table 4)
CARRIED = 0.8  # of a link's nominal speed


@dataclass(frozen=True)
class Gpu:
    """From the maker's data sheet: operations a second in products of 16-bit and of float32 matrices without sparsity,
    bytes of memory, bytes a second to it, bytes a second to other GPUs of the machine, one way; and how these are
    connected."""

    short: float
    float32: float
    memory: float
    memory_speed: float
    within: float
    by: str = "NVLink"


PCIE_3, PCIE_4 = 15.8e9, 31.5e9  # 16 lanes, one way: 8 and 16 GT/s at 128 of 130 bits (PCI-SIG)
GPUS = {  # words of the name that the driver gives; NVIDIA's data sheets of each
    "H200": Gpu(989e12, 67e12, 141e9, 4.8e12, 450e9),
    "H100": Gpu(989e12, 67e12, 80e9, 3.35e12, 450e9),
    "A100": Gpu(312e12, 19.5e12, 80e9, 2.04e12, 300e9),
    "V100": Gpu(125e12, 15.7e12, 32e9, 0.9e12, 150e9),
    "L40S": Gpu(362e12, 91.6e12, 48e9, 0.864e12, PCIE_4, "PCIe 4"),
    "RTX 4090": Gpu(165e12, 82.6e12, 24e9, 1.01e12, PCIE_4, "PCIe 4"),
    "A10": Gpu(125e12, 31.2e12, 24e9, 0.6e12, PCIE_4, "PCIe 4"),
    "L4": Gpu(121e12, 30.3e12, 24e9, 0.3e12, PCIE_4, "PCIe 4"),
    "T4": Gpu(65e12, 8.1e12, 16e9, 0.32e12, PCIE_3, "PCIe 3"),
}
UNKNOWN = Gpu(100e12, 20e12, 24e9, 0.6e12, PCIE_4, "PCIe 4")  # a middling one of the above


@dataclass(frozen=True)
class Wire:
    """Between machines or processes: bytes a second one way, seconds of a message."""

    name: str
    speed: float
    latency: float


ETHERNET_100 = Wire("Ethernet of 100 Gb/s", 12.5e9, 3e-5)  # IEEE 802.3ba; latency of TCP on one switch
INFINIBAND_8X400 = Wire("8 ports of 400 Gb/s InfiniBand a machine", 400e9, 5e-6)  # NVIDIA DGX H100, data sheet
LOOPBACK = Wire("processes of one machine over its loopback", 1e9, 1e-4)  # of the order that gloo reaches on one core
GPU_LATENCY = 5e-6  # of a message between GPUs of a machine


def gpu_named(name: str) -> Gpu | None:
    """What is known of a GPU by the name that its driver gives.

    >>> gpu_named("NVIDIA H100 80GB HBM3").short
    989000000000000.0
    >>> gpu_named("NVIDIA RTX A1000") is None
    True
    """
    return next((gpu for words, gpu in GPUS.items() if re.search(rf"\b{words}\b", name)), None)


def one_machine(ranks: int, gpu: str | None) -> Cluster:
    """A machine of so many ranks, of which only the links matter. gpu: a text with its name in it; None: processes on
    CPUs, which send over the loopback."""
    known = UNKNOWN if gpu is None else gpu_named(gpu) or UNKNOWN
    speed, latency = (LOOPBACK.speed, LOOPBACK.latency) if gpu is None else (CARRIED * known.within, GPU_LATENCY)
    return Cluster(
        ranks=ranks, per_machine=ranks, memory=known.memory, flops=REACHED * known.short, within=speed, between=speed,
        latency=latency, overlap=0.0 if gpu is None else 1.0,
    )  # fmt: skip


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> int:
    """GPUs that torch sees; 0 where there is no torch."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
