"""Where a training stands: its place (numbers and words), and its tensors by name."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from melior.engine.average import Average
from melior.engine.optimizers import Optimizers
from melior.engine.parallel.local_steps import LocalSteps
from melior.engine.parallel.spread import local

Tensors = dict[str, Tensor]
SETTLED = 10  # steps that the running mean of losses is of, or so


@dataclass
class Place:
    """Everything but tensors. Order, schedule and random states are functions of `step` and the settings."""

    step: int = 0  # the next step to do
    micro_batch: int = 0  # rows at once
    dtype: str = ""  # of products under autocast; empty: not known, of a checkpoint of before it was written down
    scale: float = 1.0  # of the loss, for float16
    good: int = 0  # steps since the scale last overflowed
    rate: float = 1.0  # what lowering has left of the rate
    lowered: int = 0  # times that it was lowered
    lowered_at: int = -1  # the step that made it so the last time
    first: float | None = None  # loss of the first step
    recent: float | None = None  # running mean of the losses of the last ten steps or so
    cut_at: int = -1  # the step that halved it after a spike the last time
    skipped: list[int] = field(default_factory=list)  # steps left out
    watched: list[float] = field(default_factory=list)  # what each validation gave, lower is better
    best: dict[str, Any] | None = None  # the line of the best validation
    waiting: int = 0  # validations since then
    lines: int = 0  # of the history
    window: dict[str, Any] = field(default_factory=dict)  # what is summed for the next line of it
    seconds: float = 0.0  # spent training
    stopped: str = ""  # why it ended: finished, patience, interrupted; empty while it goes on

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "Place":
        return cls(**kept)

    def lost(self, loss: float) -> None:
        """Takes note of the mean loss of a step."""
        self.first = loss if self.first is None else self.first
        self.recent = loss if self.recent is None else 0.9 * self.recent + 0.1 * loss

    def spiked(self, loss: float, times: float) -> bool:
        """Whether the mean loss of this step is more than so many times that of the steps before (0: never asked). Not
        while fewer than SETTLED steps are known, and not so soon after the last time."""
        known = self.step - max(self.cut_at, 0)
        return bool(times) and self.recent is not None and known >= SETTLED and loss > times * self.recent

    @property
    def calm(self) -> bool:
        """Whether this is a state to go back to: not one that is already much worse than where training began."""
        if self.first is None or self.recent is None or self.first <= 0:
            return True
        return self.recent <= 2 * self.first

    def copy(self) -> "Place":
        return replace(self, skipped=list(self.skipped), watched=list(self.watched))


class State:
    """The tensors of a training: trained weights and buffers, optimiser, average, the best weights so far.

    Frozen weights are not among them: whoever continues a training makes the network as before. `frozen` tells
    whether that was done.
    """

    def __init__(self, module: nn.Module, optimizers: Optimizers, average: Average, local: LocalSteps) -> None:
        self.module = module
        self.optimizers = optimizers
        self.average = average
        self.local = local
        self.best: Tensors = {}
        # ranks that step alone each have an optimiser and an average of their own
        self.own = f"-{local.mesh.rank}" if local.on else ""

    def weights(self) -> Tensors:
        return trained(self.module)

    def tensors(self) -> Tensors:
        """Every tensor under a name that says whose it is; live, not copied."""
        return dict(self._named())

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        parts: dict[str, Tensors] = {
            "module": self.weights(),
            f"optimizer{self.own}": dict(self.optimizers.tensors()),
            f"average{self.own}": self.average.weights,
            "best": self.best,
            "local": self.local.tensors(),
        }
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                yield f"{part}.{name}", tensor.detach()

    def snapshot(self) -> Tensors:
        """A copy on the CPU."""
        return {name: tensor.to("cpu", copy=True) for name, tensor in self._named()}

    @torch.no_grad()
    def restore(self, tensors: Tensors) -> None:
        """Takes over what `tensors` or `snapshot` gave."""
        parts: dict[str, Tensors] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.put(parts["module"])
        self.optimizers.restore(parts[f"optimizer{self.own}"])
        for name, tensor in self.average.weights.items():
            tensor.copy_(parts[f"average{self.own}"][name])
        self.best = dict(parts["best"])
        if self.local.on:
            self.local.restore(parts["local"])

    def wanted(self, name: str) -> Tensor | None:
        """For a tensor of this name in a checkpoint, the live one of this rank that it belongs to: it says how it is
        dealt out; None where this rank has no part in it."""
        part, _, rest = name.partition(".")
        if part.partition("-")[0] == "optimizer":
            rest = rest.split(".", 2)[2]
        elif part == "local":
            rest = rest.partition(".")[2]
        return self.weights().get(rest)

    @torch.no_grad()
    def put(self, weights: Tensors) -> None:
        """Puts these weights and buffers into the module."""
        for name, tensor in self.weights().items():
            tensor.copy_(weights[name])

    def keep_best(self) -> None:
        self.best = {name: one.detach().to("cpu", copy=True) for name, one in self.weights().items()}

    def finite(self) -> bool:
        """Whether every trained weight that this rank holds is a number."""
        return all(bool(local(one).isfinite().all()) for one in self.weights().values() if one.is_floating_point())


def trained(module: nn.Module) -> Tensors:
    """Trained weights and buffers, the live tensors."""
    return {
        **{name: one for name, one in module.named_parameters() if one.requires_grad},
        **dict(module.named_buffers()),
    }


def shapes(module: nn.Module) -> dict[str, list[int]]:
    return {name: list(one.shape) for name, one in trained(module).items()}


def frozen(module: nn.Module) -> dict[str, str]:
    """A digest of the bytes of each frozen weight, by which another one is told apart. Not sums, which round in another
    way on another number of threads."""
    kept = ((name, one) for name, one in module.named_parameters() if not one.requires_grad)
    return {name: hashlib.sha256(_bytes(one)).hexdigest()[:16] for name, one in kept}


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().data
