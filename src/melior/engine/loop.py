"""The training loop. Read `train`, then `Loop.run` and on: each method is one thing that happens, in order.

Every decision is a function of the settings, the seed and the number of the step, so that a training that was killed
goes on as if nothing had been; every number that is divided by is global, so that accumulation over micro-batches (and
ranks) changes nothing.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from melior.engine import clip, guard, memory, sparse
from melior.engine.average import Average
from melior.engine.blocks import recomputed
from melior.engine.checkpoint import Checkpoints, begun_in, same_training
from melior.engine.collate import micro_batches
from melior.engine.device import Device, choose
from melior.engine.diary import Diary
from melior.engine.history import Line
from melior.engine.lessons import Lesson, Lessons
from melior.engine.norms import Layers, kinds, sampled
from melior.engine.optimizers import Optimizers
from melior.engine.order import Order
from melior.engine.outputs import outputs, scores
from melior.engine.parallel.local_steps import LocalSteps
from melior.engine.parallel.lost import told_who_is_late
from melior.engine.parallel.mesh import Heart, Mesh
from melior.engine.parallel.pipeline import Pipeline
from melior.engine.parallel.ranks import here
from melior.engine.parallel.spread import Spread, spread
from melior.engine.precision import Precision, agreed
from melior.engine.prefetch import Prefetch
from melior.engine.problem import Batch, Loss, Rows, Source
from melior.engine.schedules import factor
from melior.engine.settings import Training
from melior.engine.start import start
from melior.engine.state import Place, State, Tensors
from melior.engine.surroundings import Interrupt, seed_step, surroundings
from melior.engine.validation import Measure, validation, watched
from melior.errors import UserError
from melior.progress import Progress, silent

__all__ = ["Trained", "outputs", "scores", "train"]

AHEAD = 2  # steps whose batches are collated before they are asked for
TRIED, STARVED = 8, 0.1  # on a CPU that is so from this step on, where collating took more than this share of the time


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
    valid_loss: Loss | None = None,
    measure: Measure | None = None,
    lessons: Sequence[Lesson] = (),
    folder: Path | None = None,
    progress: Progress = silent,
) -> Trained:
    """Trains the weights of `module` that require a gradient, in place.

    source   training rows                   valid    rows to validate on: early stopping, plateau, the best weights
    loss     see problem.Loss                valid_loss  the one of these rows, where it is another
    measure  further figures of the module at each validation
    lessons  what changes batches or how they are derived
    folder   where checkpoints and history are written; one that holds an unfinished training continues it exactly
    """
    if len(source) == 0:
        raise UserError("there are no rows to train on.")
    if valid is None and (settings.patience or settings.schedule == "plateau" or settings.keep == "best"):
        raise UserError("the plateau schedule and early stopping need rows to validate on; set some aside: stop_share.")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    device = choose(settings, module, "" if folder is None else begun_in(folder / "checkpoints"))
    layout, why = settings.parallel, tuple[str, ...]()
    if layout == "auto":
        from melior.engine.plan.auto import chosen_here

        layout, why = chosen_here(module, source, loss, settings, here()) if here().count > 1 else (None, why)
        settings = settings.model_copy(update={"parallel": layout})
    came_from = next(module.parameters()).device
    with surroundings(settings, device) as interrupt, ExitStack() as stack:
        if settings.activation_checkpointing:
            stack.enter_context(recomputed(module))
        loop = Loop(module, source, loss, settings, device, valid, measure, folder, progress, interrupt, lessons)
        loop.valid_loss = valid_loss or loss
        stack.callback(loop.diary.history.close)
        loop.diary.notes.extend(why)
        with told_who_is_late(loop.heart, lambda: loop.place.step):
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
        lessons: Sequence[Lesson] = (),
    ) -> None:
        self.source, self.loss, self.settings = source, loss, settings
        self.valid_loss = loss
        self.valid, self.measure, self.interrupt = valid, measure, interrupt
        assert settings.parallel != "auto"  # `train` has chosen
        self.mesh = Mesh.of(settings.parallel, device.device)
        self.device = device = agreed(device, self.mesh)
        self.heart = Heart(self.mesh)
        sparse.check(module, settings, self.mesh)
        self.lessons = Lessons(lessons, settings.seed, self.mesh.world, self.mesh.rank)
        # before it is spread: the same training under every layout
        same = same_training(settings, self.mesh.layout, len(source), module, [one.told for one in lessons])
        self.kinds = kinds(module)
        self.spread: Spread
        if self.mesh.size("pipeline") > 1:
            self.spread = Pipeline(module, source, loss, settings, device, self.mesh, measured=measure is not None)
        else:
            self.spread = spread(module, self.mesh, device.device)
        self.module = self.spread.module
        lengths = source.lengths if settings.by_length else None
        self.order = Order(len(source), settings.batch_rows, settings.seed, lengths, settings.same_rows)
        self.total = settings.steps or settings.epochs * self.order.steps_per_epoch
        self.optimizers = Optimizers(self.module, settings)
        self.optimizers.refuse(settings, self.mesh)
        self.optimizers.elsewhere = self.spread.elsewhere
        self.average = Average(self.module, settings.average)
        self.local = LocalSteps(self.module, self.average, self.mesh)
        self.state = State(self.module, self.optimizers, self.average, self.local)
        self.precision = Precision.of(device)
        self.place = Place()
        self.good: tuple[Tensors, Place] | None = None  # the last good state, where it is not on disk
        self.stops = ""  # a sentence: why training cannot go on
        if self.local.on and settings.non_finite == "lower":  # to go back together, ranks would have to meet
            self.settings = settings = settings.model_copy(update={"non_finite": "skip"})
        self.checkpoints = None if folder is None else Checkpoints(folder / "checkpoints", same, self.mesh)
        mine = self.mesh.first  # what people read is written once
        self.diary = Diary(folder if mine else None, settings, device, progress if mine else silent, self.total)
        if isinstance(self.spread, Pipeline):
            self.diary.notes.append(self.spread.said)
        self.forward: Callable[..., Any] = self.spread.forward
        self.prefetches = device.is_gpu
        self.saved_at = perf_counter()

    # ---- from beginning to end

    def run(self) -> Trained:
        self.begin()
        while not self.place.stopped:
            self.steps()
        return self.end()

    def begin(self) -> None:
        """From the newest whole checkpoint, or from the first step."""
        found = self.checkpoints.latest(self.state) if self.checkpoints else None
        for sentence in self.checkpoints.damaged if self.checkpoints else ():
            self.diary.notes.append(sentence)
        if found is not None:
            self.restore(*found)
            if self.place.stopped == "interrupted":
                self.place.stopped = ""
            self.diary.notes.append(f"went on from step {self.place.step} of {self.total}")
        else:
            self.diary.back_to(self.place)
            at_once = self.place.micro_batch = self._at_once()
            whole = None if self.spread.staged else self.module
            ranks = self.mesh.world
            line = start(whole, self.source, self.order, self.total, self.settings, self.device, at_once, ranks)
            self.spread.changed()  # passes were tried out: a rank holds its part again
            self.diary.history.add({**line, "weights": self.kinds})
            self.remember(to_disk=False)
        if self.place.stopped:
            return
        wanted = self.settings.compile is True or (self.settings.compile == "auto" and self._compiling_pays())
        if wanted and not self.optimizers.sparse:  # compiled passes know no sparse gradients
            self.forward = torch.compile(self.spread.forward, dynamic=True)
        self.module.train()

    def steps(self) -> None:
        """Step after step, until training ends or the batches have to be cut or collated anew."""
        numbers = range(self.place.step, self.total)
        with Prefetch(numbers, self.prepared, AHEAD if self.prefetches else 0) as prepared:
            begun, waited = perf_counter(), 0.0
            for number, batches in zip(numbers, prepared, strict=True):
                self.diary.window.waited, waited = self.diary.window.waited + prepared.waited - waited, prepared.waited
                self.step(batches)
                if self.place.step == number + 1:
                    self.after_step()
                if self.place.stopped or self.place.step != number + 1:
                    return  # the end, or fewer rows at once, or back at an earlier step
                if not self.prefetches and number == numbers[0] + TRIED:
                    self.prefetches = waited > STARVED * (perf_counter() - begun)
                    if self.prefetches:
                        return
        self.place.stopped = "finished"

    def end(self) -> Trained:
        """The weights that the settings want are put into the module; what is on disk is the state to go on from."""
        if self.settings.keeps_best and self.state.best:
            self.state.put(self.state.best)
        else:
            self.average.swap()
        self.spread.whole()
        diary, place = self.diary, self.place
        return Trained(diary.history.lines, place.stopped, place.step, place.best, diary.notes)

    # ---- one step

    def step(self, batches: list[Batch]) -> None:
        """Does one step with these micro-batches, and `place.step` moves on; it does not where memory ran out, or a
        loss or gradient is not a number."""
        place, rows = self.place, self.order.step(self.place.step)
        self.heart.beat(place.step)
        if place.step in place.skipped:
            place.step += 1
            return None
        layers = None
        if sampled(place.step, self.total):
            layers = Layers(self.module, activations=self.forward is self.spread.forward)
        seed_step(self.settings.seed, place.step, self.device.device, self.mesh.draws)
        found = self.gradients(batches, len(rows))
        if layers:
            layers.seen()
        if found is None:
            return self.halve()
        losses, counts = found
        gradients = self.optimizers.gradients()
        self.spread.summed(gradients)
        # losses, counts, and the norm of the gradients as they are: the one moment at which the CPU waits for a GPU
        norm_of_all = clip.total_norm(self.optimizers.counted(gradients), self.mesh)
        *each, raw = _read((*losses, *counts, norm_of_all), at_once=self.device.is_gpu)
        total, count = self._global([sum(each[: len(losses)]), sum(each[len(losses) :])])

        if count == 0 and total == 0:  # nothing in these rows counts
            place.step += 1
            return None
        if not (isfinite(total) and isfinite(raw) and count > 0):
            if isfinite(total) and self.precision.overflowed():
                return self.step(batches)  # float16: again, with a smaller scale
            return self.trouble(rows, total)

        # so far the sum of losses was divided by the rows of the step; it is to be divided by what counts
        norm = clip.finish(
            gradients, len(rows) / (count * self.precision.scale), raw, self.settings, self.optimizers, self.mesh
        )
        if place.spiked(total / count, 0.0 if self.local.on else self.settings.spike):
            self.cut(total / count)
        if layers:
            layers.before()
        rate = place.rate * factor(self.settings, place.step, self.total, place.watched)
        self.optimizers.step(rate)
        self.average.update(place.step)
        self.precision.went_well()
        place.step += 1
        place.lost(total / count)
        self.local.counted += count
        if layers:
            found_here = self.spread.gathered(place.step, layers.after())
            self.diary.history.add({"kind": "layers", "step": place.step, **found_here})
        self.diary.step(place, rate * self.settings.learning_rate, total, count, norm, batches)

    def gradients(self, batches: list[Batch], rows: int) -> tuple[list[Tensor], list[Tensor]] | None:
        """Gradients of the scaled sum of losses over the rows of the step; sums and counts of each micro-batch. None
        where memory ran out."""
        self.optimizers.zero_grad()
        losses, counts = [], []
        try:
            if isinstance(self.spread, Pipeline):
                return self.spread.gradients(batches, self.precision.scale / rows)
            for number, batch in enumerate(batches, start=1):
                batch = batch.to(self.device.device)
                share = self.precision.scale / rows if batch.rows else 0.0  # rows of another rank stand in for none
                if self.mesh.ranks > 1:
                    self.spread.last(number == len(batches))
                    self.spread.counts(batch.rows > 0)
                run = self.lessons.around(self._pass, self.module, self.place.step, self.total, number)
                total, count = run(batch)  # scalars
                total.backward(gradient=torch.full_like(total, share))  # type: ignore[no-untyped-call]
                if batch.rows:
                    losses.append(total.detach())
                    counts.append(count.detach())
            return losses, counts
        except (RuntimeError, MemoryError) as error:
            could_not_compile = self.forward is not self.spread.forward and _from_compiler(error)
            if not could_not_compile and not memory.ran_out(error):
                raise
            said = (str(error).strip() or "no reason given").splitlines()[0]
        self.optimizers.zero_grad()
        if not could_not_compile:
            return None
        self.forward = self.spread.forward
        self.diary.event(self.place, "compile", f"torch.compile failed ({said}); the network runs as it is")
        return self.gradients(batches, rows)

    def prepared(self, step: int) -> list[Batch]:
        """The micro-batches of a step, collated (on the prefetching thread)."""
        if step in self.place.skipped:
            return []
        made = micro_batches(self.source, self.order, step, self.place.micro_batch, self.mesh)
        made = self.lessons.changed(made, step, self.total)
        return [one.pinned() for one in made] if self.device.is_gpu else made

    def _pass(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with self.precision.forward():
            out = self.forward(**batch.inputs)
        return self.loss(out, batch)

    def _global(self, values: list[float]) -> Sequence[float]:
        """Sums over all ranks; where they step alone, of this one."""
        return values if self.local.on else self.mesh.sums(values)

    # ---- what may go wrong

    def cut(self, loss: float) -> None:
        """The loss of this step is a spike: half the rate from here on."""
        place = self.place
        place.rate, place.cut_at = place.rate / 2, place.step
        said = (
            f"step {place.step}: the loss jumped from {place.recent:.3g} to {loss:.3g}; {place.rate:g} times the rate"
        )
        self.diary.event(place, "spike", said, rate=place.rate)

    def halve(self) -> None:
        """Memory ran out: half as many rows at once from here on."""
        if self.device.is_gpu:
            torch.cuda.empty_cache()
        if self.mesh.world > 1 and not self.local.on:  # the others wait in a pass that this rank cannot finish
            raise memory.too_little(self.mesh.place, self.place.micro_batch)
        before = self.place.micro_batch
        half = -(-before // 2) if before > 1 else 0
        said = f"out of memory: {half} rows at once from here on" if half else "out of memory with a single row"
        self.diary.event(self.place, "out_of_memory", said, before=before, micro_batch=half)
        if not half:
            raise UserError(
                "out of memory with a single row at a time: give shorter rows, a smaller model, or "
                "activation_checkpointing: true."
            )
        self.place.micro_batch = half

    def trouble(self, rows: Rows, loss: float) -> None:
        """A loss or gradient is not a number: nothing was changed yet, and nothing will be by this step."""
        self.optimizers.zero_grad()
        place = self.place
        whole = None if self.spread.staged else self.module
        found = guard.broken(whole, self.source, self.loss, rows, self.device, place.step, loss)
        self.spread.changed()  # what is kept, read or put back is what each rank holds
        match guard.decide(found, self.settings, place):
            case "skip":
                place.skipped.append(place.step)
                self.diary.event(self.place, "non_finite", f"{found}; the step was left out", **found.told())
            case "back":
                self.back(str(found), place.step, found.rows)
            case "stop":
                if not self.stops:
                    self.diary.event(self.place, "non_finite", f"{found}; training stopped", **found.told())
                    self.stops = f"{found}. Look at these rows, or lower the learning rate."
                if self.local.on:  # the others do not come before the next meeting
                    place.skipped.append(place.step)
                    return
                self.remember(last=True)
                self.stop()

    def stop(self) -> None:
        """Ends the training with what `trouble` found, where it found something."""
        if self.stops:
            raise UserError(self.stops)

    def back(self, why: str, step: int, rows: Rows) -> None:
        """To the last good state. Rows that break there too are at fault, and their step is left out; else it was the
        weights, and training goes on from there at half the rate."""
        was = self.place
        found = self.good
        if found is None and self.checkpoints is not None:
            self.written()
            found = self.checkpoints.latest(self.state, calm=True) or self.checkpoints.latest(self.state)
        assert found is not None, "a good state is remembered before the first step"
        self.restore(*found)
        place = self.place
        place.skipped, place.rate, place.lowered, place.lowered_at = was.skipped, was.rate, was.lowered, was.lowered_at
        whole = None if self.spread.staged else self.module
        faulty = guard.faulty_rows(whole, self.source, self.loss, rows, self.device)
        self.spread.changed()
        if len(faulty):
            place.skipped.append(step)
            said = f"{why}; back to step {place.step}, and that step will be left out"
            self.diary.event(self.place, "non_finite", said, data=True, at=step)
            return
        place.rate, place.lowered, place.lowered_at = place.rate / 2, place.lowered + 1, step
        said = f"{why}; back to step {place.step}, at {place.rate:g} times the rate"
        self.diary.event(self.place, "non_finite", said, data=False, at=step, rate=place.rate)

    def restore(self, tensors: Tensors, place: Place) -> None:
        self.spread.changed()  # into what each rank holds, not into what was gathered of it
        self.state.restore(tensors)
        self.place = place.copy()
        if self.spread.staged or not place.micro_batch:  # another layout has other micro-batches
            self.place.micro_batch = self._at_once()
        elif self.settings.micro_batch:  # fewer may be asked for now than when that was written
            self.place.micro_batch = min(place.micro_batch, self.settings.micro_batch)
        if self.precision.scales and place.scale > 1:
            self.precision.scale, self.precision.good = place.scale, place.good
        self.diary.back_to(self.place)

    # ---- between steps

    def after_step(self) -> None:
        place, every = self.place, self.settings.validate_every or self.order.steps_per_epoch
        if self.local.on:
            if place.step % self.local.every and place.step != self.total:
                return  # ranks meet where they average, and only there
            if self.mesh.any(bool(self.stops)):  # on all of them, with the sentence of the one that has to
                here().together(self.stop)
            self.diary.history.add({"kind": "meet", "step": place.step, **self.local.average(place.step)})
            every = self.local.at_a_meeting(every)
        if (place.step % every == 0 or place.step == self.total) and (self.valid is not None or self.measure):
            self.validate()
        if place.step == self.total and not place.stopped:
            place.stopped = "finished"
        if self.mesh.any(self.interrupt.asked) and not place.stopped:
            place.stopped, self.interrupt.elsewhere = "interrupted", True
        steps, seconds = self.settings.checkpoint_steps, self.settings.checkpoint_seconds
        if self.local.on and steps:
            steps = self.local.at_a_meeting(steps)
        due = steps is not None and place.step % steps == 0
        if place.stopped or due or (seconds is not None and self._for_so_long(seconds)):
            self.remember(last=bool(place.stopped))

    def _for_so_long(self, seconds: float) -> bool:
        """Whether the last checkpoint is so old, by the clock of the first rank."""
        return self.mesh.any(self.mesh.first and perf_counter() - self.saved_at >= seconds)

    def validate(self) -> None:
        """With the averaged weights where there are some; the best are kept where that is wanted."""
        place = self.place
        with self.average.swapped():
            self.spread.changed()
            found = validation(
                self.spread.passing(), self.valid, self.valid_loss, self.measure, place.micro_batch, self.device,
                self.mesh, shared=self.spread.passes_alone,
            )  # fmt: skip
            self.spread.changed()  # what is kept is what each rank holds
            line = {"kind": "valid", "step": place.step, **found}
            if watched(line, self.settings, place) and self.settings.keeps_best:
                self.state.keep_best()
        self.spread.changed()  # the average went out again
        self.diary.history.add(line)

    def remember(self, *, to_disk: bool = True, last: bool = False) -> None:
        """Keeps the state as the one to go back to: on disk where there is a folder, else in memory."""
        if self.mesh.any(not self.state.finite()):  # a step with a finite gradient can still overflow
            if self.settings.non_finite == "lower" and self.place.lowered < guard.LOWERED_MOST:
                step = self.place.step - 1
                return self.back(f"after step {step} a weight is not finite", step, self.order.step(step))
            raise UserError(f"after step {self.place.step - 1} a weight is not finite; lower the learning rate.")
        place = self.place
        place.scale, place.good = self.precision.scale, self.precision.good
        place.dtype = str(self.precision.device.dtype).removeprefix("torch.")
        self.diary.note_place(place)
        if self.checkpoints is not None and to_disk:
            self.written()
            try:
                kept = replace(place, micro_batch=0) if self.spread.staged else place
                begin = self.checkpoints.later if self.mesh.layout.background and not last else self.checkpoints.write
                begin(self.state, kept)
                self.good = None if place.calm else self.good
            except OSError as error:
                sentence = f"a checkpoint could not be written ({error.strerror or error})"
                if last:
                    raise UserError(f"{sentence}: make room and train again; it goes on from the one before.") from None
                self.diary.event(self.place, "checkpoint", f"{sentence}; the one before is kept")
        elif self.settings.non_finite == "lower" and place.calm:
            self.good = self.state.snapshot(), place.copy()
        self.saved_at = perf_counter()

    def written(self) -> None:
        """Until a checkpoint that is written beside the training is there; a fault of it is told."""
        try:
            if self.checkpoints is not None:
                self.checkpoints.wait()
        except OSError as error:
            sentence = f"a checkpoint could not be written ({error.strerror or error})"
            self.diary.event(self.place, "checkpoint", f"{sentence}; the one before is kept")

    # ---- what was chosen

    def _at_once(self) -> int:
        """Rows that go through at once: as asked for, or as many as memory allows; in a pipeline, those of a piece."""
        if isinstance(self.spread, Pipeline):
            return self.spread.at_once
        most = min(-(-self.settings.batch_rows // self.mesh.ranks), len(self.source))
        asked = self.settings.micro_batch
        return min(asked, most) if asked else int(self.mesh.least(self._fitting(most)))

    def _fitting(self, most: int) -> int:
        with self.precision.forward():
            found = memory.micro_batch(self.module, self.source, most, self.device, self.mesh.neighbours)
        self.spread.changed()
        return found

    def _compiling_pays(self) -> bool:
        return self.device.is_gpu and self.total >= 2000 and not self.spread.staged


def _read(values: Sequence[Tensor], *, at_once: bool) -> list[float]:
    """The numbers of scalars. A GPU is waited for once; where there is nothing to wait for, a copy costs more."""
    return torch.stack([one.double() for one in values]).tolist() if at_once else [one.item() for one in values]


def _from_compiler(error: BaseException) -> bool:
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
