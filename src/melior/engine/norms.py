"""What each layer does over time: norms of gradients, size of updates and signals, dead and saturated units."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from melior.engine.sparse import values_of

SATURATED = 0.99  # of the way to the end of a sigmoid or tanh: its slope there is under 4 % of the steepest
SILENT = 1e-3  # an output of gelu or silu this small says nothing


def sampled(step: int, total: int) -> bool:
    """Whether layers are looked at in this step: often at the start, later at some 50 steps, never one in under 100."""
    return step in (0, 1, 3, 10, 30) or step % max(100, total // 50) == 0


class Layers:
    """Looks at one step: made before its forward pass, then `seen`, `before`, `after`."""

    def __init__(self, module: nn.Module, *, activations: bool = True) -> None:
        self.parameters = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
        self._dead: dict[str, Tensor] = {}  # (units,) of each activation
        self._flat: dict[str, list[Tensor | float]] = {}  # numbers of outputs that are saturated, and of all
        self.norms: dict[str, float] = {}
        self._sums: dict[str, list[Tensor | float]] = {}  # squares and numbers of outputs, squares of their gradients
        self._hooks = []
        if activations:
            for name, one in module.named_modules():
                if is_layer(one):
                    self._hooks.append(one.register_forward_hook(self._signal(name)))
                measure = measured(type(one).__name__)
                if measure is not None:
                    self._hooks.append(one.register_forward_hook(self._hook(name, *measure)))

    def _hook(self, name: str, what: str, told: Callable[[Tensor], Tensor]) -> Callable[..., None]:
        def look(module: nn.Module, given: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim < 2:
                return
            here = told(output.detach())
            if what == "dead":
                units, before = _everywhere(here), self._dead.get(name)
                self._dead[name] = units if before is None or before.shape != units.shape else before & units
            else:
                sums = self._flat.setdefault(name, [0.0, 0.0])
                sums[0], sums[1] = sums[0] + here.sum(), sums[1] + here.numel()

        return look

    def _signal(self, name: str) -> Callable[..., None]:
        def look(module: nn.Module, given: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not output.requires_grad:
                return
            sums = self._sums.setdefault(name, [0.0, 0.0, 0.0])  # in the order in which layers are called
            sums[0], sums[1] = sums[0] + output.detach().float().square().sum(), sums[1] + output.numel()
            output.register_hook(back)  # type: ignore[no-untyped-call]

        def back(gradient: Tensor) -> None:
            self._sums[name][2] += gradient.detach().float().square().sum()

        return look

    @property
    def units(self) -> dict[str, dict[str, float]]:
        """Per activation, over all rows of the step: the share of its units that are dead, or of its outputs that are
        saturated."""
        dead = {name: {"dead": float(units.float().mean())} for name, units in self._dead.items()}
        return dead | {name: {"saturated": float(flat) / float(number)} for name, (flat, number) in self._flat.items()}

    @property
    def signals(self) -> dict[str, dict[str, float]]:
        """Per layer, in the order of the forward pass: the root mean square of what it gives, and the norm of the
        loss's gradient by it (up to a factor that all layers have in common)."""
        return {
            name: {"output": sqrt(float(squares) / max(float(number), 1)), "backward": sqrt(float(gradients))}
            for name, (squares, number, gradients) in self._sums.items()
        }

    def seen(self) -> None:
        """After the backward pass: activations are not looked at any longer."""
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def before(self) -> None:
        """Before the step: norms of the gradients as they are used, and a copy of the weights."""
        self.norms = {name: _norm(values_of(one.grad)) for name, one in self.parameters if one.grad is not None}
        self.old = {name: reached(one).clone() for name, one in self.parameters if one.grad is not None}

    @torch.no_grad()
    def after(self) -> dict[str, Any]:
        """layers: per weight its gradient's norm, root mean square and the ratio of update to weight (norms);
        units, signals: see there."""
        layers = {}
        for name, one in self.parameters:
            if name in self.old:
                weight = _norm(self.old[name])
                layers[name] = {
                    "gradient": self.norms[name],
                    "rms": self.norms[name] / sqrt(max(self.old[name].numel(), 1)),
                    "update": _norm(reached(one) - self.old[name]) / weight if weight else None,
                }
        return {"layers": layers, "units": self.units, "signals": self.signals}


def is_layer(module: nn.Module) -> bool:
    """Whether a module multiplies by a matrix or a kernel, and so may make a signal larger or smaller."""
    return type(module).__name__ == "Conv1D" or isinstance(module, nn.Linear | nn.modules.conv._ConvNd)


def kinds(module: nn.Module) -> dict[str, dict[str, Any]]:
    """kind (of the module it belongs to) and shape of each trained weight of two or more dimensions."""
    found: dict[str, dict[str, Any]] = {}
    for name, one in module.named_parameters():
        if one.requires_grad and one.ndim >= 2:
            owner = module.get_submodule(name.rpartition(".")[0])
            found[name] = {"kind": type(owner).__name__, "shape": list(one.shape)}
    return found


def measured(activation: str) -> tuple[str, Callable[[Tensor], Tensor]] | None:
    """What is measured behind an activation of this class, and where its outputs are so: `dead` units are silent for
    every row and place, `saturated` outputs are where it is flat."""
    name = activation.lower()
    if "sigmoid" in name and "log" not in name:
        return "saturated", lambda out: (out - 0.5).abs() > SATURATED / 2
    if name == "tanh":
        return "saturated", lambda out: out.abs() > SATURATED
    if "gelu" in name or "silu" in name:
        return "dead", lambda out: out.abs() < SILENT
    if name.startswith("relu"):
        return "dead", lambda out: out <= 0
    return None


def _everywhere(silent: Tensor) -> Tensor:
    """(units,) which are silent everywhere: units are the last axis, or the second of images (rows, C, H, W)."""
    if silent.ndim == 4:
        silent = silent.movedim(1, -1)
    return silent.flatten(0, -2).all(0)


def reached(weight: Tensor) -> Tensor:
    """The weight as it is; of one with a sparse gradient the rows that the gradient holds."""
    gradient = weight.grad
    if gradient is None or not gradient.is_sparse:
        return weight.detach()
    return weight.detach()[gradient.coalesce().indices()[0]]


def _norm(tensor: Tensor) -> float:
    norm = torch.linalg.vector_norm(tensor.float())
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
