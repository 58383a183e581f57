"""The plan, without what it plans: what would be tried, on which rows, and how long it would take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from melior.data.table import Table
from melior.findings import Finding, plain
from melior.improvement.ask import Ask, nobody
from melior.improvement.looking import Looked, look
from melior.improvement.pace import all_at_once, enough_folds
from melior.improvement.plan import Refused, combinable
from melior.improvement.repair import Repair
from melior.metrics.custom import called_once
from melior.metrics.registry import metric
from melior.progress import Progress, silent, time_words
from melior.recipe import Recipe
from melior.trials.run import Trials
from melior.trials.threads import cores


@dataclass(frozen=True)
class PlannedTrial:
    """A candidate: its name with its settings, the symptoms that it treats, and the seconds that all its folds take, as
    expected from its usual cost."""

    name: str
    treats: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class ImprovementPlan:
    """What `improve` would do.

    rows           all, development and sealed
    folds          of the first cross-validation; further drawings of them follow where rows are few and time is left
    baseline       seconds of the cross-validation of the plain recipe, expected from one of its folds
    trials         in the order in which they are tried
    look           whether all are looked at on one fold first, and only the promising ones go on
    seconds        expected for all of it, within the budget
    looking        seconds that finding and repairing took
    refused        what treats what was found and cannot be tried here, and why
    begins         what the recipe begins with beside the family, and why; empty where that is nothing
    pointless      pairs of methods that are not put together, since one makes the other pointless
    """

    name: str
    metric: str
    family: str
    recipe: Recipe
    rows: dict[str, int]
    folds: int
    findings: tuple[Finding, ...]
    repairs: tuple[Repair, ...]
    baseline: float
    trials: tuple[PlannedTrial, ...]
    look: bool
    budget: float
    seconds: float
    looking: float
    refused: tuple[Refused, ...]
    pointless: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    begins: str = ""

    @property
    def whole(self) -> float:
        """Seconds that all folds of all candidates would take."""
        return self.baseline + sum(one.seconds for one in self.trials)

    def said(self) -> str:
        """The plan in one sentence."""
        many = f"{len(self.trials)} candidate{'' if len(self.trials) == 1 else 's'}"
        if not self.trials:
            return (
                f"Nothing to try: no method treats what was found. The plain recipe takes {time_words(self.baseline)}."
            )
        how = (
            "each looked at on one fold first, and the promising ones on all"
            if self.look
            else "each on all folds, but for those that become hopeless"
        )
        return f"{many}, {how}: about {time_words(self.seconds)} of the {time_words(self.budget)} that there are."

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        found = {
            **{key: value for key, value in self.__dict__.items() if key not in ("recipe", "findings", "repairs")},
            "recipe": self.recipe.model_dump(mode="json"),
            "findings": [one.to_dict() for one in self.findings],
            "repairs": [one.to_dict() for one in self.repairs],
            "trials": [one.__dict__ for one in self.trials],
            "refused": [{"method": one.name, "reason": one.reason} for one in self.refused],
        }
        return dict(plain(found))

    def __repr__(self) -> str:
        lines = [f"<ImprovementPlan: {self.said()}>"]
        lines += [f"  repaired: {repair.message}" for repair in self.repairs]
        lines += [f"  {self.begins}"] if self.begins else []
        lines += [f"  {one.name:<44} {time_words(one.seconds):>10}  {', '.join(one.treats)}" for one in self.trials]
        return "\n".join(lines)


def plan_table(
    table: Table,
    recipe: Recipe,
    *,
    test: Table | None = None,
    budget: float = 300.0,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    workers: int = 0,
    thorough: bool = False,
    ask: Ask = nobody,
    progress: Progress = silent,
) -> ImprovementPlan:
    """Looks as `improve` does, fits one fold of the plain recipe to know what a fold takes, and stops there."""
    called_once(metric(recipe.metric, table.classes, multilabel=table.multilabel), table.truth())
    started = time.monotonic()
    seen = look(
        table, recipe, test=test, budget=budget, attempt=attempt, never=never, workers=workers, ask=ask,
        progress=progress,
    )  # fmt: skip
    looking = time.monotonic() - started - seen.waited
    side_by_side = workers or cores()
    progress("one fold of the plain recipe", 0, 1)
    fold = Trials(seen.parts.development, seen.folds, workers=1).run(seen.recipe, 0).seconds
    progress("one fold of the plain recipe", 1, 1)
    folds = enough_folds(seen.folds)
    baseline = fold * folds / side_by_side
    trials = tuple(
        PlannedTrial(one.name, one.treats, folds * one.takes(fold / side_by_side, side_by_side)) for one in seen.planned
    )
    swift = sum(one.seconds for one, two in zip(trials, seen.planned, strict=True) if not two.seconds)
    once = all_at_once(swift, budget - looking, table.rows, thorough=thorough)
    whole = baseline + sum(one.seconds for one in trials)
    return ImprovementPlan(
        name=table.name,
        metric=recipe.metric,
        family=seen.family,
        recipe=seen.recipe,
        rows={"all": table.rows, "development": seen.parts.development.rows, "sealed": seen.parts.sealed.rows},
        folds=folds,
        findings=seen.audit.findings,
        repairs=seen.repairs,
        begins=seen.begins,
        baseline=baseline,
        trials=trials,
        look=bool(trials) and not once,
        budget=budget,
        seconds=min(budget, looking + whole + 2 * fold),
        looking=looking,
        refused=tuple(seen.refused),
        pointless=_pointless(seen),
        notes=(*seen.notes, *seen.not_looked_for),
    )


def _pointless(seen: Looked) -> tuple[tuple[str, str], ...]:
    methods = {one.method.name: one.method for one in seen.planned if one.method is not None}
    pairs = combinations(methods.values(), 2)
    return tuple((one.name, two.name) for one, two in pairs if not combinable([one], two))
