"""A module spread over the ranks of a mesh: copies that sum their gradients, shards, shares of every matrix.

The engine trains `Spread.module` and calls `Spread.forward`; at the end `Spread.whole` puts the trained weights into
the module that the caller gave, on every rank, so that what comes after knows nothing of ranks.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from melior.engine.blocks import repeated
from melior.engine.parallel.batch_norms import own_statistics, shared_statistics
from melior.engine.parallel.mesh import Mesh

BUCKET = 25 * 2**20  # bytes that go through one collective; DDP's own default


class Spread:
    """One process: the module as it is."""

    staged = False  # whether this rank has some of the layers alone: see pipeline.py
    passes_alone = True  # whether a forward pass without gradients needs no other rank

    def __init__(self, module: nn.Module, mesh: Mesh) -> None:
        self.given, self.module, self.mesh = module, module, mesh
        self.home = next((one.device for one in module.parameters()), torch.device("cpu"))
        self.forward: Callable[..., Any] = module
        self.batch_norms: list[Any] = []  # those that take their statistics over all ranks

    def last(self, flag: bool) -> None:
        """Whether the backward pass to come is the last of its step: only then gradients go over the network."""

    def summed(self, gradients: Sequence[Tensor]) -> None:
        """After the last backward pass: gradients are the sums over the data ranks."""

    def counts(self, flag: bool) -> None:
        """Whether the batch to come holds rows of this rank, or only stands in where it has none."""
        for one in self.batch_norms:
            one.counts_rows = flag

    @property
    def elsewhere(self) -> set[Tensor]:
        """Weights of this rank that another stage holds too, and counts."""
        return set()

    def gathered(self, step: int, found: dict[str, Any]) -> dict[str, Any]:
        """What `Layers.after` found, of all layers, on the first rank."""
        return found

    def passing(self) -> nn.Module:
        """What gives the outputs of the network, without gradients."""
        return self.module

    def changed(self) -> None:
        """What was gathered of weights that are dealt out is let go: after a forward pass without a backward pass, and
        before and after weights are changed by something else than a step of the optimiser."""

    def whole(self) -> None:
        """Puts the weights as they are now into the module that was given, where it came from."""


class Copies(Spread):
    """Every data rank has all weights; gradients are summed in the backward pass, bucket by bucket (DDP; Li et al.,
    PyTorch Distributed, VLDB 2020)."""

    def __init__(self, module: nn.Module, mesh: Mesh, device: torch.device) -> None:
        super().__init__(module, mesh)
        from torch.nn.parallel import DistributedDataParallel

        group = mesh.along("data")
        # weights that no row of a step reaches have no gradient on that rank; without looking for them it would wait
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a name that is to change
            self.copies = DistributedDataParallel(
                module,
                device_ids=[device] if device.type == "cuda" else None,
                process_group=group,
                broadcast_buffers=False,
                find_unused_parameters=True,
                gradient_as_bucket_view=True,
            )
        self.copies.register_comm_hook(group, _sum)
        self.forward = self.copies

    def last(self, flag: bool) -> None:
        self.copies.require_backward_grad_sync = flag

    def whole(self) -> None:
        own_statistics(self.given)


def _sum(group: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
    """The sum of a bucket over the ranks; DDP's own would be the mean, and the mean of means is wrong."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert work is not None
    found: torch.futures.Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return found


class Summed(Spread):
    """Copies of what this rank holds of a pipeline or of each matrix: its gradients are summed over the data ranks
    after the backward pass."""

    passes_alone = False

    def summed(self, gradients: Sequence[Tensor]) -> None:
        if self.mesh.ranks == 1:
            return
        group, pieces = self.mesh.along("data"), [local(one) for one in gradients]
        while pieces:
            bucket: list[Tensor] = []
            size = 0
            while pieces and (not bucket or (size < BUCKET and pieces[0].dtype == bucket[0].dtype)):
                bucket.append(pieces.pop(0))
                size += bucket[-1].nbytes
            flat = torch.cat([one.reshape(-1) for one in bucket])
            dist.all_reduce(flat, group=group)
            for one, sum_of_it in zip(bucket, torch.split(flat, [one.numel() for one in bucket]), strict=True):
                one.copy_(sum_of_it.view_as(one))

    def whole(self) -> None:
        put_whole(self.given, self.module, self.home)


class Dealt:
    """The weights of a module, dealt out over the data ranks in place: those of each block, and those that stand
    outside of blocks. root: what is called, and has the module inside, or is the module."""

    def __init__(self, root: nn.Module, module: nn.Module, mesh: Mesh) -> None:
        from torch.distributed.fsdp import FSDPModule, fully_shard

        assert mesh.axes is not None
        blocks = [block for block in repeated(module) if any(True for _ in block.parameters())]
        for one in (*blocks, root):  # to the device, dealt out and freed: no more than one of them is ever whole there
            whole = list(one.parameters())
            fully_shard(one, mesh=mesh.axes["data"])
            freed(whole, root)
        self.parts = [one for one in root.modules() if isinstance(one, FSDPModule)]
        for one in self.parts:
            one.set_gradient_divide_factor(1.0)  # sums, see Mesh
            one.set_force_sum_reduction_for_comms(True)
        assert isinstance(root, FSDPModule)
        self.root = root

    def last(self, flag: bool) -> None:
        """See `Spread.last`."""
        self.root.set_requires_gradient_sync(flag)
        self.root.set_is_last_backward(flag)

    def changed(self) -> None:
        """See `Spread.changed`."""
        for one in self.parts:
            one.reshard()  # a forward pass without a backward pass leaves the outermost gathered


class Shards(Spread):
    """Weights, gradients and the optimiser's state dealt out over the data ranks (FSDP2)."""

    passes_alone = False

    def __init__(self, given: nn.Module, module: nn.Module, mesh: Mesh) -> None:
        super().__init__(given, mesh)
        self.module, self.forward = module, module
        self.dealt = Dealt(module, module, mesh)

    def last(self, flag: bool) -> None:
        self.dealt.last(flag)

    def changed(self) -> None:
        self.dealt.changed()

    def whole(self) -> None:
        put_whole(self.given, self.module, self.home)


def spread(module: nn.Module, mesh: Mesh, device: torch.device) -> Spread:
    """The module under the mesh's layout, on the device; pipelines apart (see pipeline.py). What is dealt out goes
    there part by part, so that a network that does not fit on a device never has to."""
    layout = mesh.layout
    if mesh.alone or mesh.world == 1 or layout.local_steps:
        return Spread(module.to(device), mesh)
    if not layout.sharded and layout.tensor == 1:
        module.to(device)
        norms = shared_statistics(module, mesh)
        copies = Copies(module, mesh, device)
        copies.batch_norms = norms
        return copies
    work = same_weights(module)
    norms = shared_statistics(work, mesh)
    if layout.tensor > 1:
        from melior.engine.parallel.tensor import plan_of, share_matrices

        share_matrices(work, mesh, plan_of(work, layout.tensor))
    if layout.sharded and mesh.ranks > 1:
        made: Spread = Shards(module, work, mesh)
    else:
        made = Summed(module, mesh)
        made.module, made.forward = work, work
    made.batch_norms = norms
    emptied(module, work)
    for one in (*work.parameters(), *work.buffers()):
        if not isinstance(one, DTensor):  # what was dealt out is there
            one.data = one.data.to(device)
    return made


def same_weights(module: nn.Module) -> nn.Module:
    """A copy of the modules around the same parameters and buffers: what is done to the copy's leaves the other be."""
    kept = {id(one): one for one in (*module.parameters(), *module.buffers())}
    return deepcopy(module, dict(kept))


def emptied(given: nn.Module, work: nn.Module) -> None:
    """Frees the weights of `given` that `work` holds in another form."""
    freed(given.parameters(), work)


def freed(weights: Iterable[Tensor], work: nn.Module) -> None:
    """Frees those of these weights that `work` no longer has."""
    used = {id(one) for one in (*work.parameters(), *work.buffers())}
    for one in weights:
        if id(one) not in used:
            one.data = one.data.new_empty(0)


@torch.no_grad()
def put_whole(given: nn.Module, work: nn.Module, home: torch.device) -> None:
    """Gathers one weight after the other and puts it where the module came from."""
    held = dict(work.named_parameters())
    for name, one in given.named_parameters():
        if name in held and held[name] is not one:
            one.data = full(held[name]).detach().to(home, copy=True)
    for name, buffer in work.named_buffers():
        given.get_buffer(name).data = full(buffer).detach().to(home, copy=True)


def full(tensor: Tensor) -> Tensor:
    """All of a tensor that is dealt out over ranks; a collective there."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """What this rank holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
