"""What a recipe that begins with a method would be without it: told of the sealed rows, and nothing is chosen by it."""

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Table
from melior.metrics import Metric, Predictions, paired_difference
from melior.models._base import resolve
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import fit
from melior.trials.threads import cores, one_thread_each


def beside_none(
    begins: str,
    recipe: Recipe,
    development: Table,
    sealed: Table,
    truth: Floats,
    plain: Predictor,
    measure: Metric,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> str:
    """`begins` with what its method is worth on the sealed rows; as it is where it is empty, or a network would have to
    be trained for it.

    plain: the predictor of the recipe on the development rows; truth: label weights of the sealed rows
    """
    if not begins or resolve(recipe.model).is_network:
        return begins
    with one_thread_each():
        without = fit(recipe.model_copy(update={"methods": ()}), development, threads=cores())
        before, after = _answers(without, sealed, truth), _answers(plain, sealed, truth)
    gain = paired_difference(measure, before, after, seed=seed, groups=groups)
    said = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] in {measure.name}"
    return f"{begins}. On the sealed rows it brings {said}"


def _answers(predictor: Predictor, sealed: Table, truth: Floats) -> Predictions:
    scores = predictor.scores(sealed)
    return Predictions(truth, scores, predictor.decided(scores))
