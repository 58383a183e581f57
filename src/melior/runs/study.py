"""The processes that work on one study at the same time: the same command in two terminals, or on two machines.

    trials/claims/   who is there, and who runs which trial (`melior.runs.claims`)
    trials/session/  what was settled by the clock or the hardware since the first of them began, one file each

Each process goes the whole way on its own, and what it needs that another has done, or does, it waits for instead of
doing it again. What depends on the clock or the hardware is settled by whoever comes to it first, and is the same for
all; so all come to the same end. The end, the last fits and the files that people read, is made by one of them and read
by the others.
When the last process leaves, finished or killed, the session is over; the next one keeps the trials and settles anew.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from melior.errors import UserError
from melior.findings import plain
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.claims import Claims
from melior.runs.store import Run

T = TypeVar("T")

CLAIMS, SESSION = "claims", "session"  # folders beside the trials
PROCESS = "process-"  # begins the names by which processes say that they are there
PATIENCE = 5.0  # seconds for another process to write the few bytes of something settled


class Ended(Exception):
    """Another process has come to the end of this study; what it wrote is in the run."""


class Study:
    """One process among those that work on a run.

    others  who else was there when this one came
    """

    def __init__(self, run: Run, claims: Claims, others: tuple[str, ...]) -> None:
        self.run = run
        self.claims = claims
        self.others = others
        self._session = run.trials / SESSION
        self._agreed: dict[str, Any] = {}
        self._calls: Counter[str] = Counter()

    def agreed(self, name: str, make: Callable[[], T], *, each: bool = False) -> T:
        """What the first process of the session to come here made of it: plain values that JSON holds. each: every call
        by this name is another, in the order in which they come, which is the same in every process."""
        if each:
            self._calls[name] += 1
            name = f"{name}: {self._calls[name]}"
        if name not in self._agreed:
            path = self._session / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
            self._agreed[name] = _made_once(path, make)
        found: T = self._agreed[name]
        return found

    def moment(self, name: str) -> float:
        """The time.monotonic() at which the first process of the session came here: what is reckoned from it is over at
        the same moment for all. Told by the clock of the file system, since those of two machines may differ."""
        now = self.claims.now()
        return time.monotonic() - max(now - self.agreed(f"moment: {name}", lambda: now), 0.0)

    def come_to_the_end(self, progress: Progress = silent) -> None:
        """Returns in one process at a time, which then makes the end and keeps others waiting until it leaves. Raises
        Ended as soon as another has made it."""
        stage, began = "another process is writing the run", time.monotonic()

        def waiting() -> None:
            progress(stage, 0, 1, f"{self.claims.holder('end')}, for {time.monotonic() - began:.0f} s")

        while not self.claims.take("end"):
            waiting()
            time.sleep(0.2)
        if (self._session / "end.json").exists():
            self.claims.release("end")
            raise Ended

    def ended(self) -> None:
        """Says that the end is made: the run is whole."""
        _made_once(self._session / "end.json", lambda: True)


STUDY: ContextVar[Study | None] = ContextVar("the study that this process works on", default=None)


def agreed(name: str, make: Callable[[], T], *, each: bool = False) -> T:
    """What `make` gives, or gave to the first of the processes that work on the study of this block (see
    `Study.agreed`); outside of one, what it gives.

    >>> agreed("seconds left", lambda: 12.5)
    12.5
    """
    study = STUDY.get()
    return make() if study is None else study.agreed(name, make, each=each)


def moment(name: str) -> float:
    """The time.monotonic() at which the first of the processes that work on the study of this block came here (see
    `Study.moment`); outside of one, now."""
    study = STUDY.get()
    return time.monotonic() if study is None else study.moment(name)


def come_to_the_end(progress: Progress = silent) -> None:
    """See `Study.come_to_the_end`; outside of a study there is nobody to wait for."""
    study = STUDY.get()
    if study is not None:
        study.come_to_the_end(progress)


@contextmanager
def joined(
    folder: str | Path,
    verb: str,
    recipe: Recipe,
    data: str,
    options: Mapping[str, Any],
    *,
    shared: bool = True,
    progress: Progress = silent,
) -> Iterator[Study]:
    """A run, begun (`Run.begin`) or, where other processes are at it, joined: inside, this process is one of them.

    options  what the command was given beside the recipe, by the names of its options: those who share a study have the
             same, as has who goes on with it later, but for the budget
    shared   False where the work cannot be shared: a second process is refused
    """
    run = Run.checked(folder, verb, recipe, data)
    claims = Claims(run.trials / CLAIMS)
    about = {name: plain(value) for name, value in options.items()}
    try:
        with claims.alone("begin"):
            there = [str(claims.holder(name)) for name in claims.names(PROCESS)]
            if there and not shared:
                raise UserError(
                    f"{run.folder} is being made by {there[0]}: wait until it is done, or choose another folder with "
                    "--run."
                )
            session = run.trials / SESSION / "session.json"
            if there:
                Run.checked(folder, verb, recipe, data)
                _same_options(run, session, about, there[0])  # says whose other options are
                run = Run.checked(folder, verb, recipe, data, options)
                progress(f"sharing the trials with {', '.join(there)}", 0, 1)
            else:
                shutil.rmtree(run.trials / SESSION, ignore_errors=True)
                claims.sweep()
                run = Run.begin(folder, verb, recipe, data, options)
                _made_once(session, lambda: about)
            me = f"{PROCESS}{uuid.uuid4().hex}"
            claims.take(me)
        study = Study(run, claims, tuple(there))
        token, refused = STUDY.set(study), False
        try:
            yield study
        except UserError:
            refused = True
            raise
        finally:
            STUDY.reset(token)
            with claims.alone("begin"):
                claims.release(me)
                if not claims.names(PROCESS):
                    shutil.rmtree(run.trials / SESSION, ignore_errors=True)
                    if refused:
                        run.withdraw()
    finally:
        claims.release_all()


def _same_options(run: Run, session: Path, about: Mapping[str, Any], other: str) -> None:
    theirs = _made_once(session, lambda: dict(about))
    for name, value in about.items():
        if theirs.get(name) != value:
            raise UserError(
                f"{run.folder} is being made by {other} with another {name}: give this command the same, wait until "
                "that one is done, or choose another folder with --run."
            )


def _made_once(path: Path, make: Callable[[], T]) -> T:
    """The content of a JSON file that the first process to come makes."""
    if not path.exists():
        text = json.dumps(made := make())
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return made
    until = time.monotonic() + PATIENCE
    while True:
        try:
            found: T = json.loads(path.read_text(encoding="utf-8"))
            return found
        except (ValueError, OSError):  # it is being written
            if time.monotonic() > until:
                return make()
            time.sleep(0.02)
