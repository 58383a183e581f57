"""Progress: what is being done, how much of it, and how long is left. Whoever shows it implements `Progress`."""

import time
from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    def __call__(self, stage: str, done: float, total: float, note: str = "") -> None:
        """stage: what is being done, in words; done of total, in any unit; note: what is being tried right now."""


def silent(stage: str, done: float, total: float, note: str = "") -> None:
    """Shows nothing: the default when used from Python."""


def numbered(progress: Progress, stage: str, total: int) -> Callable[[str], None]:
    """A function to call when one more of `total` things is done."""
    done = 0

    def one_more(note: str = "") -> None:
        nonlocal done
        done += 1
        progress(stage, done, total, note)

    progress(stage, 0, total)
    return one_more


def time_words(seconds: float) -> str:
    """How long, in the largest unit that says it.

    >>> time_words(4.13), time_words(125), time_words(7500)
    ('4.1 s', '2 min 5 s', '2 h 5 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    left, large, small = (seconds, "min", "s") if seconds < 3570 else (seconds / 60, "h", "min")
    many, rest = divmod(round(left), 60)
    return f"{many} {large}" + (f" {rest} {small}" if rest else "")


def lines(seconds: float, *, every: bool = False) -> Progress:
    """Prints a line for each stage: what is done, after how long, and what is left of so many seconds.

    every  a line for each step of a stage too
    """
    started = time.monotonic()
    last = ""

    def tell(stage: str, done: float, total: float, note: str = "") -> None:
        nonlocal last
        if stage == last and not every:
            return
        last = stage
        spent = time.monotonic() - started
        step = f" {done:g} of {total:g}" + (f" ({note})" if note else "") if every else ""
        print(f"{spent:5.0f} s, {max(seconds - spent, 0):.0f} s left: {stage}{step}", flush=True)

    return tell
