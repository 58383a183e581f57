"""What further devices of the machine would have given a training, by the plan on paper (engine/plan/layouts.py)."""

from dataclasses import dataclass
from math import isfinite, prod

from melior.checks._training import Record, durations
from melior.engine.plan.hardware import one_machine
from melior.engine.plan.layouts import times_as_fast


@dataclass(frozen=True)
class Devices:
    """What a history says of where it was made.

    devices    GPUs of the machine, or processors without one          gpu   what is said of the GPU; None: no GPU
    processes  how many could train at once, each with a GPU or as many threads as this one had
    """

    devices: int
    processes: int
    gpu: str | None


def devices_of(record: Record) -> Devices | None:
    """None where the history does not tell, or where several processes trained already."""
    ranks, devices, threads = (record.start.get(name) for name in ("ranks", "devices", "threads"))
    if ranks != 1 or not isinstance(devices, int) or not isinstance(threads, int):
        return None
    if str(record.start.get("device")).startswith("cuda"):
        return Devices(devices, devices, str(record.start.get("said")))
    return Devices(devices, devices // max(threads, 1), None)


def trained_weights(record: Record) -> int:
    """Numbers in the matrices and kernels that are trained, which is all but a few."""
    weights = record.start.get("weights")
    return sum(prod(one["shape"]) for one in weights.values()) if isinstance(weights, dict) else 0


def best_processes(record: Record) -> tuple[int, float] | None:
    """(how many processes, how many times as fast as the one that was), where that many share the rows of each step;
    the fastest number. What does not shrink with the rows is known from a forward pass of twice as many."""
    there, trained = devices_of(record), trained_weights(record)
    lasted = durations(record)
    steps, seconds = record.steps["step"], float(lasted.sum())
    rows = record.settings.get("batch_rows")
    if there is None or not trained or len(steps) < 3 or not isinstance(rows, int) or not isfinite(seconds):
        return None
    counted = float(steps[-1] - steps[0])  # the first line, in which everything warms up, counts nothing
    if counted <= 0 or seconds <= 0:
        return None
    twice = record.start.get("twice")
    fixed = min(max(2 - twice, 0.0), 1.0) if isinstance(twice, int | float) else 0.0
    found = [
        (number, times_as_fast(seconds / counted, trained, one_machine(number, there.gpu), fixed))
        for number in range(2, min(there.processes, rows) + 1)
    ]
    return max(found, key=lambda one: one[1], default=None)
