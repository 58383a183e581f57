"""What became of each part of a goal: its metric, its conditions and its limits, on the sealed rows."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Table
from melior.improvement.confirm import answers_of
from melior.improvement.improvement import Aim
from melior.metrics import Interval, Metric, bootstrap
from melior.metrics.goals import Goal
from melior.predictor import Predictor
from melior.recipe import Limits, Recipe
from melior.trials.cost import UNITS, Cost, cost_of


def aims_of(
    measure: Metric,
    recipe: Recipe,
    truth: Floats,
    sealed: Table,
    plain: Predictor,
    final: Predictor,
    groups: NDArray[np.int64] | None,
) -> tuple[Aim, ...]:
    """None where the goal is one metric and nothing else."""
    found: list[Aim] = []
    if isinstance(measure, Goal):

        def scored(predictor: Predictor) -> dict[str, Interval]:
            return bootstrap(measure.metrics, answers_of(predictor, sealed, truth), seed=recipe.seed, groups=groups)

        before, after = _both(scored, plain, final)
        name = measure.objective.name
        found.append(Aim(name, before[name], after[name]))
        for condition in measure.conditions:
            name, at_most = condition.metric.name, not condition.metric.greater_is_better
            found.append(Aim(name, before[name], after[name], condition.bound, at_most))
    if recipe.limits != Limits():
        was, now = _both(lambda predictor: cost_of(predictor, sealed), plain, final)
        for name, unit in UNITS.items():
            bound = getattr(recipe.limits, name)
            if bound is not None:
                found.append(Aim(name, _exact(was, name), _exact(now, name), bound, at_most=True, unit=unit))
    return tuple(found)


T = TypeVar("T")


def _both(of: Callable[[Predictor], T], plain: Predictor, final: Predictor) -> tuple[T, T]:
    before = of(plain)
    return before, before if final is plain else of(final)


def _exact(cost: Cost, name: str) -> Interval:
    value = float(getattr(cost, name))
    return Interval(value, value, value)
