"""Optimisers of torch.optim, with the usual groups: weight decay for matrices and kernels, not for biases and norms."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from melior.engine.parallel.mesh import Mesh
from melior.engine.settings import Training
from melior.engine.sparse import RowAdam, tables_of, values_of
from melior.errors import UserError


class Optimizers:
    """One optimiser, or two for muon, that step together at a common rate; one more for tables with sparse gradients
    (see sparse.py).

    muon is for the matrices inside (Jordan et al., 2024); embeddings, the last linear layer, biases and norms go to
    adamw at the same rate, since updates are scaled to the size of AdamW's (Liu et al., Muon is scalable, 2025).
    """

    def __init__(self, module: nn.Module, settings: Training) -> None:
        trained = ((name, one) for name, one in module.named_parameters() if one.requires_grad)
        self.names: dict[Tensor, str] = {one: name for name, one in trained}
        if not self.names:
            raise UserError("there is nothing to train: every weight of the network is frozen; let some be trained.")
        self.elsewhere: set[Tensor] = set()  # weights that an earlier stage of a pipeline holds and counts too
        self.rate = settings.learning_rate
        self.l1 = settings.l1
        self.penalized = [one for one in self.names if one.ndim >= 2]
        tables = [one for one in tables_of(module) if one.weight in self.names]
        self.sparse = {one.weight for one in tables}
        whole = [one for one in self.names if one not in self.sparse]
        inside = inner_matrices(module) if settings.optimizer == "muon" else set()
        rest = [one for one in whole if one not in inside]
        self.all = [_made(settings, "muon", [one for one in whole if one in inside])] if inside else []
        if rest:
            self.all.append(_made(settings, "adamw" if settings.optimizer == "muon" else settings.optimizer, rest))
        if tables:
            betas = (settings.momentum, settings.second_moment)
            self.all.append(RowAdam(tables, lr=self.rate, betas=betas, weight_decay=settings.weight_decay))

    def refuse(self, settings: Training, mesh: Mesh) -> None:
        """What torch cannot do with weights that are dealt out over ranks, by one sentence on all of them."""
        if settings.optimizer == "adafactor" and mesh.any(any(isinstance(one, DTensor) for one in self.names)):
            raise UserError(
                "optimizer: adafactor looks at rows and columns of whole matrices, and train.parallel deals them out "
                "over ranks; take adamw, or take sharded and tensor out."
            )

    def step(self, factor: float) -> None:
        """One step at `factor` times the rate of the settings."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = self.rate * factor
            optimizer.step()

    def zero_grad(self) -> None:
        for one in self.names:  # what zero_grad of the optimisers does, without the profiling that it wraps around
            one.grad = None

    def gradients(self) -> list[Tensor]:
        """Each weight's gradient; of a sparse one what it holds, each row once."""
        for one in self.sparse:
            if one.grad is not None:
                one.grad = one.grad.coalesce()
        return [values_of(one.grad) for one in self.names if one.grad is not None]

    def counted(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        """Those of `gradients` that this rank counts in a norm over all weights."""
        return (
            [one.grad for one in self.names if one.grad is not None and one not in self.elsewhere]
            if self.elsewhere
            else gradients
        )

    def add_l1(self) -> None:
        """Adds the gradient of l1 * sum |w|, which is l1 * sign(w)."""
        if not self.l1:
            return
        with torch.no_grad():
            for one in self.penalized:
                if one.grad is not None:
                    one.grad.add_(one.sign(), alpha=self.l1)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The state, named NUMBER.KEY.PARAMETER."""
        for number, optimizer in enumerate(self.all):
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    if isinstance(value, Tensor):
                        yield f"{number}.{key}.{self.names[parameter]}", value

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The state that `tensors` gave; an empty one is the state of an optimiser that has not stepped."""
        parameters = {name: parameter for parameter, name in self.names.items()}
        for optimizer in self.all:
            optimizer.state.clear()
        for name, value in tensors.items():
            number, key, parameter_name = name.split(".", 2)
            parameter = parameters[parameter_name]
            # the count of steps stays where the optimiser put it, all else is beside its parameter
            device = parameter.device if value.ndim or self.fused(int(number)) else torch.device("cpu")
            self.all[int(number)].state[parameter][key] = value.clone().to(device)

    def fused(self, number: int) -> bool:
        return bool(self.all[number].defaults.get("fused"))


def inner_matrices(module: nn.Module) -> set[Tensor]:
    """Trained weights with two dimensions, but for those of embeddings and of the last linear layer."""
    linears = [one for one in module.modules() if isinstance(one, nn.Linear)]
    outer = {one.weight for one in module.modules() if isinstance(one, nn.Embedding)}
    outer |= {linears[-1].weight} if linears else set()
    return {one for one in module.parameters() if one.requires_grad and one.ndim == 2 and one not in outer}


def _made(settings: Training, name: str, parameters: list[Tensor]) -> torch.optim.Optimizer:
    decayed = [one for one in parameters if one.ndim >= 2]
    plain = [one for one in parameters if one.ndim < 2]
    split = ((decayed, settings.weight_decay), (plain, 0.0)) if settings.weight_decay else ((parameters, 0.0),)
    # weights that are dealt out over ranks in different ways cannot go through one kernel
    groups = [{"params": alike, "weight_decay": decay} for group, decay in split for alike in by_kind(group)]
    rate, betas = settings.learning_rate, (settings.momentum, settings.second_moment)
    # one kernel for all weights, where it can: also on a CPU, where the others loop in Python
    fused: dict[str, Any] = {"fused": True} if all(_can_fuse(one, name) for one in parameters) else {}
    match name:
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, **fused)
        case "adam":
            return torch.optim.Adam(groups, lr=rate, betas=betas, **fused)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=betas, **fused)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=rate)
        case "adafactor":
            return torch.optim.Adafactor(groups, lr=rate)
    assert name == "muon"
    return torch.optim.Muon(groups, lr=rate, momentum=settings.momentum, adjust_lr_fn="match_rms_adamw")


def _can_fuse(parameter: Tensor, name: str) -> bool:
    if isinstance(parameter, DTensor) and name not in ("adam", "adamw"):
        return False  # torch knows no fused step of it for weights that are dealt out
    return parameter.device.type in ("cpu", "cuda") and parameter.is_floating_point()


def by_kind(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors of one device, one type, and one way to be dealt out over ranks, together.

    Plain tensors and DTensors, and DTensors of different meshes, can neither be stacked nor go through one kernel.
    """
    kinds: dict[tuple[object, ...], list[Tensor]] = defaultdict(list)
    for one in tensors:
        dealt = (one.device_mesh, str(one.placements)) if isinstance(one, DTensor) else ()
        kinds[(one.device, one.dtype, *dealt)].append(one)
    return list(kinds.values())
