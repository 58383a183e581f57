"""Who does what, told to other processes by files in a folder they share: what one has claimed, no other does.

A claim is a file NAME.GENERATION, made where there was none (O_EXCL, which holds on network file systems too) and
touched every few seconds. A holder of this machine is gone when its process is; one of another machine when its file
was not touched for a minute, by the clock of the file system. The claim of one that is gone is taken over by making
the next generation: of several that try, one succeeds. Nobody removes the claim of another, for the file may be a new
one by then. A holder that only seemed to be gone costs double work, and no more: what is done under a claim is written
aside and renamed.
"""

import json
import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

BEAT = 5.0  # seconds between two touches of a claim
STALE = 60.0  # seconds without one, after which a holder on another machine is gone
POLL = 0.1  # seconds between two looks at a claim that is waited for

_NAMED = re.compile(r"(?P<name>.+)\.(?P<generation>\d+)")


@dataclass(frozen=True)
class Holder:
    """A process that has claimed something.

    system  the same where process numbers mean the same; empty where that cannot be told
    born    when the process began, in the system's own words; tells it from a later one of the same number
    """

    pid: int
    host: str
    system: str
    born: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One thread of this machine at a time, where the system can lock a folder; a listing is no moment's picture."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks: the protocol of the files alone
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Claims:
    """The claims of one process in a folder. Safe for threads.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     mine, other = Claims(Path(folder)), Claims(Path(folder))
    ...     print(mine.take("a"), other.take("a"), other.take("b"))
    ...     mine.release("a")
    ...     print(other.take("a"))
    True False True
    True
    """

    def __init__(self, folder: Path, *, beat: float = BEAT, stale: float = STALE) -> None:
        self.folder = folder
        self.beat = beat
        self.stale = stale
        self._text = json.dumps({**asdict(this_process()), "token": uuid.uuid4().hex})
        self._held: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._beats: threading.Thread | None = None

    def take(self, name: str) -> bool:
        """Claims a name; False where a living process has it, this one included."""
        with self._lock:
            if name in self._held:
                return False
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder):
                return self._take(name)

    def _take(self, name: str) -> bool:
        before = self._generations(name)
        if any(self._alive(path) for path in before.values()):
            return False
        number = max(before, default=-1) + 1
        path = self.folder / f"{name}.{number}"
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self._text)
        # one that looked before another let go of the name may be late, in either order: whoever sees another
        # steps back, and of two the one that looks last sees it
        if any(self._alive(other) for at, other in self._generations(name).items() if at != number):
            path.unlink(missing_ok=True)
            return False
        self._held[name] = path
        if self._beats is None:
            self._beats = threading.Thread(target=self._touch, daemon=True, name="claims")
            self._beats.start()
        return True

    def release(self, name: str) -> None:
        """Lets go of a name; of one that is not held, nothing."""
        with self._lock:
            path = self._held.pop(name, None)
            if path is not None and _read(path) == self._text:  # else it was taken over
                path.unlink(missing_ok=True)

    def release_all(self) -> None:
        """Lets go of every name."""
        for name in list(self._held):
            self.release(name)
        self._ended.set()

    def sweep(self) -> None:
        """Removes the claims of those that are gone; for one that is alone with the folder."""
        for path in self._files():
            if _NAMED.fullmatch(path.name) and not self._alive(path):
                path.unlink(missing_ok=True)

    def holder(self, name: str) -> Holder | None:
        """The living process that has a name, or None."""
        for path in self._generations(name).values():
            if self._alive(path):
                return _holder(path) or Holder(0, "another machine", "", "")
        return None

    def names(self, beginning: str) -> list[str]:
        """The names that begin so and are claimed by living processes."""
        found = (_NAMED.fullmatch(path.name) for path in self._files())
        names = {match["name"] for match in found if match and match["name"].startswith(beginning)}
        return sorted(name for name in names if self.holder(name) is not None)

    @contextmanager
    def alone(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Waits until it has the name, and lets go of it at the end. waiting: called at every look."""
        while not self.take(name):
            waiting()
            time.sleep(POLL)
        try:
            yield
        finally:
            self.release(name)

    def now(self) -> float:
        """The time of day by the clock of the file system, which other machines' touches are measured by."""
        clock = self.folder / f".clock.{os.getpid()}.{threading.get_ident()}"
        try:
            clock.touch()
            return clock.stat().st_mtime
        finally:
            clock.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        try:
            return list(self.folder.iterdir())
        except FileNotFoundError:
            return []

    def _generations(self, name: str) -> dict[int, Path]:
        found = ((_NAMED.fullmatch(path.name), path) for path in self._files())
        return {int(match["generation"]): path for match, path in found if match and match["name"] == name}

    def _alive(self, path: Path) -> bool:
        holder = _holder(path)
        if holder is not None and holder.system and holder.system == this_process().system:
            return _running(holder)
        try:
            touched = path.stat().st_mtime
        except FileNotFoundError:
            return False
        return self.now() - touched < self.stale

    def _touch(self) -> None:
        while not self._ended.wait(self.beat):
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._beats = None
                    return
            for path in held:
                try:
                    os.utime(path)
                except OSError:  # the folder was removed, or does not answer: others will say what that means
                    continue


def this_process() -> Holder:
    """This process, as others see it."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> Holder:
    return Holder(pid, platform.node() or "this machine", _system(), _born(pid))


def _system() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # containers count their processes apart
    except OSError:
        return "" if os.name == "nt" else platform.node()  # Windows ends the process that is asked whether it lives


def _born(pid: int) -> str:
    """Clock ticks from the start of the system to that of the process, where the system tells."""
    return (_state(pid) or ("", ""))[1]


def _state(pid: int) -> tuple[str, str] | None:
    try:  # the name of the program stands in brackets and may hold anything
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19]


def _running(holder: Holder) -> bool:
    state = _state(holder.pid)
    if state is not None:
        return state[0] not in "ZX" and state[1] == holder.born
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _holder(path: Path) -> Holder | None:
    """Whose claim it is; None while that is being written, and where it cannot be read."""
    try:
        told = json.loads(_read(path))
        return Holder(int(told["pid"]), str(told["host"]), str(told["system"]), str(told["born"]))
    except (ValueError, KeyError, TypeError):
        return None
