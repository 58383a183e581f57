"""What a training tells while it goes on: lines of the history, notes, progress."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from melior.engine import memory
from melior.engine.device import Device
from melior.engine.history import History, sinks
from melior.engine.problem import Batch
from melior.engine.settings import Training
from melior.engine.state import Place
from melior.progress import Progress

LINES = 400  # of steps in a history, about


@dataclass
class Window:
    """Sums over the steps since the last line."""

    loss: float = 0.0
    count: float = 0.0
    norm: float = 0.0  # the largest
    rows: int = 0
    tokens: int = 0
    padding: int = 0
    waited: float = 0.0  # seconds that batches were waited for
    passed: float = 0.0  # seconds, up to the last lap


class Diary:
    """History, notes and progress of one training."""

    def __init__(self, folder: Path | None, settings: Training, device: Device, progress: Progress, total: int) -> None:
        self.settings, self.device, self.progress, self.total = settings, device, progress, total
        self.history = History(folder, sinks(settings.log_to, folder))
        self.notes = [device.said]
        self.window = Window()
        self.every = settings.log_every or max(1, total // LINES)
        self._mark = perf_counter()

    def step(self, place: Place, rate: float, loss: float, count: float, norm: float, batches: Sequence[Batch]) -> None:
        """One step that was made: its rate, its sum of losses and how much counted, the norm of its gradient."""
        window = self.window
        window.loss, window.count, window.norm = window.loss + loss, window.count + count, max(window.norm, norm)
        window.rows += sum(one.rows for one in batches)
        window.tokens += sum(one.tokens for one in batches)
        window.padding += sum(one.padding for one in batches)
        if place.step % self.every == 0 or place.step == self.total:
            self._line(place, rate)

    def _line(self, place: Place, rate: float) -> None:
        place.seconds += self._lap()
        window, self.window = self.window, Window()
        seconds, loss = max(window.passed, 1e-9), window.loss / window.count
        speed, padding = window.rows / seconds, window.padding / max(window.tokens + window.padding, 1)
        line = {
            "loss": loss,
            "rate": rate,
            "norm": window.norm,
            "rows_per_second": speed,
            "tokens_per_second": window.tokens / seconds,
            "padding": padding,
            "waited": min(window.waited / seconds, 1.0),
            "memory_mib": memory.used_mib(self.device.device),
            "seconds": place.seconds,
        }
        self.history.add({"kind": "step", "step": place.step, **line})
        note = f"loss {loss:.4g}, {speed:,.0f} rows/s, padding {padding:.0%}"
        self.progress("training", place.step, self.total, note)

    def _lap(self) -> float:
        now = perf_counter()
        passed, self._mark = now - self._mark, now
        self.window.passed += passed
        return passed

    def event(self, place: Place, name: str, sentence: str, **more: Any) -> None:
        """Something out of the ordinary, also among the notes. name and more: see History."""
        self.notes.append(sentence)
        self.history.add({"kind": "event", "step": place.step, "name": name, "what": sentence, **more})

    def note_place(self, place: Place) -> None:
        """What a checkpoint needs to go on with the history exactly."""
        place.seconds += self._lap()
        place.lines, place.window = len(self.history.lines), asdict(self.window)
        self.history.flush()

    def back_to(self, place: Place) -> None:
        """As it was when `place` was noted; without one, as at the beginning."""
        self.history.back_to(place.lines)
        self.window = Window(**place.window)
        self._mark = perf_counter()
