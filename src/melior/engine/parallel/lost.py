"""A rank that is waited for in vain: which one, and at which step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from melior.engine.parallel.mesh import Heart
from melior.errors import RankLost, UserError

WAITING = ("timed out", "timeout", "connection closed", "connection reset", "connection was closed", "broken pipe")


@contextmanager
def told_who_is_late(heart: Heart, step: Callable[[], int]) -> Iterator[None]:
    """Turns the errors of collectives that ended without an answer into one sentence. NCCL raises none when it waits
    too long: torch ends the process."""
    try:
        yield
    except RuntimeError as error:
        if heart.mesh.alone or not any(word in str(error).lower() for word in WAITING):
            raise
        wrong = heart.wrong()
        if wrong:  # the other has not gone without a word
            raise UserError(wrong) from None
        told = heart.late(step())
        raise RankLost(f"{told}. Start the same command again: it goes on from the last checkpoint.") from None
