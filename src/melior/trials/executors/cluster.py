"""Trials on the machines of a Ray cluster. Ray itself runs in a process of its own, the courier."""

import math
import queue
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from melior.data.table import Table
from melior.errors import MissingExtra, UserError
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.trials.bench import Bench, Result
from melior.trials.executors._base import Done
from melior.trials.executors._wire import Inbox, Said, say
from melior.trials.executors.agree import Installed, installed
from melior.trials.executors.local import Threads
from melior.trials.executors.parcel import packed

CONNECTING = 30.0  # seconds in which the cluster must answer
READY = 150.0  # seconds after that in which its machines must be ready, more than the courier gives them; and before
# it, in which the courier must be awake, which takes two on a machine that does nothing else
GRACE = 20.0  # seconds for the other machines when the first is ready
PATIENCE = 30.0  # seconds without a machine, after which trials go on here
SILENT = 90.0  # seconds without a word from the courier, which says one every two
# where the time is short, of the budget: beyond these shares trials go on here
CONNECTED = 0.3  # for connecting, and without a word from the courier
WAITED = 0.1  # without a machine, and for the other machines when the first is ready
FEWEST = 6.0  # seconds without a word, however small the budget: three words of the courier

_ADDRESS = re.compile(r"([^\s:/]+|\[[0-9A-Fa-f:]+\]):\d{1,5}")
# where Melior is stands last on the path, so that it hides nothing
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from melior.trials.executors.courier import main; main()"


class Cluster:
    """Trials on a Ray cluster; a table is sent once, and each machine has one process, whose threads share encodings.

    A machine that is lost costs the trials that it ran, which run again elsewhere; one that joins is used. Where there
    is none for half a minute, or the cluster itself is gone, trials go on in this process, and a note says so. They do
    so too where the cluster takes too large a share of the budget.

    address   "auto" for the cluster that this machine is part of, or HOST:PORT of its head
    about     what is installed here, which the machines must have too
    patience  seconds without a machine, at most a tenth of the budget
    budget    seconds that the study may take, of which connecting and waiting are part

    >>> with Cluster("10.0.0.1:6379") as executor:                              # doctest: +SKIP
    ...     Trials(table, folds, executor=executor).many(wanted)
    """

    def __init__(
        self,
        address: str = "auto",
        *,
        about: Installed | None = None,
        patience: float = PATIENCE,
        budget: float = math.inf,
        progress: Progress = silent,
    ) -> None:
        if address != "auto" and not _ADDRESS.fullmatch(address):
            raise UserError(f"--cluster {address}: give auto, or HOST:PORT as `ray start --head` says it.")
        if find_spec("ray") is None:
            raise MissingExtra("--cluster", "cluster")
        self.notes: list[str] = []
        self.patience = min(patience, WAITED * budget)
        self.silence = min(SILENT, max(CONNECTED * budget, FEWEST))
        self._workers = 0
        self._connected_by = time.monotonic() + CONNECTED * budget
        self._local: Threads | None = None  # where trials go on when the cluster is gone
        self._running: dict[int, tuple[Bench, Recipe, int]] = {}
        self._here: dict[int, int] = {}  # ticket of the threads -> ticket
        self._tables: list[Table] = []  # sent, by their number there
        self._folds: dict[tuple[int, bytes], int] = {}
        self._tickets = count()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the courier
        self._courier = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(Path(__file__).parents[3])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # ctrl-C is for this process, which tells the courier by going
        )
        assert self._courier.stdin is not None
        assert self._courier.stdout is not None
        self._pipe: BinaryIO = self._courier.stdin  # type: ignore[assignment]  # Popen calls it by its base class
        self._inbox = Inbox(self._courier.stdout)  # type: ignore[arg-type]
        try:
            self._connect(address, dict(installed() if about is None else about), min(GRACE, WAITED * budget), progress)
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        return self._workers if self._local is None else self._local.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, bench: Bench, recipe: Recipe, number: int) -> int:
        ticket = next(self._tickets)
        self._running[ticket] = (bench, recipe, number)
        if self._local is not None:
            self._begin_here(ticket)
            return ticket
        try:
            table, fold = self._table(bench.table), self._fold(bench, number)
            say(self._pipe, "fit", ticket=ticket, table=table, fold=fold, recipe=recipe.model_dump_json())
        except (OSError, ValueError):  # the courier is gone
            self._go_on_here("the cluster is gone")
        return ticket

    def ended(self, seconds: float) -> list[Done]:
        until = time.monotonic() + seconds
        found: list[Done] = []
        while not found and self._local is None:
            left = until - time.monotonic()
            try:
                found += self._taken(self._inbox.next(min(max(left, 0), 1)))
                while True:
                    found += self._taken(self._inbox.next(0))
            except queue.Empty:
                self._look()
            if left <= 0:
                return found
        return found or self._of_threads(max(until - time.monotonic(), 0))

    def stop(self) -> list[Done]:
        """What runs on other machines is forgotten."""
        if self._local is None:
            self._running.clear()
            try:
                say(self._pipe, "forget")
            except (OSError, ValueError):
                self._go_on_here("the cluster is gone")
            return []
        found = [Done(self._here.pop(one.ticket), one.outcome) for one in self._local.stop()]
        self._here.clear()
        self._running.clear()
        return found

    def close(self) -> None:
        """Ends the courier, and with it everything that this study has on the cluster."""
        with suppress(OSError):
            self._pipe.close()
        try:
            self._courier.wait(5)
        except subprocess.TimeoutExpired:
            self._courier.kill()
            self._courier.wait()
        self._errors.close()

    # ---- the courier

    def _connect(self, address: str, about: dict[str, str | None], grace: float, progress: Progress) -> None:
        began = time.monotonic()
        stage, until = "connecting to the cluster", began + READY
        progress(stage, 0, 2)
        say(self._pipe, "hello", address=address, installed=about, grace=grace)
        while True:
            try:
                said = self._inbox.next(0.2)
            except queue.Empty:
                if (now := time.monotonic()) > self._connected_by:
                    self._short_of_time(now - began)
                    progress(stage, 2, 2, f"trials at once: {self.workers}")
                    return
                if now > until:
                    raise UserError(
                        f"--cluster {address}: no answer in time; look whether a Ray cluster runs there (`ray status`) "
                        "and whether this machine is part of it (`ray start --address`)."
                    ) from None
                continue
            if said is None:
                raise UserError(f"--cluster {address}: Ray could not be started ({self._last_words()}).")
            if said.word == "no":
                raise UserError(said.about["sentence"])
            if said.word == "awake":
                until = time.monotonic() + CONNECTING
            elif said.word == "connected":
                progress(stage, 1, 2, "its machines get ready")
                until = time.monotonic() + READY
            elif said.word == "workers":
                self._workers = said.about["workers"]
            elif said.word == "ready":
                self._workers = said.about["workers"]
                self._heard = self._seen = time.monotonic()
                count = said.about["machines"]
                machines = f"machines: {count}, trials at once: {self._workers}"
                progress(stage, 2, 2, machines)
                return
            elif said.word == "note":
                self.notes.append(said.about["sentence"])

    def _short_of_time(self, seconds: float) -> None:
        """Begins with the machines that are ready, or here where none is."""
        self._heard = self._seen = time.monotonic()
        if not self._workers:
            self._go_on_here(
                f"the cluster was not ready within {seconds:.0f} seconds, for which the budget is too short"
            )

    def _table(self, table: Table) -> int:
        for number, sent in enumerate(self._tables):
            if sent is table:
                return number
        say(self._pipe, "table", packed(table), number=len(self._tables))
        self._tables.append(table)
        return len(self._tables) - 1

    def _fold(self, bench: Bench, number: int) -> int:
        fold = bench.folds[number]
        train, test = fold.train.astype("int64").tobytes(), fold.test.astype("int64").tobytes()
        key = (len(train), train + test)
        if key not in self._folds:
            self._folds[key] = len(self._folds)
            say(self._pipe, "fold", train + test, number=self._folds[key], train=len(train))
        return self._folds[key]

    def _taken(self, said: Said | None) -> list[Done]:
        """What was said, taken in; the trials that it ended."""
        self._heard = time.monotonic()
        if said is None:
            self._go_on_here("the cluster is gone")
        elif said.word in ("workers", "ready"):
            self._workers = said.about["workers"]
        elif said.word == "note":
            self.notes.append(said.about["sentence"])
        elif said.word == "no":
            self._go_on_here(said.about["sentence"].rstrip("."))
        elif (ticket := said.about["ticket"]) in self._running:
            del self._running[ticket]
            return [Done(ticket, _outcome(said))]
        return []

    def _look(self) -> None:
        """Goes on here where there was no machine, or no word, for too long."""
        now = time.monotonic()
        if self._workers:
            self._seen = now
        if self._local is None and now - self._seen > self.patience:
            self._go_on_here(f"no machine of the cluster had a free CPU for {self.patience:.3g} seconds")
        elif self._local is None and now - self._heard > self.silence:
            self._go_on_here(f"the cluster did not answer for {self.silence:.0f} seconds")

    def _last_words(self) -> str:
        code = self._courier.wait(5)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"code {code}"

    # ---- without the cluster

    def _go_on_here(self, why: str) -> None:
        if self._local is None:
            self.notes.append(f"{why}: trials went on on this machine")
            self._local = Threads()
            self._courier.kill()
            for ticket in self._running:
                self._begin_here(ticket)

    def _begin_here(self, ticket: int) -> None:
        assert self._local is not None
        self._here[self._local.begin(*self._running[ticket])] = ticket

    def _of_threads(self, seconds: float) -> list[Done]:
        assert self._local is not None
        found = [Done(self._here.pop(one.ticket), one.outcome) for one in self._local.ended(seconds)]
        for one in found:
            del self._running[one.ticket]
        return found


def _outcome(said: Said) -> Result | Exception:
    if said.word == "refused":
        return UserError(said.about["sentence"])
    if said.word == "failed":
        return RuntimeError(said.about["sentence"])
    from safetensors.numpy import load

    return Result(**load(said.content), seconds=said.about["seconds"], alone=said.about["alone"])
