"""The training loop. Read `train`, then `Loop.run` and on: each method is one thing that happens, in order.

Every decision is a function of the settings, the seed and the number of the step, so that a training that was killed
goes on as if nothing had been; every number that is divided by is global, so that accumulation over micro-batches (and
ranks) changes nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from melior.engine import clip, guard, memory
from melior.engine.average import Average
from melior.engine.blocks import recomputed
from melior.engine.checkpoint import Checkpoints, digest
from melior.engine.device import Device, choose
from melior.engine.history import History, Line, sinks
from melior.engine.mesh import Mesh
from melior.engine.norms import Layers, sampled
from melior.engine.optimizers import Optimizers
from melior.engine.order import Order, parts
from melior.engine.outputs import outputs, passes, scores
from melior.engine.precision import Precision
from melior.engine.prefetch import Prefetch
from melior.engine.problem import Batch, Loss, Rows, Source
from melior.engine.schedules import factor
from melior.engine.settings import Training
from melior.engine.start import start
from melior.engine.state import Place, State, Tensors
from melior.engine.surroundings import Interrupt, seed_step, surroundings
from melior.engine.window import Window
from melior.errors import UserError
from melior.progress import Progress, silent

__all__ = ["Trained", "outputs", "scores", "train"]

Measure = Callable[[nn.Module], dict[str, float]]
NOT_NUMERICS = {"device", "threads", "checkpoint_every", "log_every", "log_to", "compile", "micro_batch", "precision"}


@dataclass(frozen=True)
class Trained:
    """What a training gave; the module holds the weights.

    history  lines as `History` says      stopped  finished, patience, or interrupted
    best     the line of the best validation, or None      notes  sentences: precision, troubles
    """

    history: list[Line]
    stopped: str
    steps: int
    best: Line | None = None
    notes: list[str] = field(default_factory=list)


def train(
    module: nn.Module,
    source: Source,
    loss: Loss,
    settings: Training,
    *,
    valid: Source | None = None,
    measure: Measure | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Trained:
    """Trains the weights of `module` that require a gradient, in place.

    source   training rows                   valid    rows to validate on: early stopping, plateau, the best weights
    loss     see problem.Loss                measure  further figures of the module at each validation
    folder   where checkpoints and history are written; one that holds an unfinished training continues it exactly
    """
    if len(source) == 0:
        raise UserError("there are no rows to train on.")
    if valid is None and (settings.patience or settings.schedule == "plateau" or settings.keep == "best"):
        raise UserError("patience, keep: best and the plateau schedule need rows to validate on; set some aside.")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    device = choose(settings)
    came_from = next(module.parameters()).device
    with surroundings(settings, device) as interrupt, ExitStack() as stack:
        if settings.activation_checkpointing:
            stack.enter_context(recomputed(module))
        module.to(device.device)
        loop = Loop(module, source, loss, settings, device, valid, measure, folder, progress, interrupt)
        stack.callback(loop.history.close)
        trained = loop.run()
    module.to(came_from).eval()
    return trained


class Loop:
    def __init__(
        self,
        module: nn.Module,
        source: Source,
        loss: Loss,
        settings: Training,
        device: Device,
        valid: Source | None,
        measure: Measure | None,
        folder: Path | None,
        progress: Progress,
        interrupt: Interrupt,
    ) -> None:
        self.module, self.source, self.loss, self.settings, self.device = module, source, loss, settings, device
        self.valid, self.measure, self.progress, self.interrupt = valid, measure, progress, interrupt
        self.mesh = Mesh()
        self.lengths = source.lengths if settings.by_length else None
        self.order = Order(len(source), settings.batch_rows, settings.seed, self.lengths, settings.same_rows)
        self.total = settings.steps or settings.epochs * self.order.steps_per_epoch
        self.optimizers = Optimizers(module, settings)
        self.average = Average(module, settings.average)
        self.state = State(module, self.optimizers, self.average)
        self.precision = Precision.of(device)
        self.place = Place()
        self.good: tuple[Tensors, Place] | None = None  # the last good state, where it is not on disk
        self.checkpoints = None if folder is None else Checkpoints(folder / "checkpoints", self._same())
        self.history = History(folder, sinks(settings.log_to, folder))
        self.forward: Callable[..., Any] = module
        self.window = Window()
        self.notes = [device.said]
        self.saved_at = perf_counter()

    # ---- from beginning to end

    def run(self) -> Trained:
        self.begin()
        while not self.place.stopped:
            self.steps()
        return self.end()

    def begin(self) -> None:
        """From the newest whole checkpoint, or from the first step."""
        found = self.checkpoints.latest() if self.checkpoints else None
        for sentence in self.checkpoints.damaged if self.checkpoints else ():
            self.notes.append(sentence)
        if found is not None:
            self.restore(*found)
            if self.place.stopped == "interrupted":
                self.place.stopped = ""
            self.notes.append(f"went on from step {self.place.step} of {self.total}")
        else:
            self.history.back_to(0)
            most = min(-(-self.settings.batch_rows // self.mesh.ranks), len(self.source))
            asked = self.settings.micro_batch
            self.place.micro_batch = min(asked, most) if asked else self._fitting(most)
            self.remember(to_disk=False)
            at_once, device = self.place.micro_batch, self.device
            self.history.add(
                start(
                    module=self.module,
                    source=self.source,
                    order=self.order,
                    total=self.total,
                    settings=self.settings,
                    device=device,
                    micro_batch=at_once,
                )
            )
        if self.place.stopped:
            return
        if self.settings.compile is True or (self.settings.compile == "auto" and self._compiling_pays()):
            self.forward = torch.compile(self.module, dynamic=True)
        self.module.train()

    def steps(self) -> None:
        """Step after step, until training ends or the batches have to be cut anew."""
        numbers = iter(range(self.place.step, self.total))
        with Prefetch(numbers, self._batches) as prepared:
            for batches in prepared:
                self.window.waited, prepared.waited = self.window.waited + prepared.waited, 0.0
                if not self.step(batches):
                    return
                self.after_step()
                if self.place.stopped:
                    return
        self.place.stopped = "finished"

    def end(self) -> Trained:
        """The weights that the settings want are put into the module; what is on disk is the state to go on from."""
        if self.settings.keeps_best and self.state.best:
            self.state.put(self.state.best)
        else:
            self.average.swap()
        return Trained(self.history.lines, self.place.stopped, self.place.step, self.place.best, self.notes)

    # ---- one step

    def step(self, batches: list[Batch]) -> bool:
        """Does one step with these micro-batches. False where it could not be done so: memory ran out, or a loss or
        gradient is not a number."""
        place, rows = self.place, self.order.step(self.place.step)
        if place.step in place.skipped:
            place.step += 1
            return True
        layers = None
        if sampled(place.step, self.total):
            layers = Layers(self.module, activations=self.forward is self.module)
        seed_step(self.settings.seed, place.step, self.mesh.rank)
        found = self._gradients(batches, len(rows))
        if layers:
            layers.seen()
        if found is None:
            return self.halve()
        losses, counts = found
        gradients = self.optimizers.gradients()
        # loss, count, and norm of the gradients as they are: the one moment at which the CPU waits for a GPU
        sums = self.mesh.sums(torch.stack([torch.stack(losses).sum(), torch.stack(counts).sum()]).double())  # (2,)
        norm = clip.total_norm(gradients, self.mesh) if gradients else sums.new_zeros(())
        total, count, raw = torch.cat([sums, norm.reshape(1).to(sums)]).tolist()

        if count == 0 and total == 0:  # nothing in these rows counts
            place.step += 1
            return True
        if not (isfinite(total) and isfinite(raw) and count > 0):
            if isfinite(total) and self.precision.overflowed():
                return self.step(batches)  # float16: again, with a smaller scale
            return self.trouble(rows, [float(one) for one in losses])

        share = len(rows) / (count * self.precision.scale)  # so far the loss was divided by the rows of the step
        if self.settings.l1:
            clip.scale(gradients, share)
            self.optimizers.add_l1(1.0)
            share, raw = 1.0, float(clip.total_norm(gradients, self.mesh))
        if self.settings.clip_value:
            clip.scale(gradients, share)
            clip.clip_value(gradients, self.settings.clip_value)
            share, raw = 1.0, float(clip.total_norm(gradients, self.mesh))
        clip.scale(gradients, share * clip.shrink_to(raw * share, self.settings.clip_norm))
        if layers:
            layers.before()
        rate = place.rate * factor(self.settings, place.step, self.total, place.watched)
        self.optimizers.step(rate)
        self.average.update(place.step)
        self.precision.went_well()
        place.step += 1
        self.window.add(total, count, raw * share, batches)
        if layers:
            self.history.add({"kind": "layers", "step": place.step, **layers.after()})
        if self._logs():
            self.log(rate)
        return True

    def _gradients(self, batches: list[Batch], rows: int) -> tuple[list[Tensor], list[Tensor]] | None:
        """Gradients of the scaled sum of losses over the rows of the step; sums and counts of each micro-batch. None
        where memory ran out."""
        self.optimizers.zero_grad()
        losses, counts = [], []
        try:
            for batch in batches:
                batch = batch.to(self.device.device)
                with self.precision.forward():
                    out = self.forward(**batch.inputs)
                total, count = self.loss(out, batch)  # scalars
                (total * (self.precision.scale / rows)).backward()  # type: ignore[no-untyped-call]
                losses.append(total.detach())
                counts.append(count.detach())
            return losses, counts
        except (RuntimeError, MemoryError) as error:
            could_not_compile = self.forward is not self.module and _from_compiler(error)
            if not could_not_compile and not memory.ran_out(error):
                raise
            said = (str(error).strip() or "no reason given").splitlines()[0]
        self.optimizers.zero_grad()
        if not could_not_compile:
            return None
        self.forward = self.module
        self.event(f"torch.compile failed ({said}); the network runs as it is", "compile")
        return self._gradients(batches, rows)

    def _batches(self, step: int) -> list[Batch]:
        """The micro-batches of a step, collated (on the prefetching thread)."""
        if step in self.place.skipped:
            return []
        made = [self.source.batch(rows) for rows in self._parts(step)]
        return [one.pinned() for one in made] if self.device.is_gpu else made

    def _parts(self, step: int) -> list[Rows]:
        mesh = self.mesh
        cut = parts(self.order.step(step), self.lengths, self.place.micro_batch, mesh.rank, mesh.ranks)
        return [rows for rows in cut if len(rows)]

    # ---- what may go wrong

    def halve(self) -> bool:
        """Memory ran out: half as many rows at once from here on."""
        if self.device.is_gpu:
            torch.cuda.empty_cache()
        before = self.place.micro_batch
        if before == 1:
            self.event("out of memory with a single row at a time", "out_of_memory", before=1, micro_batch=0)
            raise UserError(
                "out of memory with a single row at a time: give shorter rows, a smaller model, or "
                "activation_checkpointing: true."
            )
        half = self.place.micro_batch = -(-before // 2)
        self.event(f"out of memory: {half} rows at once from here on", "out_of_memory", before=before, micro_batch=half)
        return False

    def trouble(self, rows: Rows, losses: list[float]) -> bool:
        """A loss or gradient is not a number: nothing was changed yet, and nothing will be by this step."""
        self.optimizers.zero_grad()
        place = self.place
        found = guard.broken(self.module, self.source, self.loss, rows, self.device, place.step, losses)
        match guard.decide(found, self.settings, place):
            case "skip":
                place.skipped.append(place.step)
                self.event(
                    f"{found}; the step was left out", "non_finite", data=found.data, rows=found.rows[:100].tolist()
                )
            case "back":
                self.back(str(found), place.step)
            case "stop":
                self.event(f"{found}; training stopped", "non_finite", data=found.data, rows=found.rows[:100].tolist())
                self.remember(last=True)
                raise UserError(f"{found}. Look at these rows, or lower the learning rate.")
        return False

    def back(self, why: str, step: int, name: str = "non_finite") -> None:
        """To the last good state, and on from there at half the rate."""
        skipped, rate, lowered = self.place.skipped, self.place.rate / 2, self.place.lowered + 1
        found = self.good or (self.checkpoints.latest() if self.checkpoints else None)
        assert found is not None, "a good state is remembered before the first step"
        self.restore(*found)
        place = self.place
        place.skipped, place.rate, place.lowered, place.lowered_at = skipped, rate, lowered, step
        sentence = f"{why}; back to step {place.step}, at {rate:g} times the rate"
        self.event(sentence, name, data=False, rate=rate, at=step)

    def restore(self, tensors: Tensors, place: Place) -> None:
        self.state.restore(tensors)
        self.place = place.copy()
        if self.precision.scales and place.scale > 1:
            self.precision.scale, self.precision.good = place.scale, place.good
        self.history.back_to(place.lines)
        self.window = Window()

    # ---- between steps

    def after_step(self) -> None:
        place, every = self.place, self.settings.validate_every or self.order.steps_per_epoch
        if (place.step % every == 0 or place.step == self.total) and (self.valid is not None or self.measure):
            self.validate()
        if place.step == self.total and not place.stopped:
            place.stopped = "finished"
        if self.mesh.any(self.interrupt.asked) and not place.stopped:
            place.stopped = "interrupted"
        steps, seconds = self.settings.checkpoint_steps, self.settings.checkpoint_seconds
        due = steps is not None and place.step % steps == 0
        if place.stopped or due or (seconds is not None and perf_counter() - self.saved_at >= seconds):
            self.remember(last=bool(place.stopped))

    def validate(self) -> None:
        """The loss on the rows put aside and what `measure` says, with the averaged weights where there are some."""
        place, line = self.place, {"kind": "valid", "step": self.place.step}
        with self.average.swapped():
            if self.valid is not None:
                line["loss"] = self._valid_loss(self.valid)
            if self.measure is not None:
                self.module.eval()
                line |= self.measure(self.module)
            self.module.train()
            if self.settings.watch in line:
                self._watch(line)
            elif self.settings.watch != "loss":
                raise UserError(f"watch: a validation gives {', '.join(sorted(line))} and no {self.settings.watch}.")
        self.history.add(line)
        if self.settings.patience and place.waiting >= self.settings.patience:
            place.stopped = "patience"

    def _watch(self, line: Line) -> None:
        """Whether this validation is the best so far; then its weights are kept where that is wanted."""
        place = self.place
        value = float(line[self.settings.watch]) * (1 if self.settings.watch == "loss" else -1)
        better = value < min((one for one in place.watched if isfinite(one)), default=inf)
        place.watched.append(value)
        place.waiting = 0 if better else place.waiting + 1
        if better:
            place.best = line
            if self.settings.keeps_best:
                self.state.keep_best()

    def _valid_loss(self, valid: Source) -> float:
        total, count = 0.0, 0.0
        for batch, _, out in passes(self.module, valid, self.place.micro_batch, self.device):
            one, counted = self.loss(out, batch)
            total, count = total + float(one), count + float(counted)
        total, count = self.mesh.sums(torch.tensor([total, count], dtype=torch.float64)).tolist()
        return total / count if count else 0.0

    def remember(self, *, to_disk: bool = True, last: bool = False) -> None:
        """Keeps the state as the one to go back to: on disk where there is a folder, else in memory."""
        if not self.state.finite():  # a step with a finite gradient can still overflow
            if self.settings.non_finite == "lower" and not last and self.place.lowered < guard.LOWERED_MOST:
                why = f"after step {self.place.step - 1} a weight is not finite"
                return self.back(why, self.place.step - 1, "weights")
            raise UserError(f"after step {self.place.step - 1} a weight is not finite; lower the learning rate.")
        place = self.place
        place.scale, place.good = self.precision.scale, self.precision.good
        place.seconds, place.lines = place.seconds + self.window.lap(), len(self.history.lines)
        if self.checkpoints is not None and to_disk:
            try:
                self.checkpoints.write(self.state.tensors(), place)
                self.good = None
            except OSError as error:
                sentence = f"a checkpoint could not be written ({error.strerror or error})"
                if last:
                    raise UserError(f"{sentence}: make room and train again; it goes on from the one before.") from None
                self.event(f"{sentence}; the one before is kept", "checkpoint")
        elif self.settings.non_finite == "lower":
            self.good = self.state.snapshot(), place.copy()
        self.saved_at = perf_counter()

    # ---- what is told

    def _logs(self) -> bool:
        every = self.settings.log_every or max(1, self.total // 1000)
        return self.place.step % every == 0 or self.place.step == self.total

    def log(self, rate: float) -> None:
        place = self.place
        line = self.window.line()
        place.seconds += line.pop("passed")
        line |= {"rate": rate * self.settings.learning_rate, "memory_mib": memory.used_mib(self.device.device)}
        self.history.add({"kind": "step", "step": place.step, **line, "seconds": place.seconds})
        note = f"loss {line['loss']:.4g}, {line['rows_per_second']:,.0f} rows/s, padding {line['padding']:.0%}"
        self.progress("training", place.step, self.total, note)

    def event(self, sentence: str, name: str, **more: Any) -> None:
        self.notes.append(sentence)
        self.history.add({"kind": "event", "step": self.place.step, "name": name, "what": sentence, **more})

    # ---- what was chosen

    def _fitting(self, most: int) -> int:
        with self.precision.forward():
            return memory.micro_batch(self.module, self.source, most, self.device)

    def _compiling_pays(self) -> bool:
        return self.device.is_gpu and self.total >= 2000

    def _same(self) -> str:
        """What must be the same to go on with a training."""
        kept = self.settings.model_dump(mode="json", exclude=NOT_NUMERICS)
        return digest([kept, len(self.source), self.state.shapes(), self.state.frozen()])


def _from_compiler(error: BaseException) -> bool:
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
