"""A paired trial of families of models: each on the same folds of the same rows, and which of them is to be taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melior.data.splits import Fold
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.metrics import Metric
from melior.progress import Progress, numbered
from melior.recipe import Recipe
from melior.trials.executors._base import Executor
from melior.trials.judge import Scored, compare
from melior.trials.run import Trials

SAME = 0.01  # of the metric; a cheaper family that is as good to within this is taken, unless it is provably worse


@dataclass(frozen=True)
class Trial:
    """What each recipe gave, by the name of its family and of what it begins with.

    truth       (rows, classes) label weights that scores are taken against
    scores      values of the metric
    seconds     of a fold, on average; quickest: of the fold that was least disturbed by others
    impossible  why a recipe cannot be had on the rows of a fold; such recipes are in none of the others
    """

    metric: Metric
    truth: Floats
    scored: dict[str, Scored]
    scores: dict[str, float]
    seconds: dict[str, float]
    quickest: dict[str, float]
    impossible: dict[str, str]

    def lead(self, one: str, other: str) -> float:
        """By how much one is better than the other; below 0 where it is worse."""
        sign = 1 if self.metric.greater_is_better else -1
        return sign * (self.scores[one] - self.scores[other])

    def best(
        self,
        among: Sequence[str],
        *,
        groups: NDArray[np.int64] | None = None,
        seed: int = 0,
        cheaper: bool = False,
    ) -> str:
        """The name with the best score. among: the cheapest first; cheaper: one before it that is as good to within a
        hundredth is taken instead, unless it is provably worse."""
        best = among[0]
        for name in among:
            best = name if self.lead(name, best) > 0 else best
        for other in among[: among.index(best)] if cheaper else ():
            judged = compare(self.metric, self.truth, self.scored[other], [self.scored[best]], groups=groups, seed=seed)
            if judged[0].verdict != "accepted" and abs(self.lead(best, other)) < SAME:
                return other
        return best

    def said(self) -> str:
        return ", ".join(f"{name} {value:.3f}" for name, value in self.scores.items())


def run_trial(
    sample: Table,
    truth: Floats,
    measure: Metric,
    recipes: dict[str, Recipe],
    dealt: Sequence[Fold],
    *,
    told: str,
    plain: Recipe,
    progress: Progress,
    workers: int = 0,
    store: Path | None = None,
    executor: Executor | None = None,
) -> Trial:
    """Fits every recipe on every fold. told: what the progress calls it; plain: a recipe with the methods of those that
    must be possible: an impossible one of these is an error, any other is left out."""
    trials = Trials(sample, list(dealt), workers=workers, store=store, executor=executor)
    asked = [(recipe, fold) for recipe in recipes.values() for fold in range(len(dealt))]
    one_more = numbered(progress, told, len(asked))
    impossible = dict[str, str]()

    def refused(one: Recipe, error: UserError) -> None:
        if one.methods == plain.methods:
            raise error
        impossible[next(name for name, each in recipes.items() if each is one)] = str(error)

    results = trials.many(asked, done=lambda recipe, fold, result: one_more(recipe.model.name), refused=refused)
    scored, scores, seconds, quickest = {}, {}, {}, {}
    for number, name in enumerate(recipes):
        if name in impossible:
            continue
        own = [result for result in results[number * len(dealt) : (number + 1) * len(dealt)] if result is not None]
        joined = Scored(
            np.concatenate([result.rows for result in own]),
            np.concatenate([result.scores for result in own]),
            np.concatenate([result.answers for result in own]),
            np.concatenate([np.full(len(result.rows), fold) for fold, result in enumerate(own)]),
        )
        scored[name] = joined
        scores[name] = measure.measure(truth[joined.rows], joined.scores, joined.answers)
        seconds[name] = float(np.mean([result.seconds for result in own]))
        quickest[name] = min(result.seconds for result in own)
    return Trial(measure, truth, scored, scores, seconds, quickest, impossible)
