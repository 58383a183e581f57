"""The process that speaks to the cluster, for the one that asks for trials (`cluster`).

It is a process of its own because Ray ends the process that it runs in when it cannot reach its cluster, or keeps it
waiting for minutes: the study goes on without it.

    heard  hello {address, installed, grace}   table {number} bytes   fold {number} bytes
           fit {ticket, table, fold, recipe}   forget {}
    said   awake {}   connected {}   ready {machines, workers}   workers {workers}, every few seconds   note {sentence}
           result {ticket, seconds, alone} bytes   refused or failed {ticket, sentence}   no {sentence}, the last
"""

import os
import queue
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from melior.errors import UserError
from melior.trials.executors import porter
from melior.trials.executors._wire import Inbox, Said, say
from melior.trials.executors.agree import PACKAGES, difference
from melior.trials.executors.porter import Porter

START = "start one with `ray start --head --disable-usage-stats`, add machines as it says"
LOOK = 2.0  # seconds between two looks which machines are there
ANSWER = 120.0  # seconds for the machines to say what is installed, and to be ready
TURN = 0.03  # seconds between two looks at the pipe
TIMES = 3  # times that a trial may be lost with its machine


@dataclass(eq=False)
class Machine:
    """A machine that runs trials: an actor there, and the tickets that it has. node: its id in the cluster."""

    node: str
    name: str
    actor: Any
    slots: int
    tickets: set[int] = field(default_factory=set)


@dataclass
class Job:
    """A trial on its way; lost: how often its machine was lost."""

    about: dict[str, Any]
    lost: int = 0


class Courier:
    """Machines, and the trials that they run."""

    def __init__(self, pipe: BinaryIO, installed: dict[str, str | None], grace: float) -> None:
        self.pipe = pipe
        self.installed = installed
        self.grace = grace  # seconds for the other machines when the first is ready; later ones are used when they are
        self.machines: dict[str, Machine] = {}  # by the id of the node
        self.refused: dict[str, str] = {}  # node -> why it runs nothing
        self.asked: dict[Any, Machine] = {}  # by what it will say is installed
        self.rising: dict[Any, Machine] = {}  # by its word that it is ready
        self.running: dict[Any, tuple[Machine, int]] = {}  # result -> where, ticket
        self.waiting: deque[int] = deque()
        self.jobs: dict[int, Job] = {}
        self.put: dict[tuple[str, int], Any] = {}  # tables and folds in the cluster's store
        self.looked = 0.0

    @property
    def workers(self) -> int:
        return sum(machine.slots for machine in self.machines.values())

    def rise(self) -> None:
        """Waits until every machine that is there is ready, or refuses."""
        until = time.monotonic() + ANSWER
        self.look_around()
        first = None
        while (self.asked or self.rising) and time.monotonic() < until:
            self.turn(0.2)
            if self.machines and first is None:
                first = time.monotonic()
                until = min(until, first + self.grace)
        for why in self.refused.values():
            raise UserError(why)
        if not self.machines and (self.asked or self.rising):
            raise UserError(f"no machine of the cluster was ready within {ANSWER:.0f} seconds: look at `ray status`.")
        say(self.pipe, "ready", machines=len(self.machines), workers=self.workers)

    def serve(self, inbox: Inbox) -> None:
        """Runs what is asked for, until nobody asks any more."""
        while True:
            try:
                while (said := inbox.next(0)) is not None:
                    self.take(said)
                return
            except queue.Empty:
                pass
            if time.monotonic() - self.looked > LOOK:
                self.look_around()
                say(self.pipe, "workers", workers=self.workers)
            self.hand_out()
            self.turn(TURN)

    def take(self, said: Said) -> None:
        import ray

        if said.word == "table":
            self.put["table", said.about["number"]] = ray.put(said.content)
        elif said.word == "fold":
            half = said.about["train"]
            self.put["fold", said.about["number"]] = ray.put((said.content[:half], said.content[half:]))
        elif said.word == "fit":
            self.jobs[said.about["ticket"]] = Job(said.about)
            self.waiting.append(said.about["ticket"])
        elif said.word == "forget":
            self.waiting.clear()
            self.jobs.clear()

    def look_around(self) -> None:
        """Takes the free CPUs of machines that are new, or there again after a loss, and asks what is installed."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.looked = time.monotonic()
        coming = {one.node for some in (self.asked, self.rising) for one in some.values()}
        free = free_resources()
        for node in ray.nodes():
            number, name = node["NodeID"], node["NodeManagerAddress"]
            slots = int(free.get(number, {}).get("CPU", 0))
            if not node["Alive"] or number in {*self.machines, *self.refused, *coming} or slots < 1:
                continue
            made = ray.remote(Porter).options(
                num_cpus=slots,
                num_gpus=int(free[number].get("GPU", 0)),
                max_concurrency=slots,
                scheduling_strategy=NodeAffinitySchedulingStrategy(number, soft=False),
            )
            machine = Machine(number, name, made.remote(), slots)
            self.asked[machine.actor.look.remote(PACKAGES)] = machine

    def turn(self, seconds: float) -> None:
        """Waits a little for answers, and does what they ask for."""
        import ray

        refs = [*self.asked, *self.rising, *self.running]
        if not refs:
            time.sleep(seconds)
            return
        for ref in ray.wait(refs, num_returns=1, timeout=seconds)[0]:
            if ref in self.asked:
                self._answered(self.asked.pop(ref), ref)
            elif ref in self.rising:
                self._risen(self.rising.pop(ref), ref)
            else:
                self._ended(*self.running.pop(ref), ref)

    def hand_out(self) -> None:
        """Gives trials to the machines with the most room."""
        while self.waiting and self.machines:
            machine = max(self.machines.values(), key=lambda one: one.slots - len(one.tickets))
            if len(machine.tickets) >= machine.slots:
                return
            ticket = self.waiting.popleft()
            about = self.jobs[ticket].about
            table, fold = ((about[what], [self.put[what, about[what]]]) for what in ("table", "fold"))
            machine.tickets.add(ticket)
            self.running[machine.actor.fit.remote(table, fold, about["recipe"])] = (machine, ticket)

    def _answered(self, machine: Machine, ref: Any) -> None:
        """A machine says what is installed: it gets ready where that is the same as here."""
        import ray

        try:
            there = ray.get(ref)
        except ray.exceptions.RayError:
            return  # it is asked again where it is still there
        why = difference(self.installed, there, f"the machine {machine.name}")
        if why:
            self.refused[machine.node] = why
            ray.kill(machine.actor, no_restart=True)
            say(self.pipe, "note", sentence=f"not used: {why}")
            return
        self.rising[machine.actor.start.remote(f"the machine {machine.name}")] = machine

    def _risen(self, machine: Machine, ref: Any) -> None:
        import ray

        try:
            ray.get(ref)
        except ray.exceptions.RayError:
            return
        self.machines[machine.node] = machine
        say(self.pipe, "workers", workers=self.workers)

    def _ended(self, machine: Machine, ticket: int, ref: Any) -> None:
        import ray

        try:
            word, about, content = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            word, about, content = "failed", {"sentence": str(error)}, b""
        except ray.exceptions.RayError:  # the machine is gone, or its process is
            if self.machines.get(machine.node) is machine:
                self._lost(machine)
            self._again(ticket)
            return
        machine.tickets.discard(ticket)
        if self.jobs.pop(ticket, None) is not None:
            say(self.pipe, word, content, ticket=ticket, **about)

    def _lost(self, machine: Machine) -> None:
        import ray

        del self.machines[machine.node]
        ray.kill(machine.actor, no_restart=True)  # where it only could not be reached, it shall not go on
        count = len(machine.tickets)
        what = "1 trial ran there and is" if count == 1 else f"{count} trials ran there and are"
        say(self.pipe, "note", sentence=f"the machine {machine.name} was lost; {what} run again elsewhere")
        say(self.pipe, "workers", workers=self.workers)

    def _again(self, ticket: int) -> None:
        job = self.jobs.get(ticket)
        if job is None:
            return
        job.lost += 1
        if job.lost < TIMES:
            self.waiting.appendleft(ticket)
            return
        del self.jobs[ticket]
        sentence = (
            f"a trial was lost with its machine {TIMES} times, most likely because the memory there is too little: use "
            "larger machines, or fewer CPUs of each (`ray start --num-cpus`)."
        )
        say(self.pipe, "refused", ticket=ticket, sentence=sentence)


def free_resources() -> dict[str, dict[str, float]]:
    """What of each node's resources nobody has taken, by the node's id."""
    import ray

    try:
        found: dict[str, dict[str, float]] = ray._private.state.available_resources_per_node()
        return found
    except AttributeError:  # not part of what Ray promises: without it, all that a node has counts as free
        return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def connect(address: str, awake: Callable[[], None]) -> None:
    """Joins the cluster; a sentence where there is none. awake: called when all is loaded that this needs."""
    if address != "auto":
        reachable(address)
    import ray

    awake()
    ray.cloudpickle.register_pickle_by_value(porter)  # sent itself and not by its name: Melior may not be there
    try:
        ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    except ConnectionError as error:
        if address == "auto":
            raise UserError(f"--cluster auto: no Ray cluster runs on this machine; {START}.") from None
        raise UserError(f"--cluster {address}: there is no Ray cluster ({_first_line(error)}); {START}.") from None
    except (RuntimeError, ValueError, SystemExit) as error:
        raise UserError(f"--cluster {address}: {_first_line(error)}") from None


def reachable(address: str) -> None:
    """Refuses an address where nobody listens."""
    import socket

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--cluster {address}: nobody answers there ({error}); {START}.") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def main() -> None:
    """Speaks on standard input and output; what Ray prints goes to standard error."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "30")  # then Ray ends this process
    # nobody asks any more: whatever this process waits for, it gives the machines back by ending
    inbox = Inbox(sys.stdin.buffer, gone=lambda: os._exit(0))
    hello = inbox.next(3600)
    if hello is None:
        return
    try:
        connect(hello.about["address"], lambda: say(pipe, "awake"))
        say(pipe, "connected")
        courier = Courier(pipe, hello.about["installed"], hello.about["grace"])
        courier.rise()
        courier.serve(inbox)
    except UserError as error:
        say(pipe, "no", sentence=str(error))
    except BrokenPipeError:
        pass
    finally:
        sys.stderr.flush()
        os._exit(0)  # Ray's own way out may take long, and its job ends with this process


if __name__ == "__main__":
    main()
