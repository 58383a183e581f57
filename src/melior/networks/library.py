"""The first import of transformers, by one thread at a time."""

import threading

_LOCK = threading.Lock()


def whole_library() -> None:
    """Call it before `from transformers import ...` wherever trials of several threads may come by first.

    While the library is imported it puts another module in its own place, which a second thread takes for the finished
    one, and finds no class in it.
    """
    with _LOCK:
        import transformers  # noqa: F401
