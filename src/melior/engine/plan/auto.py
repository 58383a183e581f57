"""`train.parallel: auto`, where a training is about to begin on several ranks."""

from torch import nn

from melior.engine.parallel.ranks import Ranks
from melior.engine.plan.layouts import choose, considered, gib
from melior.engine.plan.machine import cluster_here
from melior.engine.plan.measured import sizes_of
from melior.engine.plan.sizes import Cluster, Sizes
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
            layout, why = choose(sizes, cluster)
            deals_out = layout.sharded or layout.tensor > 1
            return _whole(sizes, cluster) if settings.optimizer == "adafactor" and deals_out else (layout, why)
        except ValueError as error:
            raise UserError(f"{error}.") from None

    layout, why = ranks.together(choice)
    first = ranks.told([layout.model_dump(mode="json"), list(why)])[0]
    return Layout(**first[0]), tuple(first[1])


def _whole(sizes: Sizes, cluster: Cluster) -> tuple[Layout, tuple[str, ...]]:
    """The best of the layouts that leave matrices whole: the fastest that fits, else what needs the least memory."""
    plans = [one for rung in considered(sizes, cluster) for one in rung]
    plans = [one for one in plans if not one.layout.sharded and one.layout.tensor == 1]
    if not plans:
        raise ValueError(f"adafactor needs whole matrices, and {cluster.ranks} ranks can only share them")
    best = min(plans, key=lambda one: (not one.fits, one.seconds.step if one.fits else one.bytes))
    return best.layout, (
        f"adafactor needs whole matrices, so no shards and no tensor ranks: {best.layout} needs {gib(best.bytes)} a "
        f"rank and {'fits' if best.fits else 'does not fit, and nothing else needs less'}.",
    )
