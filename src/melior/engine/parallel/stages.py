"""How a network is cut into the stages of a pipeline.

Any network is cut whose forward pass is something before, blocks in order, something after, with one state that goes
from block to block. Each stage runs the network's own forward pass, so that masks and positions come from the batch,
which all stages have, and only the state travels:

- what stands before the first block of a stage is replaced by stand-ins, which have no weights and give tensors of the
  right shapes; where the first block is entered, the state that came from the stage before is written over them;
- where the first block of the next stage is entered, the forward pass ends.

Whether that gives what the whole network gives is tried before any weight is freed. What stand-ins give is no number,
so that it shows where a network uses it in another way, be it multiplied by zero.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten
from torch.utils.hooks import RemovableHandle

from melior.engine.parallel.traced import BEFORE, Trace, state_of
from melior.engine.surroundings import still

NO_NUMBER = float("nan")
NEAR = 1e-3  # how far a cut network may be from the whole one, as a share of the length of what it gives
Receive = Callable[[Tensor], None]


class Border(BaseException):
    """Ends a forward pass where the next stage begins. No Exception, so that no network catches it."""

    def __init__(self, state: Tensor) -> None:
        self.state = state


def split(seconds: Sequence[float], stages: int) -> list[int]:
    """Where to cut: the first block of each stage, and the number of blocks. The slowest stage is as fast as can be,
    and of several such cuts it is the evenest.

    seconds  as in Trace: before, then each block; every stage has a block at least

    >>> split([1, 1, 1, 1, 3], 2)
    [0, 3, 4]
    """
    blocks = [seconds[0] + seconds[1], *seconds[2:]]  # what is before goes with the first block
    best: dict[tuple[int, int], tuple[float, float, list[int]]] = {}  # (stages, blocks): slowest, squares, firsts
    for count in range(1, stages + 1):
        for end in range(count, len(blocks) + 1):
            found = []
            for first in range(count - 1, end) if count > 1 else [0]:
                own = sum(blocks[first:end])
                slowest, squares, firsts = best[count - 1, first] if count > 1 else (0.0, 0.0, [])
                found.append((max(slowest, own), squares + own * own, [*firsts, first]))
            best[count, end] = min(found)
    return [*best[stages, len(blocks)][2], len(blocks)]


class Stage:
    """One stage of a network, cut in place: `run` it; `free` what other stages hold; `undo` puts all back.

    cuts     as `split` gives them     number  of this stage, from 0
    holders  by name of a parameter: the stages that hold it; several, where first and last share token vectors
    owners   by name of a buffer: the stage whose value counts
    device   on which it computes; None: where the weights are
    """

    def __init__(
        self, module: nn.Module, trace: Trace, cuts: Sequence[int], number: int, device: torch.device | None = None
    ) -> None:
        self.module, self.trace, self.cuts, self.number = module, trace, list(cuts), number
        self.device = device
        self.last = number == len(cuts) - 2
        self.parameters, self.buffers = dict(module.named_parameters()), dict(module.named_buffers())
        self.holders = {
            name: sorted({self._stage(at) for at in self._places(one)}) for name, one in self.parameters.items()
        }
        self.owners = {name: min(self._stage(at) for at in self._places(one)) for name, one in self.buffers.items()}
        self.receive: Receive | None = None
        self.root = Until(module)
        self.known: dict[Any, tuple[Tensor | None, Tensor | None]] = {}
        self._undo: list[Callable[[], None]] = []
        self._hooks: list[RemovableHandle] = []
        self._stand_in()
        self._take_out()
        self.hook()

    def _places(self, one: Tensor) -> Iterable[int]:
        return self.trace.users.get(id(one)) or [BEFORE]

    def _stage(self, place: int) -> int:
        return max(number for number, first in enumerate(self.cuts[:-1]) if number == 0 or first <= place)

    # ---- the cut

    def _stand_in(self) -> None:
        """The outermost modules with weights that are called before this stage alone."""
        first = self.cuts[self.number]

        def earlier(one: nn.Module) -> bool:
            calls = [self.trace.calls.get(inner, set()) for inner in one.modules()]
            return bool(calls[0]) and all(place < first for places in calls for place in places)

        def look(one: nn.Module) -> None:
            for child in one.children():
                if next(child.parameters(), None) is not None and earlier(child):
                    self._replaced(child)
                else:
                    look(child)

        if self.number:
            look(self.module)

    def _replaced(self, one: nn.Module) -> None:
        if isinstance(one.__dict__.get("forward"), StandIn):  # the same module at another place
            return
        before = one.__dict__.get("forward")
        one.forward = StandIn(one.forward)

        def back() -> None:
            del one.__dict__["forward"]
            if before is not None:
                one.forward = before

        self._undo.append(back)

    def _take_out(self) -> None:
        """Weights of other stages are weights no longer, and all of their entries share one place; buffers stay where
        they are read, and are not counted as this stage's."""
        foreign = {self.parameters[name] for name, at in self.holders.items() if self.number not in at}
        elsewhere = {id(self.buffers[name]) for name, at in self.owners.items() if self.number != at}
        for one in self.module.modules():
            for name, weight in list(one._parameters.items()):
                if weight is not None and weight in foreign:
                    device = self.device or weight.device
                    shown = torch.full((), NO_NUMBER, dtype=weight.dtype, device=device).expand(weight.shape)
                    self._hidden(one, one._parameters, name, weight, shown)
            for name, buffer in list(one._buffers.items()):
                if buffer is not None and id(buffer) in elsewhere:
                    self._hidden(one, one._buffers, name, buffer, buffer)

    def _hidden(self, one: nn.Module, where: dict[str, Any], name: str, was: Any, shown: Tensor) -> None:
        where[name] = None
        one.__dict__[name] = shown

        def back() -> None:
            del one.__dict__[name]
            where[name] = was

        self._undo.append(back)

    def hook(self) -> None:
        """Borders come before whatever else is hooked to a block so far."""

        def enter(one: nn.Module, args: Any, kwargs: Any) -> None:
            if self.receive is not None:
                self.receive(cast(Tensor, state_of(args, kwargs)))

        def leave(one: nn.Module, args: Any, kwargs: Any) -> None:
            raise Border(cast(Tensor, state_of(args, kwargs)))

        blocks, first, end = self.trace.blocks, self.cuts[self.number], self.cuts[self.number + 1]
        self._unhook()
        self._hooks.append(blocks[first].register_forward_pre_hook(enter, with_kwargs=True, prepend=True))
        if not self.last:
            self._hooks.append(blocks[end].register_forward_pre_hook(leave, with_kwargs=True, prepend=True))

    def _unhook(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def free(self) -> None:
        """Lets go of the weights that other stages hold."""
        self.trace.states, self.trace.out = [], None
        for name, at in self.holders.items():
            if self.number not in at:
                self.parameters[name].data = self.parameters[name].data.new_empty(0)

    def undo(self) -> None:
        """All modules, parameters and buffers where they were; what was freed is empty."""
        self._unhook()
        while self._undo:
            self._undo.pop()()

    # ---- what it computes

    def run(self, inputs: dict[str, Tensor], receive: Receive | None = None) -> Any:
        """The state at the end of this stage; of the last one, what the network gives.

        receive  writes the state that the stage before made over the tensor that it is given
        """
        self.receive = receive
        try:
            return self.root(**inputs)
        finally:
            self.receive = None

    def knows(self, inputs: dict[str, Tensor]) -> bool:
        """Whether `sizes` can tell without a pass."""
        return _key(inputs) in self.known

    def sizes(self, inputs: dict[str, Tensor], *, anew: bool = False) -> tuple[Tensor | None, Tensor | None]:
        """For a batch, tensors without data that are like the state that comes in and the one that goes out. anew: by a
        pass in any case."""
        key = _key(inputs)
        if anew or key not in self.known:
            seen: list[Tensor] = []

            def look(state: Tensor) -> None:
                seen.append(state)
                if self.last or self.trace.alike:
                    raise Border(state)

            with torch.no_grad(), still(self.module):
                out = self.run(inputs, look)
            self.known[key] = (_like(seen[0]) if self.number else None, None if self.last else _like(out))
        return self.known[key]

    def right(self, inputs: dict[str, Tensor], precision: AbstractContextManager[Any]) -> bool:
        """Whether this stage makes, of the state that the whole network has where it begins, what the whole network
        makes of it."""
        blocks, states = self.cuts, self.trace.states

        def receive(state: Tensor) -> None:
            state.copy_(states[blocks[self.number]])

        with torch.no_grad(), still(self.module), precision:
            try:
                out = self.run(inputs, receive if self.number else None)
            except RuntimeError:  # shapes that do not fit, memory that is shared
                return False
        return near(out, self.trace.out if self.last else states[blocks[self.number + 1]])


class Until(nn.Module):
    """A network up to where the next stage begins: a pass that returns, so that what is hooked behind it is called."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, **inputs: Tensor) -> Any:
        try:
            return self.network(**inputs)
        except Border as border:
            return border.state


class StandIn:
    """In place of a module's forward: tensors without numbers, of the shapes that it would give, which are found by
    running it once for each shape of what it is given. What has other types than floating point it gives as ever."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.known: dict[Any, tuple[list[Tensor | None], Any]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = tree_leaves((args, kwargs))
        key = tuple((one.shape, one.dtype) if isinstance(one, Tensor) else type(one) for one in given)
        if key not in self.known:
            with torch.no_grad():
                found = self.plain(*args, **kwargs)
            leaves, form = tree_flatten(found)
            if not all(one is None or (isinstance(one, Tensor) and one.is_floating_point()) for one in leaves):
                return found
            device = next((one.device for one in leaves if one is not None), None)
            self.known[key] = [None if one is None else _like(one) for one in leaves], (form, device)
        leaves, (form, device) = self.known[key]
        made = [
            None if one is None else torch.full(one.shape, NO_NUMBER, dtype=one.dtype, device=device) for one in leaves
        ]
        return tree_unflatten(made, form)


def _key(inputs: dict[str, Tensor]) -> Any:
    return tuple((name, one.shape) for name, one in inputs.items())


def _like(state: Tensor) -> Tensor:
    return torch.empty(state.shape, dtype=state.dtype, device="meta")


def near(some: Any, others: Any) -> bool:
    """Whether two outputs are the same but for rounding."""
    mine, theirs = ([one for one in tree_leaves(out) if isinstance(one, Tensor)] for out in (some, others))
    if not theirs and hasattr(others, "logits"):  # an object that torch cannot look into
        mine, theirs = [some.logits], [others.logits]
    if not theirs or [one.shape for one in mine] != [one.shape for one in theirs]:
        return False
    for one, other in zip(mine, theirs, strict=True):
        apart = torch.linalg.vector_norm(one.double() - other.double())
        if not apart <= NEAR * torch.linalg.vector_norm(other.double()):
            return False
    return True
