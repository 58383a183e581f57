"""Stages of a network on ranks that pass their states on: each holds some of the layers (see stages.py for the cut).

A step is cut into pieces that go through one behind the other, so that all stages have something to do but at its
beginning and its end. The only file that touches torch.distributed.pipelining, which is alpha; who sends what when is
its business, and all that it is given are flat pieces of one size.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from melior.engine import memory
from melior.engine.blocks import chains
from melior.engine.device import Device
from melior.engine.outputs import Elsewhere
from melior.engine.parallel.mesh import Mesh
from melior.engine.parallel.spread import Dealt, Summed, emptied, local, put_whole, same_weights
from melior.engine.parallel.stages import Stage, split
from melior.engine.parallel.traced import trace
from melior.engine.parallel.visiting import settled, visiting
from melior.engine.precision import Precision
from melior.engine.problem import Batch, Loss, Source
from melior.engine.settings import Training
from melior.errors import UserError

A_STAGE = 4  # pieces of a step for each stage, where the layout does not say
PROBED = 8  # rows that are timed
KEPT = 4  # schedules for steps of different shapes
PARTS = 8  # sizes between one power of two and the next: few schedules, little that is sent in vain


class Pipeline(Summed):
    """This rank's stage. It has no `forward` of the whole network: see `gradients` and `passing`.

    said  one sentence: who holds what, and how much of the time is spent waiting
    """

    staged = True

    def __init__(
        self,
        module: nn.Module,
        source: Source,
        loss: Loss,
        settings: Training,
        device: Device,
        mesh: Mesh,
        *,
        measured: bool,
    ) -> None:
        super().__init__(module, mesh)
        self.module = same_weights(module)
        self.loss, self.device = loss, device.device
        self.precision = Precision.of(device)
        self.group, self.stages = mesh.along("pipeline"), mesh.size("pipeline")
        self.number, self.last_stage = dist.get_rank(self.group), self.stages - 1
        _refuse(module, settings, mesh, measured)
        self.shapes = {name: one.shape for name, one in module.named_parameters()}
        plan: dict[str, str] = {}
        if mesh.layout.tensor > 1:
            from melior.engine.parallel.tensor import plan_of

            plan = plan_of(module, mesh.layout.tensor)
        with visiting(self.module, self.device):  # where to cut is seen from passes through the whole network
            self.stage = self._cut(source)
            self._all_train()
        self.stage.free()
        settled(self.module, self.device)
        self.dealt: Dealt | None = None
        self._share(plan)
        most = min(-(-settings.batch_rows // mesh.ranks), len(source))
        self.at_once = _rows_of_a_piece(most, settings, mesh)
        pieces = -(-most // self.at_once)
        waits = (self.stages - 1) / (pieces + self.stages - 1)
        held = ", ".join(str(end - first) for first, end in zip(self.stage.cuts, self.stage.cuts[1:], strict=False))
        self.said = (
            f"a pipeline of {self.stages} stages with {held} blocks; {pieces} pieces a step, so each stage waits "
            f"{waits:.0%} of the time"
        )
        self.schedules: dict[Any, Any] = {}
        self.batches: list[Batch] = []
        self.found: list[tuple[Tensor, Tensor]] = []

    # ---- the cut

    def _cut(self, source: Source) -> Stage:
        """This rank's stage of the first chain of blocks, the slowest first, that can be cut."""
        inputs = source.batch(memory.longest(source, PROBED)).to(self.device).inputs
        found = [
            one for chain in chains(self.module) if (one := trace(self.module, chain, inputs, self.precision.forward()))
        ]
        found.sort(key=lambda one: -self.mesh.told([sum(one.seconds[1:-1])])[0])
        enough = [one for one in found if len(one.blocks) >= self.stages]
        if not enough:
            longest = max((len(one.blocks) for one in found), default=0)
            raise UserError(
                f"train.parallel: a pipeline of {self.stages} stages needs as many blocks that follow one another, and "
                f"the network has {longest}; give fewer stages."
            )
        for one in enough:
            firsts = split(self.mesh.told(one.seconds), self.stages)
            stage = Stage(self.module, one, firsts, self.number, self.device)
            if not self.mesh.any(not stage.right(inputs, self.precision.forward())):
                return stage
            stage.undo()
        raise UserError(
            "train.parallel: the network cannot be cut into a pipeline, as it is not one state that goes through "
            "blocks in order; take pipeline out."
        )

    def _all_train(self) -> None:
        trains = [
            any(one.requires_grad and number in self.stage.holders[name] for name, one in self.stage.parameters.items())
            for number in range(self.stages)
        ]
        if not all(trains):
            self.stage.undo()
            raise UserError(
                f"train.parallel: no weight of stage {trains.index(False)} of the pipeline is trained (from 0 on); "
                "let more of the network train, or give fewer stages."
            )

    def _share(self, plan: dict[str, str]) -> None:
        """What this stage holds is shared further: its matrices by the tensor ranks, its weights by the data ranks.
        The states that go from stage to stage are whole on every rank."""
        if plan:
            from melior.engine.parallel.tensor import share_matrices

            share_matrices(self.module, self.mesh, plan)
        if self.mesh.layout.sharded and self.mesh.ranks > 1:
            self.dealt = Dealt(self.stage.root, self.module, self.mesh)
            self.stage.hook()
        emptied(self.given, self.module)
        self.held = dict(self.module.named_parameters())

    @property
    def elsewhere(self) -> set[Tensor]:
        """Weights of this stage that an earlier one holds too, and counts."""
        return {one for name, one in self.held.items() if self.number in self.stage.holders[name][1:]}

    # ---- a step

    def gradients(self, batches: Sequence[Batch], share: float) -> tuple[list[Tensor], list[Tensor]]:
        """Adds the gradients of `share` times the sum of losses; sums and counts of each piece, on the last stage
        alone."""
        self.batches, self.found, self.share = [batch.to(self.device) for batch in batches], [], share
        self.last(False)
        numbers = torch.arange(len(batches))
        target = numbers if self.number == self.last_stage else None
        try:
            self._schedule().step(piece=numbers, target=target, return_outputs=False)
        except RuntimeError as error:
            if error.__cause__ is not None and memory.ran_out(error.__cause__):
                raise error.__cause__ from None
            raise
        finally:
            self.batches = []
        self._sum_shared()
        return [total for total, _ in self.found], [count for _, count in self.found]

    def piece(self, number: int, given: Tensor | None) -> Tensor:
        """A piece goes through this stage: flat states, and of the last one the scaled sum of losses."""
        batch = self.batches[number]

        def receive(state: Tensor) -> None:
            assert given is not None
            state.copy_(given[: state.numel()].view(state.shape))

        with self.precision.forward():
            out = self.stage.run(batch.inputs, receive if self.number else None)
        if self.number < self.last_stage:
            flat = out.reshape(-1)
            given_on = nn.functional.pad(flat, (0, self.room - flat.numel()))
        else:
            total, count = self.loss(out, batch)
            if batch.rows:
                self.found.append((total.detach(), count.detach()))
            given_on = total * (self.share if batch.rows else 0.0)
        if number == len(self.batches) - 1 and given_on.requires_grad:  # its backward pass is the last of the step
            given_on.register_hook(lambda gradient: self.last(True))  # type: ignore[no-untyped-call]
        return given_on

    def last(self, flag: bool) -> None:
        if self.dealt is not None:
            self.dealt.last(flag)

    def summed(self, gradients: Sequence[Tensor]) -> None:
        if self.dealt is None:  # else they were summed as they were dealt out
            super().summed(gradients)

    def changed(self) -> None:
        if self.dealt is not None:
            self.dealt.changed()

    def _schedule(self) -> Any:
        """Who sends what when, for pieces of these shapes. All ranks need a new one at the same steps, as what tells
        one from another is the same on all."""
        from torch.distributed import pipelining

        anew = False
        if self.dealt is not None:  # a pass gathers weights: where one data rank needs one, all of them make one
            unknown = not all(self.stage.knows(batch.inputs) for batch in self.batches)
            anew = bool(self.mesh.most(float(unknown), "data"))
        with self.precision.forward():
            sizes = [self.stage.sizes(batch.inputs, anew=anew) for batch in self.batches]
        come, go = ([one for one in states if one is not None] for states in zip(*sizes, strict=True))
        rooms = [max((one.numel() for one in states), default=0) for states in (come, go)]
        if self.stage.trace.alike:
            rooms = [_rounded(room) for room in rooms]
            key: Any = (len(sizes), max(rooms))
        else:
            key = tuple(tuple(one.shape for one in batch.inputs.values()) for batch in self.batches)
        self.room = rooms[1]
        if key in self.schedules:
            self.schedules[key] = self.schedules.pop(key)  # the one that was used last stands last
            return self.schedules[key]
        like = [
            torch.empty(room, dtype=states[0].dtype, device="meta", requires_grad=True) if states else torch.empty(0)
            for room, states in zip(rooms, (come, go), strict=True)
        ]
        stage = pipelining.PipelineStage(
            _Piece(self),
            self.number,
            self.stages,
            self.device,
            input_args=like[0],
            output_args=like[1],
            group=self.group,
        )
        # with fewer pieces than stages there is no steady state, and the two schedules are the same
        first_back = self.mesh.layout.schedule == "1f1b" and len(sizes) >= self.stages
        make = pipelining.Schedule1F1B if first_back else pipelining.ScheduleGPipe
        self.schedules[key] = make(stage, len(sizes), loss_fn=lambda loss, number: loss, scale_grads=False)
        while len(self.schedules) > KEPT:
            del self.schedules[next(iter(self.schedules))]
        return self.schedules[key]

    @torch.no_grad()
    def _sum_shared(self) -> None:
        """The gradient of a weight that several stages hold is the sum of theirs."""
        for name, one in self.held.items():
            first, *others = self.stage.holders[name]
            if not (others and one.requires_grad):
                continue
            one.grad = torch.zeros_like(one) if one.grad is None else one.grad.contiguous()
            grad = local(one.grad)  # of a weight that is dealt out all stages have the same part here
            if not grad.numel():
                continue
            if self.number != first:
                dist.send(grad, group=self.group, group_dst=first)
                dist.recv(grad, group=self.group, group_src=first)
                continue
            for other in others:
                more = torch.empty_like(grad)
                dist.recv(more, group=self.group, group_src=other)
                grad += more
            for other in others:
                dist.send(grad, group=self.group, group_dst=other)

    def gathered(self, step: int, found: dict[str, Any]) -> dict[str, Any]:
        """Each stage leaves what it found in the store that all ranks share, and the first puts it together. What a
        stage says of layers that only stand in there gives way to what an earlier one says."""
        if self.mesh.rank or self.mesh.share:
            return found
        store = dist.distributed_c10d._get_default_store()
        if self.number:
            store.set(f"layers/{step}/{self.number}", json.dumps(found))
            return found
        for stage in range(1, self.stages):
            more = json.loads(store.get(f"layers/{step}/{stage}"))
            store.delete_key(f"layers/{step}/{stage}")
            found = {
                part: {**lines, **{n: one for n, one in more[part].items() if n not in lines}}
                for part, lines in found.items()
            }
        return found

    # ---- without gradients

    def passing(self) -> nn.Module:
        return _Passing(self).train(self.module.training)

    # ---- in the end

    @torch.no_grad()
    def whole(self) -> None:
        put_whole(self.given, self.module, self.home)
        for name, one in self.stage.parameters.items():
            own = self.number in self.stage.holders[name]
            one.data = self._from(one if own else one.new_empty(self.shapes[name]), self.stage.holders[name][0])
        for name, buffer in self.stage.buffers.items():
            buffer.data = self._from(buffer, self.stage.owners[name])

    def _from(self, tensor: Tensor, stage: int) -> Tensor:
        """What a stage has of it, where the network came from; no more than one of them is whole on a device."""
        sent = tensor.detach().to(self.device).contiguous()
        dist.broadcast(sent, group=self.group, group_src=stage)
        return sent.to(self.home)


class _Piece(nn.Module):
    """This stage as torch.distributed.pipelining calls it."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, *given: Tensor, piece: Tensor) -> Tensor:
        return self.pipeline.piece(int(piece), given[0] if given else None)


class _Passing(nn.Module):
    """The whole network without gradients: called on all stages with the same inputs, gives its outputs on the last
    and Elsewhere on the others."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline, self.module = pipeline, pipeline.module

    def forward(self, **inputs: Tensor) -> Any:
        line = self.pipeline

        def receive(state: Tensor) -> None:
            given = torch.empty_like(state, memory_format=torch.contiguous_format)
            dist.recv(given, group=line.group, group_src=line.number - 1)
            state.copy_(given)

        out = line.stage.run(inputs, receive if line.number else None)
        if line.number == line.last_stage:
            return out
        dist.send(out.clone(memory_format=torch.contiguous_format), group=line.group, group_dst=line.number + 1)
        return Elsewhere()


def _rounded(size: int) -> int:
    """The next of PARTS sizes between two powers of two."""
    step = max(1, (1 << max(size, 1).bit_length() - 1) // PARTS)
    return -(-size // step) * step


def _rows_of_a_piece(most: int, settings: Training, mesh: Mesh) -> int:
    """most: rows of a step on one data rank. As many pieces as asked for, each of at most micro_batch rows."""
    pieces, asked = mesh.layout.pieces, settings.micro_batch
    if pieces is None and asked:
        return min(asked, most)
    each = -(-most // (pieces or A_STAGE * mesh.size("pipeline")))
    return min(each, asked or each)


def _refuse(module: nn.Module, settings: Training, mesh: Mesh, measured: bool) -> None:
    """What does not go together with a pipeline, by one sentence."""
    if settings.compile is True:
        raise UserError("compile: a pipeline runs the stages of a network as they are; set compile to false.")
    if measured:
        raise UserError("train.parallel: no rank of a pipeline has a whole network to measure; watch the loss.")
    if any(isinstance(one, nn.modules.batchnorm._BatchNorm) for one in module.modules()):
        raise UserError(
            "train.parallel: in a pipeline, batch normalisation would take its statistics over the few rows of a "
            "piece; give the network another normalization (layer, rms), or take pipeline out."
        )
