"""What an executor is: it is given trials, as many as it has room for, and tells which have come to their end."""

from dataclasses import dataclass
from typing import Protocol

from melior.recipe import Recipe
from melior.trials.bench import Bench, Result


@dataclass(frozen=True)
class Done:
    """A trial that came to its end: what it gave, or the error that ended it."""

    ticket: int
    outcome: Result | Exception


class Executor(Protocol):
    """Runs trials side by side. Used from one thread.

    notes  what people should know of where trials ran, one sentence each
    """

    notes: list[str]

    @property
    def workers(self) -> int:
        """Trials that run side by side; may change while trials run, and be 0 for a time."""

    def begin(self, bench: Bench, recipe: Recipe, number: int) -> int:
        """Begins a trial, of a recipe on a fold of the bench, and gives the ticket by which its end is told."""

    def ended(self, seconds: float) -> list[Done]:
        """Waits so long at most for a trial to end, and gives all that did since it was asked last."""

    def stop(self) -> list[Done]:
        """Begins nothing more; what runs in this process comes to its end first, and is given."""
