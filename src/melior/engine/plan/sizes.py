"""What a plan on paper needs to know: of a network and its training (`Sizes`), and of what it trains on (`Cluster`).

Plain numbers and no torch: a plan can be made for machines that are not there (see layouts.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

FLOAT = 4  # bytes of a number in weights, gradients and the optimiser: float32
# bytes that an optimiser keeps for each trained weight (see state_bytes for the exact figure of a shape)
STATE = {"sgd": 4.0, "adam": 8.0, "adamw": 8.0, "rmsprop": 4.0, "adafactor": 0.0, "muon": 4.0}


@dataclass(frozen=True)
class Part:
    """Weights that belong together: a block, or what stands outside of all blocks.

    trained, frozen  numbers of them
    state            bytes that the optimiser keeps for them
    matrices         how many of them stand in matrices that tensor ranks share
    """

    trained: float = 0
    frozen: float = 0
    state: float = 0
    matrices: float = 0

    @property
    def all(self) -> float:
        return self.trained + self.frozen

    def share(self, ranks: int) -> "Part":
        """What one of so many tensor ranks holds: its share of the matrices, and all of the rest."""
        if ranks == 1 or not self.all:
            return self
        given = 1 - 1 / ranks
        frozen = min(self.matrices, self.frozen)  # in a block with both, what is trained stands beside frozen matrices
        trained = self.trained - (self.matrices - frozen) * given
        state = self.state * trained / self.trained if self.trained else 0.0
        return Part(trained, self.frozen - frozen * given, state, self.matrices / ranks)


def together(parts: Iterable[Part]) -> Part:
    total = Part()
    for one in parts:
        total = Part(total.trained + one.trained, total.frozen + one.frozen, total.state + one.state,
                     total.matrices + one.matrices)  # fmt: skip
    return total


@dataclass(frozen=True)
class Sizes:
    """A network and how it is trained.

    blocks           repeated ones in order: what is gathered at once, and what a pipeline cuts between
    before, after    what stands before the first and behind the last of them
    tied             of `before`: what is used behind the last of them too (token vectors that are the output layer)
    rows             of a step, over all ranks
    row_flops        floating-point operations of the forward pass of a row; a multiplication with its addition is two
    row_activations  bytes that a row keeps for the backward pass
    row_states       numbers of a row that go from block to block: tokens x width
    row_logits       logits of a row that are made beside the activations (language models make them in pieces)
    tokens           of a row
    heads            that tensor ranks share; 0: they cannot share this network
    micro_batch      rows at once; None: as many as fit
    cast             bytes of a number in products: 2 under autocast, whose copies of matrices live through a pass
    frozen_bytes     of a frozen weight
    checkpointing    blocks are computed again in the backward pass
    average          a moving average of the weights is kept
    whole_matrices   no matrix may be dealt out to several ranks: the optimiser looks at whole ones (adafactor)
    """

    blocks: tuple[Part, ...]
    before: Part
    after: Part
    rows: int
    row_flops: float
    row_activations: float
    row_states: float = 0.0
    row_logits: float = 0.0
    tokens: float = 1.0
    heads: int = 0
    micro_batch: int | None = None
    cast: int = FLOAT
    frozen_bytes: float = FLOAT
    checkpointing: bool = False
    average: bool = False
    tied: Part = Part()
    whole_matrices: bool = False

    @cached_property
    def weights(self) -> Part:
        return together((self.before, *self.blocks, self.after))

    @property
    def passes(self) -> float:
        """Work of a step over that of its forward pass: backward passes cost one more for the gradients of what goes
        through and one for those of the trained weights, checkpointing one more forward pass. With every weight trained
        it is 3 (Kaplan et al., Scaling Laws, 2020: 6 N D operations for N weights and D tokens), or 4."""
        return self.passes_plain + self.checkpointing

    @property
    def passes_plain(self) -> float:
        """The same without checkpointing."""
        whole = self.weights
        return 2 + (whole.trained / whole.all if whole.all else 1.0)


@dataclass(frozen=True)
class Cluster:
    """What there is to train on.

    ranks            devices, or processes where there is no GPU
    per_machine      of them on one machine
    memory           bytes that each has
    flops            operations a second that each reaches, not those on its data sheet
    within           bytes a second from one rank to others of its machine, one way
    between          bytes a second out of one machine, one way, for all its ranks together
    latency, latency_between  seconds of a message within and between machines
    memory_speed     bytes a second between a device and its memory
    overhead         seconds of a micro-batch whatever its rows: launches, Python
    overlap          share of the sending that can go on behind computing: 1 on GPUs, 0 where the same cores do both
    assumed          sentences on what of this was assumed and not measured
    """

    ranks: int
    per_machine: int
    memory: float
    flops: float
    within: float
    between: float
    latency: float = 1e-5
    latency_between: float = 3e-5
    memory_speed: float = 1e12
    overhead: float = 0.0
    overlap: float = 1.0
    assumed: tuple[str, ...] = ()

    @property
    def machines(self) -> int:
        return -(-self.ranks // self.per_machine)

    def of(self, ranks: int) -> "Cluster":
        """The same with another number of ranks."""
        return replace(self, ranks=ranks)


def state_bytes(optimizer: str, shape: tuple[int, ...], *, inner: bool = True, momentum: float = 0.9) -> int:
    """Bytes that torch's optimiser keeps for a weight of this shape; counts of steps are 4.

    inner  a matrix inside, which muon steps itself; it leaves the rest to adamw (see optimizers.py)

    >>> state_bytes("adamw", (10, 20))
    1604
    """
    size = FLOAT * prod(shape)
    match optimizer:
        case "sgd":
            return size if momentum else 0
        case "muon" if inner and len(shape) == 2:
            return size
        case "rmsprop":
            return size + FLOAT
        case "adafactor" if len(shape) > 1:  # a mean for each row and column (Shazeer and Stern, ICML 2018)
            return FLOAT * (prod(shape[:-1]) + prod(shape[:-2]) * shape[-1] + 1)
        case "adafactor":
            return size + FLOAT
    return 2 * size + FLOAT


def layer_activations(
    tokens: int, width: int, heads: int, inner: int | None = None, *, gated: bool = False, fused: bool = True,
    number: int = 2,
) -> float:  # fmt: skip
    """Bytes that a row keeps for the backward pass in a layer of a transformer.

    tokens x width x (34 + 5 heads tokens / width) with two bytes a number and four widths inside: Korthikanti et al.,
    Reducing Activation Recomputation in Large Transformer Models, 2022, eq. 1: 11 for attention, 19 for the layers
    behind it, 4 for norms. gated: two matrices into the inner width, four numbers kept of each unit, no dropout. fused:
    attention that keeps no weights of pairs of tokens (Dao et al., FlashAttention, 2022), so without the second term.

    >>> layer_activations(2048, 12288, 96, fused=False) / (2048 * 12288)
    114.0
    """
    inner = 4 * width if inner is None else inner
    numbers = 8 * width + (4 if gated else 2) * inner  # 5 width for attention, 2 for norms, 1 into the layers behind
    masks = 0 if gated else 2 * width  # of dropout, one byte each
    pairs = 0 if fused else 5 * heads * tokens
    return float(tokens * (numbers * number + masks + pairs))


def transformer(
    *, layers: int, width: int, heads: int, vocabulary: int, tokens: int, rows: int, inner: int | None = None,
    kv_heads: int | None = None, gated: bool = False, tied: bool = False, optimizer: str = "adamw", cast: int = 2,
    **more: object,
) -> Sizes:  # fmt: skip
    """The sizes of a causal model from the figures on its card. Biases are left out. more: other fields of Sizes.

    >>> transformer(layers=1, width=8, heads=2, vocabulary=10, tokens=4, rows=1, tied=True).weights.all
    872
    """
    inner, kv_heads = inner or 4 * width, kv_heads or heads
    matrices = 2 * width * width + 2 * width * (width // heads) * kv_heads + (3 if gated else 2) * width * inner
    state = STATE[optimizer]

    def part(numbers: int, shared: int = 0) -> Part:
        return Part(trained=numbers, state=state * numbers, matrices=shared)

    flops = layers * (2 * tokens * matrices + 4 * tokens**2 * width) + 2 * tokens * width * vocabulary
    return Sizes(
        blocks=(part(matrices + 2 * width, matrices),) * layers,
        before=part(vocabulary * width),
        after=part(width + (0 if tied else vocabulary * width)),
        tied=part(vocabulary * width) if tied else Part(),
        rows=rows,
        row_flops=flops,
        row_activations=layers * layer_activations(tokens, width, heads, inner, gated=gated, number=cast),
        row_states=tokens * width,
        row_logits=tokens * vocabulary,
        tokens=tokens,
        heads=min(heads, kv_heads) if heads % kv_heads == 0 else 1,
        cast=cast,
        **more,  # type: ignore[arg-type]
    )
