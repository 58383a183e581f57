"""Trials: one recipe, fitted and scored on one fold with one seed; finished ones are kept and never run again."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from melior.data.splits import Fold
from melior.data.table import Table
from melior.errors import UserError
from melior.models._base import families
from melior.recipe import Recipe
from melior.runs.identity import depends_on
from melior.runs.study import agreed
from melior.trials.bench import Bench, Result
from melior.trials.executors._base import Executor
from melior.trials.executors.agree import stamp
from melior.trials.executors.local import Threads
from melior.trials.kept import Kept

AGAIN = 0.25  # seconds between two looks at a trial that another process runs
LONG = 3600.0

Asked = tuple[Recipe, int]
Told = Callable[[Recipe, int, Result], None]
Refused = Callable[[Recipe, UserError], None]


class Trials:
    """Runs trials on the folds of one table, side by side, and keeps what is finished.

    store     a folder; None keeps nothing. A trial's name there depends on everything that its result depends on: the
              recipe, the rows with their labels, the fold, and the version of this package. Of processes that use the
              same folder one runs a trial, and the others wait for what it gives
    executor  where trials run; None for `workers` threads of this process, 0 for one a core
    """

    def __init__(
        self,
        table: Table,
        folds: Sequence[Fold],
        *,
        store: Path | None = None,
        workers: int = 0,
        executor: Executor | None = None,
    ) -> None:
        self.bench = Bench(table, folds)
        self.kept = Kept(store)
        self.executor = executor or Threads(workers)
        self.cached = 0
        self._rows = content_hash(table)
        self._timed = 0

    @property
    def table(self) -> Table:
        return self.bench.table

    @property
    def folds(self) -> list[Fold]:
        return self.bench.folds

    @property
    def workers(self) -> int:
        """Trials that run side by side, at least 1."""
        return max(self.executor.workers, 1)

    def key(self, recipe: Recipe, number: int) -> str:
        fold = self.folds[number]
        digest = hashlib.sha256(
            f"{stamp(network=families()[recipe.model.name].is_network)} {depends_on(recipe)} {self._rows}".encode()
        )
        digest.update(fold.train.astype(np.int64).tobytes())
        digest.update(b"|")
        digest.update(fold.test.astype(np.int64).tobytes())
        return digest.hexdigest()[:32]

    def run(self, recipe: Recipe, number: int) -> Result:
        """The result of a recipe on a fold: read if it is there, else fitted, scored and kept."""
        found = self.many([(recipe, number)])[0]
        assert found is not None
        return found

    def many(
        self,
        wanted: Iterable[Asked],
        *,
        done: Told | None = None,
        late: Callable[[], bool] | None = None,
        refused: Refused | None = None,
    ) -> list[Result | None]:
        """Results in the order asked for; None for those not begun when `late` began to say that time is over, and for
        those whose recipe turns out to be impossible on their rows, where `refused` is told so."""
        round_ = _Round(self, list(wanted), done, late, refused)
        try:
            while round_.waiting or round_.running:
                round_.begin()
                round_.wait()
        except BaseException:
            round_.stop()
            raise
        self.cached += round_.cached
        return round_.results


class _Round:
    """Some trials on their way: `waiting` to be begun here or to be finished by another process, `running` here."""

    def __init__(
        self,
        trials: Trials,
        asked: list[Asked],
        done: Told | None,
        late: Callable[[], bool] | None,
        refused: Refused | None,
    ) -> None:
        self.bench, self.kept = trials.bench, trials.kept
        self.asked, self.done, self.late, self.refused = asked, done, late, refused
        self.executor: Executor = trials.executor
        if len(asked) == 1 and isinstance(self.executor, Threads):
            self.executor = Threads(1)  # one alone needs no other thread, and ctrl-C ends it at once
        self.keys = ["" if self.kept.folder is None else trials.key(*pair) for pair in asked]
        self.waiting = deque(range(len(asked)))
        self.running: dict[int, int] = {}  # ticket -> place in `asked`
        self.results: list[Result | None] = [None] * len(asked)
        self.cached = 0
        trials._timed += late is not None
        # the same in every process of a study; with it goes the trial's key, since the places may differ
        self.name = f"late: {trials._rows}, {trials._timed}"

    def begin(self) -> None:
        """Begins what there is room for, and takes what is finished already."""
        for _ in range(len(self.waiting)):
            at = self.waiting.popleft()
            found = self.kept.find(self.keys[at])
            if found is None and len(self.running) >= self.executor.workers:
                self.waiting.append(at)
            elif self.late is not None and agreed(f"{self.name}, {self.keys[at] or at}", self.late):
                continue
            elif found is not None:
                self.cached += 1
                self._over(at, found)
            elif not self.kept.claim(self.keys[at]):  # another process runs it
                self.waiting.append(at)
            elif (found := self.kept.find(self.keys[at])) is not None:  # and has come to its end in between
                self.kept.let_go(self.keys[at])
                self.cached += 1
                self._over(at, found)
            else:
                self.running[self.executor.begin(self.bench, *self.asked[at])] = at

    def wait(self) -> None:
        """Waits for one to end, and keeps what it gave. One that failed ends the round, others that ended are kept."""
        if not self.waiting and not self.running:
            return
        failed: list[Exception] = []
        for one in self.executor.ended(AGAIN if self.waiting else LONG):
            at = self.running.pop(one.ticket)
            if isinstance(one.outcome, UserError) and self.refused is not None:
                self.kept.let_go(self.keys[at])
                self.refused(self.asked[at][0], one.outcome)
            elif isinstance(one.outcome, Exception):
                self.kept.let_go(self.keys[at])
                failed.append(one.outcome)
            else:
                self.kept.keep(self.keys[at], one.outcome, self.asked[at][0])
                self._over(at, one.outcome)
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Lets what runs in this process come to its end, keeps it, and lets go of the rest."""
        try:
            for one in self.executor.stop():
                at = self.running.pop(one.ticket)
                if isinstance(one.outcome, Result):
                    self.kept.keep(self.keys[at], one.outcome, self.asked[at][0])
                self.kept.let_go(self.keys[at])
        finally:
            for at in self.running.values():
                self.kept.let_go(self.keys[at])

    def _over(self, at: int, result: Result) -> None:
        self.results[at] = result
        if self.done is not None:
            self.done(*self.asked[at], result)


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
