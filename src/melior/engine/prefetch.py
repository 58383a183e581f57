"""Batches are collated on a thread of their own while the device computes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class Prefetch(Generic[S, T]):
    """Iterates over make(item) for each item, made up to `ahead` before they are asked for, in order.

    What `make` raises is raised where the batch would have come. `waited` is the seconds spent waiting for it: the
    device starved. Close it, or use it in a `with`, so that its thread ends. With `ahead` 0 there is no thread, and
    making is waiting.
    """

    def __init__(self, items: Iterable[S], make: Callable[[S], T], ahead: int = 2) -> None:
        self.waited = 0.0
        self.ahead = ahead
        self._plain = ((item, make) for item in items) if ahead == 0 else iter(())
        if ahead == 0:
            return
        self._ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(iter(items), make), daemon=True, name="prefetch")
        self._thread.start()

    def _work(self, items: Iterator[S], make: Callable[[S], T]) -> None:
        try:
            for item in items:
                if self._stop.is_set() or not self._put((make(item), None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:
            self._put((None, error))

    def _put(self, made: tuple[T | None, BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(made, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        for item, make in self._plain:
            started = perf_counter()
            made_now = make(item)
            self.waited += perf_counter() - started
            yield made_now
        while self.ahead:
            started = perf_counter()
            made, error = self._ready.get()
            self.waited += perf_counter() - started
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield made  # type: ignore[misc]

    def close(self) -> None:
        if self.ahead:
            self._stop.set()
            self._thread.join()

    def __enter__(self) -> "Prefetch[S, T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
