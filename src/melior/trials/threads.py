"""How many threads numerical libraries use while trials run side by side.

Two fits at once, each with a BLAS that starts a thread a core, wait for each other's threads and take ten times as
long as one after the other. Setting the limit for each fit and taking it back after it makes that worse: every change
stops and starts the BLAS's threads. So the first fit limits BLAS to one thread in this process, for good; trees say
themselves how many threads they want.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()


@cache
def _limited() -> Any:
    # only a library that is loaded can be limited: numpy and scipy bring one each
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """BLAS with one thread, from here on; may be entered by several threads at once."""
    with _lock:
        _limited()
    yield


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
