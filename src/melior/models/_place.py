"""Where the trainings of networks are kept and tell of themselves, for the fits inside a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from melior.layout import Layout
from melior.progress import Progress, silent


@dataclass
class Where:
    """Where trainings keep their checkpoints and tell of themselves; the trainings of one fit are numbered in order,
    so that a fit that is begun again finds each of them.

    unfinished_counts  ctrl-C gives the weights so far instead of ending the fit
    interrupted        where it came in the training that it ended, "step 12 of 100"; else empty
    parallel           how the processes that were started together share each training
    """

    folder: Path | None = None
    progress: Progress = silent
    unfinished_counts: bool = False
    count: int = 0
    interrupted: str = ""
    parallel: Layout | Literal["auto"] | None = None

    def next_folder(self) -> Path | None:
        self.count += 1
        return None if self.folder is None else self.folder / f"network-{self.count}"


PLACE: ContextVar[Where] = ContextVar("place of trainings", default=Where())  # noqa: B039  # without a folder a count means nothing


@contextmanager
def trained_in(
    folder: Path | None,
    progress: Progress = silent,
    *,
    unfinished_counts: bool = False,
    parallel: Layout | Literal["auto"] | None = None,
) -> Iterator[Where]:
    """Networks fitted inside keep checkpoints and history in `folder`, and go on from those they find there; trials on
    other threads keep none. A training that ctrl-C ended counts as done where `unfinished_counts`, and the folder is
    one to go on from; a fit that needs a further network after it ends there."""
    where = Where(folder, progress, unfinished_counts, parallel=parallel)
    token = PLACE.set(where)
    try:
        yield where
    finally:
        PLACE.reset(token)
