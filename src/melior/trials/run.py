"""Trials: one recipe, fitted and scored on one fold with one seed; finished ones are kept and never run again."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior._version import __version__
from melior.data.splits import Fold
from melior.data.table import Floats, Rows, Table
from melior.recipe import Recipe
from melior.storage import write_atomic
from melior.trials.fit import Shared, fit
from melior.trials.threads import cores, one_thread_each


@dataclass(frozen=True)
class Result:
    """What one trial gave.

    rows     (n,) positions, in the table of the trials, of the rows it was scored on
    scores   (n, classes) probabilities
    answers  (n,) class numbers; (n, labels) of 0 and 1 where a row may have several labels
    seconds  fitting and scoring, on one core, the encoding included where this trial was the one that made it
    """

    rows: Rows
    scores: Floats
    answers: NDArray[np.int32]
    seconds: float


class Trials:
    """Runs trials on the folds of one table, side by side on the cores at hand, and keeps what is finished.

    store: a folder; None keeps nothing. A trial's name there depends on everything that its result depends on: the
    recipe, the rows with their labels, the fold, and the version of this package.
    """

    def __init__(self, table: Table, folds: Sequence[Fold], *, store: Path | None = None, workers: int = 0) -> None:
        self.table = table
        self.folds = list(folds)
        self.store = store
        self.workers = workers or cores()
        self.shared = Shared()
        self.cached = 0
        self._rows = content_hash(table)
        self._parts: dict[int, tuple[Table, Table]] = {}
        if store is not None:
            store.mkdir(parents=True, exist_ok=True)

    def parts(self, number: int) -> tuple[Table, Table]:
        """Training and held-out rows of a fold, the same objects every time, so that encodings are shared."""
        if number not in self._parts:
            fold = self.folds[number]
            self._parts[number] = (self.table.take(fold.train), self.table.take(fold.test))
        return self._parts[number]

    def key(self, recipe: Recipe, number: int) -> str:
        fold = self.folds[number]
        digest = hashlib.sha256(f"{__version__} {recipe.fingerprint()} {self._rows}".encode())
        digest.update(fold.train.astype(np.int64).tobytes())
        digest.update(b"|")
        digest.update(fold.test.astype(np.int64).tobytes())
        return digest.hexdigest()[:32]

    def run(self, recipe: Recipe, number: int) -> Result:
        """The result of a recipe on a fold: read if it is there, else fitted, scored and kept."""
        path = None if self.store is None else self.store / f"{self.key(recipe, number)}.safetensors"
        if path is not None and path.exists():
            found = _read(path)
            if found is not None:
                self.cached += 1
                return found
        train, test = self.parts(number)
        started = time.perf_counter()
        with one_thread_each():
            predictor = fit(recipe, train, shared=self.shared)
            scores = predictor.scores(test)
        result = Result(
            rows=self.folds[number].test.astype(np.int64),
            scores=scores,
            answers=predictor.decided(scores),
            seconds=time.perf_counter() - started,
        )
        if path is not None:
            _write(path, result, recipe)
        return result

    def many(
        self,
        wanted: Iterable[tuple[Recipe, int]],
        *,
        done: Callable[[Recipe, int, Result], None] | None = None,
        late: Callable[[], bool] | None = None,
    ) -> list[Result | None]:
        """Results in the order asked for; None for those not begun when `late` began to say that time is over."""
        asked = list(wanted)

        def one(pair: tuple[Recipe, int]) -> Result | None:
            if late is not None and late():
                return None
            result = self.run(*pair)
            if done is not None:
                done(pair[0], pair[1], result)
            return result

        if self.workers == 1 or len(asked) == 1:
            return [one(pair) for pair in asked]
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(one, pair) for pair in asked]
            try:
                return [future.result() for future in futures]
            except BaseException:
                for future in futures:
                    future.cancel()
                raise


def content_hash(table: Table, test: Table | None = None) -> str:
    """A name of the rows, their labels, weights and kinds, the same in every process. test: further rows."""
    if test is not None:
        return hashlib.sha256(f"{content_hash(table)} {content_hash(test)}".encode()).hexdigest()
    digest = hashlib.sha256(json.dumps(table.schema.to_dict(), sort_keys=True).encode())
    for start in range(0, table.rows, 100_000):
        piece = table.frame.slice(start, 100_000)
        digest.update(piece.hash_rows(seed=1).to_numpy().tobytes())
    for name in table.of_kind("image"):  # a file may hold another image under the same name
        digest.update(table.pictures(name).digests.tobytes())
    for part in (table.labels, table.weights, table.row_ids):
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    if table.label_matrix is not None:
        digest.update(np.ascontiguousarray(table.label_matrix).tobytes())
    return digest.hexdigest()


def _write(path: Path, result: Result, recipe: Recipe) -> None:
    from safetensors.numpy import save

    arrays: dict[str, Any] = {"rows": result.rows, "scores": result.scores, "answers": result.answers}
    about = {"seconds": repr(result.seconds), "recipe": recipe.model_dump_json()}
    write_atomic(path, save(arrays, metadata=about))


def _read(path: Path) -> Result | None:
    """A kept trial; None where the file is damaged, so that the trial is simply run again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            seconds = float(file.metadata()["seconds"])
            return Result(file.get_tensor("rows"), file.get_tensor("scores"), file.get_tensor("answers"), seconds)
    except (SafetensorError, KeyError, OSError, ValueError):
        return None
