"""How many threads numerical libraries use while trials run side by side.

Two linear fits at once, each with a BLAS that starts a thread a core, take ten times as long as one after the other.
So while anything of ours fits, BLAS has one thread; before and after, the user's setting stands.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_inside = 0
_limits: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS with one thread for the time being; may be entered by several threads at once."""
    global _inside, _limits
    with _lock:
        _inside += 1
        if _inside == 1:
            from threadpoolctl import threadpool_limits

            _limits = threadpool_limits(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()
                _limits = None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
