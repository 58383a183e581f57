"""What a check of a training is, and the record of a training that it looks at."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from melior.data.table import Floats
from melior.engine.history import read
from melior.errors import UserError
from melior.findings import Finding
from melior.registry import discover, snake

HISTORY = "history.jsonl"
RANGE = "rate_range.json"  # what a range test of the learning rate gave: {"suggested": ..., "highest": ...}
FEWEST_LINES = 20  # of the training loss, for anything that is said of its course
STEP_FIGURES = ("loss", "rate", "norm", "rows_per_second", "tokens_per_second", "padding", "waited", "seconds")


@dataclass(frozen=True)
class Record:
    """A training as its history tells it; lines as `melior.engine.history.History` says.

    family    of the model that was trained, as far as it is known
    highest, suggested    rates that a range test gave, or None
    """

    lines: list[dict[str, Any]]
    family: str = ""
    suggested: float | None = None
    highest: float | None = None

    @classmethod
    def load(cls, folder: Path, family: str = "") -> "Record":
        """The record in the folder of a training, or of the trainings of one fit (see `history_in`); a UserError where
        there is none, or nothing in it."""
        path = history_in(folder)
        if path is None:
            raise UserError(f"{folder / HISTORY} is missing: there is no history of a training here.")
        lines = [line for line in read(path) if isinstance(line, dict) and "kind" in line and "step" in line]
        if not lines:
            raise UserError(f"{path} holds no line of a history: it is damaged, or the training did not begin.")
        return cls(lines, family, *_rates(path.parent / RANGE))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]

    @cached_property
    def start(self) -> Mapping[str, Any]:
        """The first line; empty where a history has none."""
        return next(iter(self.of("start")), {})

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the engine, as plain values."""
        found = self.start.get("settings")
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def steps(self) -> dict[str, Floats]:
        """(lines,) of each figure of the step lines, and `step`; what is no number is nan."""
        lines = self.of("step")
        return {name: numbers(line.get(name) for line in lines) for name in ("step", *STEP_FIGURES)}

    @cached_property
    def valid(self) -> tuple[Floats, Floats]:
        """(validations,) steps and losses, those without a loss left out."""
        lines = self.of("valid")
        steps, losses = (numbers(line.get(name) for line in lines) for name in ("step", "loss"))
        known = np.isfinite(losses)
        return steps[known], losses[known]

    def events(self, *names: str) -> list[dict[str, Any]]:
        return [line for line in self.of("event") if line.get("name") in names]

    @property
    def last_step(self) -> int:
        return int(max(line["step"] for line in self.lines))

    @property
    def seconds(self) -> float:
        """Spent training, as far as the lines tell."""
        known = self.steps["seconds"][np.isfinite(self.steps["seconds"])]
        return float(known.max()) if len(known) else 0.0


def history_in(folder: Path) -> Path | None:
    """The history in the folder of a training. A fit of several networks keeps each in a folder of its own: the one on
    the most rows counts, the last of those: a fit ends with the network on all rows. Where an improvement kept the
    plain recipe, it is in `baseline`. None where there is none."""
    if (folder / HISTORY).is_file():
        return folder / HISTORY
    found = [path / HISTORY for path in folder.glob("network-*") if (path / HISTORY).is_file()]
    if not found and (folder / "baseline").is_dir():
        return history_in(folder / "baseline")
    return max(found, key=lambda path: (_rows(path), int(path.parent.name.rpartition("-")[2])), default=None)


def _rows(path: Path) -> int:
    rows = next((line.get("rows") for line in read(path) if line.get("kind") == "start"), None)
    return rows if isinstance(rows, int) else 0


class TrainingCheck(ABC):
    """Measures one family of symptoms on the record of a training, when it is over.

    symptoms  what it can find
    """

    name: ClassVar[str]
    symptoms: ClassVar[frozenset[str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake(cls.__name__)

    @abstractmethod
    def measure(self, record: Record) -> list[Finding]:
        """The findings; an empty list where nothing is wrong, or where the record does not tell."""


@cache
def training_checks() -> dict[str, type[TrainingCheck]]:
    """Every check of a training there is, in order of name."""
    return discover("checks", TrainingCheck)  # type: ignore[type-abstract]


def numbers(values: Iterable[Any]) -> Floats:
    """Floats; whatever is no finite number becomes nan."""
    found = np.array(
        [v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in values], dtype=np.float64
    )
    return np.where(np.isfinite(found), found, np.nan)


def noise(values: Floats) -> float:
    """Standard deviation of independent noise around a slow course: from differences of neighbours (von Neumann 1941).

    >>> round(noise(np.array([1.0, 1.0, 1.0])), 3)
    0.0
    """
    return float(np.sqrt(np.mean(np.diff(values) ** 2) / 2)) if len(values) > 1 else 0.0


def durations(record: Record) -> Floats:
    """(lines,) seconds that each step line stands for; the first line, in which everything warms up, counts nothing
    where there are others."""
    lasted = np.diff(record.steps["seconds"], prepend=0.0)
    lasted = np.where(np.isfinite(lasted) & (lasted > 0), lasted, 0.0)
    if len(lasted) > 2:
        lasted[0] = 0.0
    return lasted


def over_time(record: Record, name: str) -> float:
    """Mean of a figure of the step lines, each line by how long it lasted; nan where nothing is known."""
    values, lasted = record.steps[name], durations(record)
    known = np.isfinite(values) & (lasted > 0)
    return float(np.average(values[known], weights=lasted[known])) if known.any() else float("nan")


def _rates(path: Path) -> tuple[float | None, float | None]:
    """The rates suggested and highest of a range test; None where there was none: a record does not fail for that."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        given = [kept.get(name) for name in ("suggested", "highest")]
    except (OSError, ValueError, AttributeError):
        return None, None
    suggested, highest = (float(one) if isinstance(one, int | float) and one > 0 else None for one in given)
    return suggested, highest
