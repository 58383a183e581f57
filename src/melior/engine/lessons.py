"""What methods change inside training: the batches of a step, and how a batch becomes a loss.

A lesson is given each batch as it was collated, and may give another one; and it may compute the loss of a batch in
its own way, with as many passes as it needs. The engine stays what it is: sums, counts, one backward pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from melior.engine.problem import Batch
from melior.engine.surroundings import mixed
from melior.errors import UserError

Run = Callable[[Batch], tuple[Tensor, Tensor]]
"""A batch through the network: (sum of the losses, how much counts)."""


@dataclass(frozen=True)
class Moment:
    """When in a training a batch comes.

    step    from 0      steps  of the whole training
    random  for what is drawn for this batch, on the CPU: the same for the same seed, step, rank and piece of the step
    """

    step: int
    steps: int
    random: torch.Generator

    @property
    def progress(self) -> float:
        """0 at the first step, 1 after the last."""
        return self.step / max(self.steps, 1)


class Lesson:
    """Base of what acts inside training; each hook is the identity."""

    @property
    def told(self) -> str:
        """A name with the settings: the same for what does the same."""
        raise NotImplementedError

    @property
    def acts(self) -> frozenset[str]:
        """The hooks that are not the identity."""
        own = type(self)
        return frozenset(name for name in ("batch", "forward") if getattr(own, name) is not getattr(Lesson, name))

    def batch(self, batch: Batch, moment: Moment) -> Batch:
        """Another batch in its place, on the CPU, maybe on another thread; must depend on nothing else."""
        return batch

    def forward(self, run: Run, network: nn.Module, batch: Batch, moment: Moment) -> tuple[Tensor, Tensor]:
        """The sum of the losses of a batch and how much counts, to be derived once. run: without this lesson."""
        return run(batch)


class Lessons:
    """The lessons of one training, in order."""

    def __init__(self, lessons: Sequence[Lesson] = (), seed: int = 0, ranks: int = 1, rank: int = 0) -> None:
        self.batching = [one for one in lessons if "batch" in one.acts]
        self.passing = [one for one in lessons if "forward" in one.acts]
        self.seed, self.rank = seed, rank
        if self.passing and ranks > 1:
            raise UserError(
                f"train.parallel: {self.passing[0].told.split('{')[0]} makes passes of its own through the network, "
                "which one process can; train with one, or take the method out."
            )

    def changed(self, batches: Sequence[Batch], step: int, steps: int) -> list[Batch]:
        """The batches of a step as the lessons want them."""
        found = list(batches)
        for number, batch in enumerate(found):
            if self.batching and batch.rows:
                moment = self.moment(step, steps, number)
                for lesson in self.batching:
                    batch = lesson.batch(batch, moment)
                found[number] = batch
        return found

    def around(self, run: Run, network: nn.Module, step: int, steps: int, number: int) -> Run:
        """How the loss of a piece of a step is computed; the first lesson is the outermost."""
        if self.passing:
            moment = self.moment(step, steps, number, kind=1)
            for lesson in reversed(self.passing):
                run = partial(lesson.forward, run, network, moment=moment)
        return run

    def moment(self, step: int, steps: int, number: int, kind: int = 0) -> Moment:
        random = torch.Generator()
        random.manual_seed(mixed(mixed(mixed(mixed(self.seed) + step) + self.rank) + 2 * number + kind) >> 1)
        return Moment(step, steps, random)
