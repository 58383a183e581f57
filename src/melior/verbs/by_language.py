"""Scores of each language of the rows by itself."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from melior.checks._languages import OTHER, languages_of
from melior.data.table import Table
from melior.metrics import Interval, Predictions, bootstrap, metric
from melior.metrics.custom import is_here

FEWEST = 10  # rows of a language that is shown by itself
MOST_READ = 20_000  # rows whose language is read off their texts
RESAMPLES = 1000


@dataclass(frozen=True)
class LanguageScore:
    """What a predictor is worth in one language.

    rows    scored rows of the language
    trained rows of it among the training rows, 0: never seen (zero-shot); None where they are not known
    scores  the recipe's metric and accuracy, with intervals
    """

    rows: int
    trained: int | None
    scores: Mapping[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        named = {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in self.scores.items()}
        return {"rows": self.rows, "trained": self.trained, "scores": named}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        def number(value: Any) -> float:
            return float("nan") if value is None else float(value)

        scores = {
            name: Interval(number(one["value"]), number(one["low"]), number(one["high"]))
            for name, one in given["scores"].items()
        }
        trained = given.get("trained")
        return cls(int(given["rows"]), None if trained is None else int(trained), scores)


def by_language(
    data: Predictions, table: Table, metric_name: str, *, seed: int = 0, trained: Table | None = None
) -> dict[str, LanguageScore]:
    """The scores of each language of at least 10 rows, the most rows first; empty where there are not two such.

    data     what was true and said of the rows of `table`
    metric_name  the recipe's
    trained  the training rows, to say how many of them are in each language
    """
    languages = languages_of(table, seed, MOST_READ)
    found, counts = np.unique(languages[languages != OTHER], return_counts=True)
    kept = [str(found[at]) for at in np.argsort(-counts, kind="stable") if counts[at] >= FEWEST]
    if len(kept) < 2:
        return {}
    known = trained is not None and trained.rows <= MOST_READ
    seen = Counter(languages_of(trained, seed).tolist()) if trained is not None and known else None
    metric_name = metric_name if is_here(metric_name) else "accuracy"
    named = [metric_name] if table.multilabel else list(dict.fromkeys([metric_name, "accuracy"]))
    metrics = [metric(name, table.classes, multilabel=table.multilabel) for name in named]
    scored = {}
    for language in kept:
        rows = np.flatnonzero(languages == language)
        own = Predictions(data.truth[rows], None if data.scores is None else data.scores[rows], data.answers[rows])
        scores = bootstrap(metrics, own, resamples=RESAMPLES, seed=seed)
        scored[language] = LanguageScore(len(rows), None if seen is None else seen[language], scores)
    return scored
