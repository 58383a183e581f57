"""What two processes say to each other through a pipe: a word, plain values, and bytes that mean something to both."""

import json
import queue
import struct
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

_SIZES = struct.Struct(">QQ")


class Said(NamedTuple):
    """One thing that was said."""

    word: str
    about: dict[str, Any]
    content: bytes = b""


def say(pipe: BinaryIO, word: str, content: bytes = b"", **about: Any) -> None:
    """Says something; OSError or ValueError where nobody listens any more."""
    text = json.dumps([word, about]).encode()
    pipe.write(_SIZES.pack(len(text), len(content)))
    pipe.write(text)
    pipe.write(content)
    pipe.flush()


def hear(pipe: BinaryIO) -> Said | None:
    """What is said next; None where the other side is gone."""
    try:
        sizes = _exactly(pipe, _SIZES.size)
        if sizes is None:
            return None
        text, content = (_exactly(pipe, size) for size in _SIZES.unpack(sizes))
    except (OSError, ValueError):
        return None
    if text is None or content is None:
        return None
    word, about = json.loads(text)
    return Said(word, about, content)


def _exactly(pipe: BinaryIO, size: int) -> bytes | None:
    content = pipe.read(size)  # a buffered reader gives fewer only at the end
    return content if len(content) == size else None


class Inbox:
    """What is said on a pipe, heard by a thread; None is the last, when the other side is gone. gone: called then."""

    def __init__(self, pipe: BinaryIO, gone: Callable[[], None] = lambda: None) -> None:
        self._gone = gone
        self._queue: queue.Queue[Said | None] = queue.Queue()
        threading.Thread(target=self._hear, args=(pipe,), daemon=True, name="inbox").start()

    def next(self, seconds: float) -> Said | None:
        """Raises queue.Empty where nothing is said for so long."""
        return self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()

    def _hear(self, pipe: BinaryIO) -> None:
        while (said := hear(pipe)) is not None:
            self._queue.put(said)
        self._queue.put(None)
        self._gone()
