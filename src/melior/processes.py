"""What the environment says of processes that were started together (torchrun and others set it)."""

import os
import signal
import threading
import time
from pathlib import Path

from melior.errors import UserError

LOOK = 0.5  # seconds between two looks whether the process that started this one is there
ENDED = "MELIOR_ENDED"  # names the file in which processes say how they ended, where whoever started them asks


def started_together() -> int:
    """How many there are; one where none were started together."""
    together = number_in("WORLD_SIZE", 1)
    if together > 1 and not ("RANK" in os.environ and number_in("RANK", 0) < together):
        raise UserError(
            f"WORLD_SIZE in the environment is {together}, and RANK does not say which of these processes this one is; "
            "remove WORLD_SIZE, or start with torchrun."
        )
    return together


def number_in(name: str, usual: int) -> int:
    """A number from the environment."""
    found = os.environ.get(name, str(usual))
    if not found.isdecimal():
        raise UserError(f"{name} in the environment is {found!r}, not a number; remove it, or start with torchrun.")
    return int(found)


def first_process() -> bool:
    """Whether this is the one of them that people hear of."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


def how_it_ended() -> Path | None:
    """The file in which processes say so; None where whoever started them does not ask."""
    told = os.environ.get(ENDED)
    return Path(told) if told else None


def say_how_it_ended(code: int, sentence: str) -> bool:
    """Writes the file, where it is asked for; the first that says something is the one at which it began."""
    told = how_it_ended()
    if told is not None and told.parent.exists() and not told.exists():  # without the folder nobody asks any more
        from melior.storage import write_atomic

        write_atomic(told, f"{code} {sentence}")
    return told is not None


def end_with_parent() -> None:
    """Sends this process a SIGTERM when the one that started it is gone, however it went."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:  # an orphan is given to another one
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
