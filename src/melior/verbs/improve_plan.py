"""`improve --plan`: what would be tried, and how long it would take."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from melior.errors import UserError
from melior.improvement.ask import Ask, nobody
from melior.improvement.limits import not_empty
from melior.improvement.planned import ImprovementPlan, plan_table
from melior.progress import Progress, silent
from melior.recipe import Choice
from melior.verbs.improve import budget_seconds, possible
from melior.verbs.prepare import language_recipe, prepare


def plan(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | Callable[..., float] | None = None,
    goal: str | None = None,
    model: str | None = None,
    methods: Sequence[str | Choice] = (),
    budget: str | float = "5m",
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    margin: float = 0.0,
    workers: int = 0,
    thorough: bool = False,
    ask: Ask = nobody,
    progress: Progress = silent,
) -> ImprovementPlan:
    """Looks at the rows as `improve` does and says what it would try, in which order, and how long that takes: one fold
    of the plain recipe is fitted, nothing is tried and nothing is written. The arguments are those of `improve`;
    no margin changes what is tried.

    UserError: a recipe of a language model, since what is tried there depends on how its plain training went.

    >>> melior.plan("reviews.csv", target="recommended", budget="5m")      # doctest: +SKIP
    """
    seconds, started = budget_seconds(budget), time.monotonic()
    possible(attempt, never, margin)
    not_empty(goal)
    if language_recipe(source, model=model, methods=methods, seed=seed) is not None:
        raise UserError(
            "--plan: what is tried on a language model depends on how its plain training goes, so there is no plan "
            "before it; `melior improve` shows each as it comes."
        )
    progress("reading", 0, 1)
    ready = prepare(
        source, target=target, test=test, metric=metric, goal=goal, model=model, methods=methods, seed=seed,
        columns=columns, label_separator=label_separator, progress=progress,
    )  # fmt: skip
    read = time.monotonic() - started
    found = plan_table(
        ready.table,
        ready.recipe,
        test=ready.test,
        budget=seconds - read,
        attempt=attempt,
        never=never,
        workers=workers,
        thorough=thorough,
        ask=ask,
        progress=progress,
    )
    notes = tuple(dict.fromkeys([*ready.table.notes, *found.notes]))
    return replace(found, budget=seconds, seconds=min(found.seconds + read, seconds), notes=notes)
