"""What trials on the same rows share, each made once, and the seconds that this spares them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class Shared:
    """What trials share: encodings and out-of-fold scores, each computed once. Safe for threads; bounded."""

    def __init__(self, encodings: int = 6, scores: int = 64) -> None:
        self._kept: dict[str, OrderedDict[Any, Any]] = {"encoding": OrderedDict(), "scores": OrderedDict()}
        self._most = {"encoding": encodings, "scores": scores}
        self._took: dict[Any, float] = {}  # seconds that scores took which are kept
        self._saved = threading.local()
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def saved(self) -> float:
        """Seconds that this thread was spared so far, because others had made the scores that it asked for."""
        return float(getattr(self._saved, "seconds", 0.0))

    def once(self, shelf: str, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for a key; two threads that want the same wait for one of them."""
        with self._lock:
            own = self._locks.setdefault((shelf, key), threading.Lock())
        asked, saved = time.perf_counter(), self.saved
        with own:
            kept = self._kept[shelf]
            with self._lock:
                if key in kept:
                    kept.move_to_end(key)
                    waited = time.perf_counter() - asked
                    self._saved.seconds = saved + max(self._took.get((shelf, key), 0.0) - waited, 0.0)
                    return kept[key]
            began = time.perf_counter()
            made = make()
            with self._lock:
                kept[key] = made
                if shelf == "scores":  # an encoding is made by the first of its family, for all of them
                    self._took[shelf, key] = time.perf_counter() - began + self.saved - saved
                while len(kept) > self._most[shelf]:
                    gone, _ = kept.popitem(last=False)
                    self._locks.pop((shelf, gone), None)
                    self._took.pop((shelf, gone), None)
            return made
