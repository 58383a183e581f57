"""The numbers that a plan needs of a network that is at hand: counted and measured, not assumed."""

from math import gcd
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from melior.engine import memory
from melior.engine.blocks import repeated
from melior.engine.device import Device, choose
from melior.engine.optimizers import inner_matrices
from melior.engine.plan.sizes import Part, Sizes, state_bytes, together
from melior.engine.precision import Precision
from melior.engine.problem import Batch, Rows, Source
from melior.engine.settings import Training
from melior.engine.surroundings import still

CPU_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch counts that of GPUs alone


def parts_of(module: nn.Module, settings: Training) -> tuple[Part, tuple[Part, ...], Part]:
    """(before, blocks, after): the weights of each, every one counted once; those outside of blocks stand before where
    the module names them before its first block. Without blocks all stand before."""
    inner = inner_matrices(module) if settings.optimizer == "muon" else set()
    blocks = repeated(module)
    where = {id(one): number for number, block in enumerate(blocks) for one in block.parameters()}
    shared = {id(one.weight) for block in blocks for one in block.modules() if isinstance(one, nn.Linear)}
    found: dict[int, list[Part]] = {}
    begun = False
    for weight in module.parameters():
        number = where.get(id(weight))
        begun = begun or number is not None
        place = number if number is not None else (len(blocks) if begun else -1)
        count, trained = weight.numel(), weight.requires_grad
        state = state_bytes(settings.optimizer, tuple(weight.shape), inner=weight in inner, momentum=settings.momentum)
        one = Part(
            trained=count if trained else 0,
            frozen=0 if trained else count,
            state=state if trained else 0,
            matrices=count if id(weight) in shared else 0,
        )
        found.setdefault(place, []).append(one)
    each = tuple(together(found.get(number, ())) for number in range(len(blocks)))
    return together(found.get(-1, ())), each, together(found.get(len(blocks), ())) if blocks else Part()


def heads_of(module: nn.Module) -> int:
    """The largest number of tensor ranks that can share the blocks: what divides the heads, or where nothing says how
    many there are, the outputs of each matrix. 0: none."""
    linear = [one for block in repeated(module) for one in block.modules() if isinstance(one, nn.Linear)]
    if not linear:
        return 0
    said = [
        getattr(one.config, key, None)
        for one in module.modules()
        if hasattr(one, "config")
        for key in ("num_attention_heads", "num_key_value_heads")
    ]
    heads = [one for one in said if isinstance(one, int)]
    return gcd(*(heads or [one.out_features for one in linear]))


def sizes_of(module: nn.Module, source: Source, settings: Training, device: Device | None = None) -> Sizes:
    """What a plan needs of this training. Activations are measured on the longest rows, work on one of mean length;
    the module stays where and as it is."""
    device = device or choose(settings, module)
    before, blocks, after = parts_of(module, settings)
    dtype = device.dtype
    here = next(module.parameters()).device
    one_row = typical(source)
    inputs = _without_labels(source.batch(one_row))
    counter = FlopCounterMode(display=False, custom_mapping={CPU_ATTENTION: _attention_flops})
    states: list[int] = []

    def look(_: nn.Module, given: Any, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        states.append(first.numel() if isinstance(first, Tensor) else 0)

    with still(module), torch.no_grad(), counter:
        hook = repeated(module)[0].register_forward_hook(look) if blocks else None
        out = module(**{name: one.to(here) for name, one in inputs.inputs.items()})
        if hook is not None:
            hook.remove()
    logits = out.numel() if isinstance(out, Tensor) and out.ndim == 3 else 0
    frozen = [one for one in module.parameters() if not one.requires_grad]
    count = sum(one.numel() for one in frozen)
    return Sizes(
        blocks=blocks,
        before=before,
        after=after,
        rows=min(settings.batch_rows, len(source)),
        row_flops=float(counter.get_total_flops()),
        row_activations=_activations(module, source, dtype, here),
        row_states=float(states[0]) if states else 0.0,
        row_logits=float(logits),
        tokens=float(inputs.tokens + inputs.padding),
        heads=heads_of(module),
        micro_batch=settings.micro_batch,
        cast=dtype.itemsize,
        frozen_bytes=sum(one.nbytes for one in frozen) / count if count else 4.0,
        checkpointing=settings.activation_checkpointing,
        average=settings.average > 0,
        tied=_tied(module, settings) if blocks else Part(),
        whole_matrices=settings.optimizer == "adafactor",
    )


def _tied(module: nn.Module, settings: Training) -> Part:
    """Weights outside of blocks that several modules have in common."""
    inside = {id(one) for block in repeated(module) for one in block.parameters()}
    seen: dict[int, int] = {}
    for one in module.modules():
        for weight in one.parameters(recurse=False):
            seen[id(weight)] = seen.get(id(weight), 0) + 1
    parts = []
    for weight in module.parameters():
        if seen[id(weight)] > 1 and id(weight) not in inside:
            state = state_bytes(settings.optimizer, tuple(weight.shape), inner=False, momentum=settings.momentum)
            trained = weight.numel() if weight.requires_grad else 0
            parts.append(Part(trained, weight.numel() - trained, state if trained else 0))
    return together(parts)


def _attention_flops(query: Any, key: Any, value: Any, *given: Any, out_shape: Any = None, **named: Any) -> int:
    """Of two products: (time, width) with (width, time), and (time, time) with (time, width), for each row and head."""
    rows, heads, time, width = query
    return int(2 * rows * heads * time * key[2] * (width + value[3]))


def typical(source: Source) -> Rows:
    """The number of a row of mean length."""
    if source.lengths is None:
        return np.zeros(1, dtype=np.int64)
    return np.array([np.argmin(np.abs(source.lengths - source.lengths.mean()))])


def _without_labels(batch: Batch) -> Batch:
    """Without the labels that a language model takes to make its loss itself: it then gives its logits, whose memory a
    plan counts apart."""
    return Batch({name: one for name, one in batch.inputs.items() if name != "labels"}, batch.labels, batch.weights,
                 batch.rows, batch.tokens, batch.padding)  # fmt: skip


def _activations(module: nn.Module, source: Source, dtype: torch.dtype, here: torch.device) -> float:
    """Bytes that one of the longest rows keeps: what a second one adds, since casts of weights are kept once."""
    with Precision(Device(here, dtype, "")).forward():
        kept = [
            memory.saved_bytes(module, _without_labels(source.batch(memory.longest(source, rows))).to(here))
            for rows in (1, 2)
        ]
    return float(kept[1] - kept[0] if len(source) > 1 and kept[1] > kept[0] else kept[0])
