"""Where trials are fitted: the rows and folds, and what trials on them share."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.splits import Fold
from melior.data.table import Floats, Rows, Table
from melior.recipe import Recipe
from melior.trials.fit import fit
from melior.trials.shared import Shared
from melior.trials.threads import one_thread_each


@dataclass(frozen=True)
class Result:
    """What one trial gave.

    rows     (n,) positions, in the table of the trials, of the rows it was scored on
    scores   (n, classes) probabilities
    answers  (n,) class numbers; (n, labels) of 0 and 1 where a row may have several labels
    seconds  fitting and scoring, on one core, the encoding included where this trial was the one that made it
    alone    the same, had others made no scores that it took from them
    """

    rows: Rows
    scores: Floats
    answers: NDArray[np.int32]
    seconds: float
    alone: float

    @classmethod
    def read(cls, path: Path) -> "Result | None":
        """A kept trial; None where there is none, and where the file is damaged, so that it is simply run again."""
        from safetensors import SafetensorError, safe_open

        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata()
                arrays = {name: file.get_tensor(name) for name in ("rows", "scores", "answers")}
                return cls(**arrays, seconds=float(about["seconds"]), alone=float(about["alone"]))
        except (SafetensorError, KeyError, OSError, ValueError):
            return None

    def to_bytes(self, recipe: Recipe) -> bytes:
        """As it is kept: safetensors, with the recipe beside the numbers."""
        from safetensors.numpy import save

        arrays: dict[str, NDArray[Any]] = {"rows": self.rows, "scores": self.scores, "answers": self.answers}
        return bytes(
            save(
                arrays,
                metadata={"seconds": repr(self.seconds), "alone": repr(self.alone), "recipe": recipe.model_dump_json()},
            )
        )


class Bench:
    """The rows and folds of some trials. Safe for threads.

    folds may grow; one that stands there stays what it is.
    """

    def __init__(self, table: Table, folds: Sequence[Fold], *, shared: Shared | None = None) -> None:
        self.table = table
        self.folds = list(folds)
        self.shared = shared or Shared()
        self._parts: dict[int, tuple[Table, Table]] = {}

    def parts(self, number: int) -> tuple[Table, Table]:
        """Training and held-out rows of a fold, the same objects every time, so that encodings are shared."""
        if number not in self._parts:
            fold = self.folds[number]
            # of two threads that come here at once the first decides
            self._parts.setdefault(number, (self.table.take(fold.train), self.table.take(fold.test)))
        return self._parts[number]

    def fitted(self, recipe: Recipe, number: int) -> Result:
        """The result of a recipe on a fold."""
        train, test = self.parts(number)
        started, saved = time.perf_counter(), self.shared.saved
        with one_thread_each():
            predictor = fit(recipe, train, shared=self.shared)
            scores = predictor.scores(test)
        seconds = time.perf_counter() - started
        return Result(
            rows=self.folds[number].test.astype(np.int64),
            scores=scores,
            answers=predictor.decided(scores),
            seconds=seconds,
            alone=seconds + self.shared.saved - saved,
        )
