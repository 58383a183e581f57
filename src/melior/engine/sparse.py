"""Tables of vectors of which a step reaches a few rows: gradients of these rows alone, and steps of them alone.

With a dense gradient every step writes the whole table, twice for the moments and once for the weights, however few
rows of it were looked up. Here the work of a step follows the rows that it holds.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from melior.engine.parallel.mesh import Mesh
from melior.engine.settings import Training
from melior.errors import UserError

OPTIMIZERS = ("adamw", "muon")  # those that leave a table to steps of its rows; decay stands beside the gradient there
SMALLEST = 1e-3  # the common factor of a table is put into its rows when it is below this


class SparseEmbedding(nn.Embedding):
    """An embedding whose gradient holds the rows that were looked up and no others.

    weight  (rows, width)
    size    (), a factor that all rows have in common: the vector of a row is size * weight[row]. So weight decay of
            all rows is one multiplication (Shalev-Shwartz et al., Pegasos, ICML 2007, for a vector of weights)

    The gradient that `weight` gets is that of the vectors as they are used, so that norms and cuts of gradients are the
    same as with a dense table.
    """

    size: Tensor

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, sparse=True)
        self.register_buffer("size", torch.ones(()))

    def forward(self, codes: Tensor) -> Tensor:
        kept = embedding(codes, self.weight, sparse=True)
        if not self.training:
            return kept * self.size
        return (kept * self.size).detach() + (kept - kept.detach())  # the value of one, the gradient of the other


class RowAdam(torch.optim.Optimizer):
    """AdamW for tables with sparse gradients: each row has an Adam of its own, over the steps that hold it.

    A row that n of t steps held moves by rate sqrt(t / n) m / sqrt(v), with the moments m and v of these n steps, put
    right for their start; it stands still in the others. With dense gradients v is the mean over all steps, those with
    a slope of 0 among them, n / t as large, and a row goes on moving until its m has faded: in all as far. Without the
    root rare rows would hardly move. t / n is taken to be at most 1 / (1 - second moment), the steps that v remembers.
    Where every step holds a row this is AdamW. Weight decay is that of AdamW: each step takes its share from all rows.

    Kingma and Ba, Adam, ICLR 2015; Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(
        self, tables: Iterable[SparseEmbedding], *, lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        self.tables = list(tables)
        super().__init__([one.weight for one in self.tables], {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        first, second = group["betas"]
        for table in self.tables:
            weight, grad = table.weight, table.weight.grad
            shrink(table, 1 - group["lr"] * group["weight_decay"])
            state = self.state[weight]
            if not state:
                state["taken"] = torch.zeros((), dtype=torch.int64)
                state["steps"] = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
                state["mean"] = torch.zeros_like(weight)
                state["square"] = torch.zeros_like(weight)
            state["taken"] += 1
            if grad is None:
                continue
            grad = grad.coalesce()
            rows, slope = grad.indices()[0], grad.values()  # (reached,), (reached, width)
            steps = state["steps"][rows] + 1
            mean = torch.lerp(state["mean"][rows], slope, 1 - first)
            square = torch.lerp(state["square"][rows], slope * slope, 1 - second)
            state["steps"][rows], state["mean"][rows], state["square"][rows] = steps, mean, square
            count = steps.double()[:, None]
            mean_of, square_of = (1 - first**count).to(mean.dtype), (1 - second**count).to(mean.dtype)
            way = mean / mean_of / ((square / square_of).sqrt() + 1e-8)
            seldom = (float(state["taken"]) / count).clamp(max=1 / (1 - second)).sqrt().to(mean.dtype)
            weight[rows] -= way * (group["lr"] * seldom / table.size)


@torch.no_grad()
def shrink(table: SparseEmbedding, factor: float) -> None:
    """Multiplies all vectors of a table by a factor."""
    if factor == 1:
        return
    size = float(table.size) * factor
    if size < SMALLEST:  # seldom: now the rows themselves are multiplied
        table.weight.mul_(size)
        size = 1.0
    table.size.fill_(size)


def tables_of(module: nn.Module) -> list[SparseEmbedding]:
    """The tables with sparse gradients that are trained."""
    return [one for one in module.modules() if isinstance(one, SparseEmbedding) and one.weight.requires_grad]


def values_of(gradient: Tensor) -> Tensor:
    """What a gradient holds, each row once, as a dense tensor; of one that holds each row once already it is the
    gradient's own, and changing it changes the gradient."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def check(module: nn.Module, settings: Training, mesh: Mesh) -> None:
    """Refuses what would make a step write the whole table after all, or would not be exact."""
    if not tables_of(module):
        return
    why = ""
    if mesh.world > 1:
        why = "their gradients cannot be summed over several processes: train in one, or without sparse gradients"
    elif settings.optimizer not in OPTIMIZERS:
        why = f"{settings.optimizer} changes every row at every step: use {' or '.join(OPTIMIZERS)}"
    elif settings.l1:
        why = "an l1 penalty changes every row at every step: set l1 to 0; weight_decay can be used"
    elif settings.average:
        why = "a moving average changes every row at every step: set average to 0"
    if why:
        raise UserError(f"the network has tables with sparse gradients, and {why}.")
