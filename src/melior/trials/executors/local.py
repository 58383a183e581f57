"""Trials on the cores of this machine: threads of this process, which share encodings."""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count

from melior.recipe import Recipe
from melior.trials.bench import Bench, Result
from melior.trials.executors._base import Done
from melior.trials.threads import cores


class Threads:
    """Threads of this process; with one worker, the thread that asks. workers: 0 for one a core.

    >>> Threads(2).workers
    2
    """

    def __init__(self, workers: int = 0) -> None:
        self.notes: list[str] = []
        self._workers = workers or cores()
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[Future[Result], int] = {}
        self._numbers = count()

    @property
    def workers(self) -> int:
        return self._workers

    def begin(self, bench: Bench, recipe: Recipe, number: int) -> int:
        ticket = next(self._numbers)
        if self._workers == 1:
            future = _at_once(bench, recipe, number)
        else:
            self._pool = self._pool or ThreadPoolExecutor(self._workers)
            future = self._pool.submit(bench.fitted, recipe, number)
        self._running[future] = ticket
        return ticket

    def ended(self, seconds: float) -> list[Done]:
        if self._running:
            wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        else:
            time.sleep(seconds)
        over = [future for future in self._running if future.done()]
        return [Done(self._running.pop(future), _outcome(future)) for future in over]

    def stop(self) -> list[Done]:
        for future in list(self._running):
            if future.cancel():
                del self._running[future]
        wait(self._running)
        return self.ended(0)


def _at_once(bench: Bench, recipe: Recipe, number: int) -> "Future[Result]":
    future: Future[Result] = Future()
    try:
        future.set_result(bench.fitted(recipe, number))
    except Exception as error:
        future.set_exception(error)
    return future


def _outcome(future: "Future[Result]") -> Result | Exception:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return error
    raise error
