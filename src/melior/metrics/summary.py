"""All metrics at once, each with its interval: what a report shows of one model."""

from collections.abc import Sequence

from numpy.typing import ArrayLike

from melior.metrics._base import Predictions
from melior.metrics.intervals import Interval, bootstrap
from melior.metrics.registry import metric, names

WORK = 400_000_000  # rows x classes x resamples that rank metrics may cost: some ten seconds on one core


def all_scores(
    predictions: Predictions,
    classes: Sequence[str],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Every metric, overall and of each class, with its interval, by name.

    Metrics of scores are left out where there are none. On large tables the metrics of scores are resampled less often
    (never below 400 times), so that the whole stays within about ten seconds for a million rows times classes.

    >>> predictions = Predictions.of([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    >>> print(all_scores(predictions, ["no", "yes"])["recall[yes]"])
    0.500 [0.095, 0.905]
    """
    several = predictions.multilabel
    every = [metric(name, classes, multilabel=several) for name in names(classes, multilabel=several)]
    answers = [one for one in every if one.needs == "answers"]
    scores = [one for one in every if one.needs == "scores"] if predictions.scores is not None else []
    fewer = WORK // max(1, predictions.rows * predictions.classes)
    found = bootstrap(answers, predictions, resamples=resamples, level=level, seed=seed, groups=groups)
    found |= bootstrap(
        scores,
        predictions,
        resamples=min(resamples, max(400, fewer)) if fewer < resamples else resamples,
        level=level,
        seed=seed,
        groups=groups,
    )
    return {one.name: found[one.name] for one in every if one.name in found}
