"""What of a pretrained model is trained: all of it, nothing, its last layers, or a LoRA beside it."""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from melior.errors import UserError

Tuning = Literal["full", "frozen", "last_k", "lora"]


@dataclass(frozen=True)
class Trained:
    """How many of a model's numbers are trained."""

    trained: int
    all: int

    def __str__(self) -> str:
        return f"{self.trained:,} of {self.all:,} weights ({self.trained / max(self.all, 1):.1%})"


def blocks(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The model's layers, first to last, with their full names: the longest list of modules of one kind that is not
    inside another such list."""
    best: list[tuple[str, nn.Module]] = []
    seen: list[str] = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.ModuleList) or not len(module) or len({type(m) for m in module}) > 1:
            continue
        if any(name.startswith(f"{outer}.") for outer in seen):
            continue  # the layers of a stage, the experts of a layer
        if len(module) > 1:
            seen.append(name)
        if len(module) > len(best):
            best = [(f"{name}.{number}" if name else str(number), block) for number, block in enumerate(module)]
    return best


def freeze(model: nn.Module, tuning: Tuning, *, layers: int = 2, **lora: Any) -> Trained:
    """Sets what is trained of a pretrained model; heads around it are not touched.

    full    everything
    frozen  nothing
    last_k  the last `layers` layers (1..all of them) and what comes after them (the last normalisation), never the
            token vectors. Howard and Ruder, Universal Language Model Fine-tuning, 2018: later layers are the
            task-specific ones
    lora    a correction of low rank beside the linear layers (`add_lora`'s settings)

    UserError: more layers than there are.
    """
    if tuning == "lora":
        from melior.networks.lora import add_lora

        add_lora(model, **lora)
        return counted(model)
    model.requires_grad_(tuning == "full")
    if tuning == "last_k":
        own = blocks(model)
        if not 1 <= layers <= len(own):
            raise UserError(f"last_k: the model has {len(own)} layers and {layers} are asked for; give 1..{len(own)}.")
        for _, block in own[len(own) - layers :]:
            block.requires_grad_(True)
        for module in after_blocks(model):
            module.requires_grad_(True)
    return counted(model)


def after_blocks(model: nn.Module) -> list[nn.Module]:
    """What stands after the layers and is not the token vectors: normalisations beside the list of layers, and beside
    what the list is in."""
    return [module for module in standing_after(model) if "norm" in type(module).__name__.lower()]


def standing_after(model: nn.Module) -> list[nn.Module]:
    """Every module that the model lists after its layers, beside them or beside what they are in."""
    own = blocks(model)
    if not own:
        return []
    inner, _, _ = own[0][0].rpartition(".")
    found: list[nn.Module] = []
    while inner:
        outer = inner.rpartition(".")[0]
        holder, past = model.get_submodule(inner), False
        for module in model.get_submodule(outer).children():
            if past:
                found.append(module)
            past = past or module is holder
        inner = outer
    return found


def counted(model: nn.Module) -> Trained:
    """Weights that are trained, and all of them; shared ones count once."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Trained(sum(size for size, on in sizes if on), sum(size for size, _ in sizes))
