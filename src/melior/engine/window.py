"""What happened since the last line of the history."""

from time import perf_counter
from typing import Any

from melior.engine.problem import Batch


class Window:
    """Sums over some steps."""

    def __init__(self) -> None:
        self._empty()
        self.mark = perf_counter()

    def _empty(self) -> None:
        self.loss, self.count, self.norm, self.waited = 0.0, 0.0, 0.0, 0.0
        self.rows, self.tokens, self.padding, self.passed = 0, 0, 0, 0.0

    def add(self, loss: float, count: float, norm: float, batches: list[Batch]) -> None:
        """One step: its sum of losses and how much counted, the norm of its gradient, its micro-batches."""
        self.loss, self.count, self.norm = self.loss + loss, self.count + count, max(self.norm, norm)
        self.rows += sum(one.rows for one in batches)
        self.tokens += sum(one.tokens for one in batches)
        self.padding += sum(one.padding for one in batches)

    def lap(self) -> float:
        """Seconds since the last lap or line; they count into the next line too."""
        now = perf_counter()
        passed, self.mark = now - self.mark, now
        self.passed += passed
        return passed

    def line(self) -> dict[str, Any]:
        """The figures of a line, and an empty window. passed: seconds since the last lap."""
        fresh = self.lap()
        seconds = max(self.passed, 1e-9)
        found = {
            "loss": self.loss / self.count if self.count else None,
            "norm": self.norm,
            "rows_per_second": self.rows / seconds,
            "tokens_per_second": self.tokens / seconds,
            "padding": self.padding / max(self.tokens + self.padding, 1),
            "waited": min(self.waited / seconds, 1.0),
            "passed": fresh,
        }
        self._empty()
        return found
