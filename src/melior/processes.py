"""What the environment says of processes that were started together (torchrun and others set it)."""

import os

ENDED = "MELIOR_ENDED"  # names the file in which processes say how they ended, where whoever started them asks


def started_together() -> int:
    """How many there are; one where none were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first_process() -> bool:
    """Whether this is the one of them that people hear of."""
    return started_together() == 1 or os.environ.get("RANK", "0") == "0"
