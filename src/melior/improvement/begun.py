"""What a recipe that begins with a method would be without it: told of the sealed rows, and nothing is chosen by it."""

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Table
from melior.improvement.confirm import confirm
from melior.metrics import Metric
from melior.models._base import resolve
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import fit
from melior.trials.threads import cores


def worth_of_beginning(
    recipe: Recipe,
    development: Table,
    sealed: Table,
    truth: Floats,
    plain: Predictor,
    measure: Metric,
    groups: NDArray[np.int64] | None = None,
) -> str:
    """A sentence on what the methods of a recipe that `choose_family` gave bring on the sealed rows; empty where a
    network would have to be trained for it.

    plain: the predictor of the recipe on the development rows; truth: label weights of the sealed rows
    """
    if resolve(recipe.model).is_network:
        return ""
    without = fit(recipe.model_copy(update={"methods": ()}), development, threads=cores())
    _, _, gain = confirm(measure, truth, sealed, without, plain, recipe.seed, groups)
    return f"On the sealed rows it brings {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] in {measure.name}"
