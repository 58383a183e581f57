"""A training that is planned and not begun: whoever would train says so first, and is stopped where only a plan is
wanted. So a plan sees the very network, rows and settings that a training would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

WANTED: ContextVar[bool] = ContextVar("only a plan is wanted", default=False)


class Ready(BaseException):
    """The module, rows, loss and settings of the training that would begin now. Not an error: nothing on the way may
    take it for one."""

    def __init__(self, module: Any, source: Any, loss: Any, settings: Any) -> None:
        super().__init__("a training was about to begin")
        self.module, self.source, self.loss, self.settings = module, source, loss, settings


def about_to_train(module: Any, source: Any, loss: Any, settings: Any) -> None:
    """Called right before a training begins."""
    if WANTED.get():
        raise Ready(module, source, loss, settings)


@contextmanager
def only_planned() -> Iterator[None]:
    """Inside, no training begins on this thread."""
    token = WANTED.set(True)
    try:
        yield
    finally:
        WANTED.reset(token)


def readied(act: Callable[[], Any]) -> Ready | None:
    """What `act` would train first; None where it trains no network."""
    with only_planned():
        try:
            act()
        except Ready as found:
            return found
    return None
