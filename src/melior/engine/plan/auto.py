"""`train.parallel: auto`, where a training is about to begin on several ranks."""

from torch import nn

from melior.engine.parallel.ranks import Ranks
from melior.engine.plan.layouts import choose
from melior.engine.plan.machine import cluster_here
from melior.engine.plan.measured import sizes_of
from melior.engine.problem import Loss, Source
from melior.engine.settings import Training
from melior.errors import UserError
from melior.layout import Layout


def chosen_here(
    module: nn.Module, source: Source, loss: Loss, settings: Training, ranks: Ranks
) -> tuple[Layout, tuple[str, ...]]:
    """The layout that the ranks take, and why. Every rank asks, for they measure the link between them; the first one
    chooses, since no two ranks measure the same, and all take what it says.

    UserError: so many ranks cannot share the rows of a step.
    """

    def choice() -> tuple[Layout, tuple[str, ...]]:
        sizes = sizes_of(module, source, settings)
        try:
            cluster = cluster_here(module, source, loss, settings, sizes, ranks.count)
            return choose(sizes, cluster)
        except ValueError as error:
            raise UserError(f"{error}.") from None

    layout, why = ranks.together(choice)
    first = ranks.told([layout.model_dump(mode="json"), list(why)])[0]
    return Layout(**first[0]), tuple(first[1])
