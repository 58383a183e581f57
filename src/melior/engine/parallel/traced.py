"""What forward passes of a whole network show of how it could be cut: which weights are used when, what goes from block
to block, and how long each takes."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from melior.engine.surroundings import still

BEFORE = -1  # the place of what is computed before the first block is entered
REPEATS = 3  # forward passes that are timed; the best counts


@dataclass
class Trace:
    """What forward passes of a whole network showed. A place is the number of the block that was entered last.

    blocks   in the order in which they are entered, each once
    users    by id of a parameter or buffer: the places at which it is used
    calls    the places at which each module is called
    states   what comes into each block
    seconds  what is before the first block, then each block with what follows it
    out      what the network gives
    """

    blocks: list[nn.Module]
    users: dict[int, set[int]]
    calls: dict[nn.Module, set[int]]
    states: list[Tensor]
    seconds: list[float]
    out: Any

    @property
    def alike(self) -> bool:
        """Whether all blocks take in states of one shape and type."""
        return len({(one.shape, one.dtype) for one in self.states}) == 1


def trace(
    module: nn.Module, blocks: Sequence[nn.Module], inputs: dict[str, Tensor], precision: AbstractContextManager[Any]
) -> Trace | None:
    """Looks at forward passes of a network in eval mode; None where the blocks are not entered in order, each once."""
    found = Trace(list(blocks), defaultdict(set), defaultdict(set), [], [], None)
    entered: list[int] = []
    moments: list[float] = []
    numbers = {block: number for number, block in enumerate(blocks)}

    def look(one: nn.Module, args: Any, kwargs: Any) -> None:
        if one in numbers:
            state = state_of(args, kwargs)
            entered.append(numbers[one] if state is not None and state.is_floating_point() else BEFORE)
            found.states += [] if state is None else [state.detach().clone()]
        found.calls[one].add(entered[-1] if entered else BEFORE)

    def clock(one: nn.Module, args: Any) -> None:
        moments.append(_now())

    hooks = [one.register_forward_pre_hook(look, with_kwargs=True) for one in module.modules()]
    with torch.no_grad(), still(module):
        try:
            with _Users(module, entered, found.users):  # without autocast, which would use copies of weights
                module(**inputs)
            users, found.states = dict(found.users), []
            order, entered[:] = list(entered), []
            with precision:
                found.out = module(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if order != list(range(len(blocks))) or entered != order:
            return None
        found.users, best = users, [float("inf")] * (len(blocks) + 1)
        hooks = [block.register_forward_pre_hook(clock) for block in blocks]
        for _ in range(REPEATS):
            moments[:] = [_now()]
            with precision:
                module(**inputs)
            moments.append(_now())
            passed = [after - before for before, after in pairwise(moments)]
            best = [min(both) for both in zip(best, passed, strict=True)]
        for hook in hooks:
            hook.remove()
    found.seconds = best
    return found


class _Users(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes at which place each parameter and buffer of a module is used."""

    def __init__(self, module: nn.Module, entered: list[int], users: dict[int, set[int]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known = {id(one) for one in (*module.parameters(), *module.buffers())}
        self.entered, self.users = entered, users

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        place = self.entered[-1] if self.entered else BEFORE
        for one in tree_leaves((args, kwargs)):
            if id(one) in self.known:
                self.users[id(one)].add(place)
        return func(*args, **(kwargs or {}))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter()


def state_of(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """What goes from block to block: the first tensor that a block is given, by position or else by name."""
    given = (*args, kwargs.get("hidden_states"), *kwargs.values())
    return next((one for one in given if isinstance(one, Tensor)), None)
