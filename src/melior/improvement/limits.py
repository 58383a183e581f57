"""Goals that are no metric: a model may take so much time for a row and so much room, or it is not accepted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from melior.errors import UserError
from melior.improvement.race import Race
from melior.improvement.runner import Runner
from melior.metrics.goals import CONDITION, parts_of
from melior.recipe import Limits, Recipe
from melior.refusals import sentence
from melior.runs.study import agreed
from melior.trials.cost import UNITS, Cost, cost_of, exceeded
from melior.trials.fit import fit
from melior.trials.judge import Judged
from melior.trials.threads import one_thread_each

NO_WORSE = 0.01  # what a method may lose, at most, where it brings a model within its limits


def goal_and_limits(goal: str) -> tuple[str | None, dict[str, Any]]:
    """The metric of a goal, None where it names only limits, and its limits.

    >>> goal_and_limits("macro_f1, size<=25MB, latency<=5ms")
    ('macro_f1', {'size': '25MB', 'latency': '5ms'})
    """
    not_empty(goal)
    metric, limits = [], {}
    for part in parts_of(goal):
        match = CONDITION.match(part)
        if match is None or match["name"].strip() not in UNITS:
            metric.append(part)
            continue
        name = match["name"].strip()
        if match["sign"] not in ("<=", "≤"):
            raise UserError(f"goal: {part!r}: a limit is <=, for example {name}<={match['bound']}.")
        if name in limits:
            raise UserError(f"goal: {name} has two limits; name one.")
        limits[name] = match["bound"]
    checked(limits)
    return ", ".join(metric) or None, limits


def not_empty(goal: str | None) -> None:
    """Refuses a goal that says nothing; None is no goal."""
    if goal is not None and not goal.strip():
        raise UserError('goal: it is empty; name a metric, such as "macro_f1, latency<=5ms", or leave --goal out.')


def checked(limits: dict[str, Any]) -> Limits:
    """The limits, or one sentence on what is wrong with them."""
    from pydantic import ValidationError

    try:
        return Limits.model_validate(limits)
    except ValidationError as error:
        raise UserError(sentence(error, "goal", Limits)) from None


@dataclass
class Costs:
    """What recipes cost, each measured once, on a fold of the race; asked only where there is a limit."""

    race: Race
    limits: Limits

    def __post_init__(self) -> None:
        self._known: dict[str, Cost] = {}

    @property
    def any(self) -> bool:
        return self.limits != Limits()

    def over(self, recipe: Recipe) -> str:
        """Why a recipe costs too much; empty where it does not."""
        if not self.any:
            return ""
        name = recipe.fingerprint()
        if name not in self._known:
            # measured by the clock, so by one of those at work on a study
            self._known[name] = Cost(**agreed(f"cost: {name}", lambda: asdict(self._measured(recipe))))
        return exceeded(self._known[name], self.limits)

    def _measured(self, recipe: Recipe) -> Cost:
        bench = self.race.trials.bench
        train, test = bench.parts(0)
        with one_thread_each():
            return cost_of(fit(recipe, train, shared=bench.shared), test)


def may_lose(race: Race, costs: Costs) -> float:
    """What the kept recipe may lose beside the plain one: something only where the plain one costs too much."""
    return max(race.margin, NO_WORSE) if costs.any and costs.over(race.baseline) else 0.0


def within(judged: Sequence[tuple[Runner, Judged]], race: Race, costs: Costs) -> list[tuple[Runner, Judged]]:
    """The verdicts with the limits: what costs too much is rejected, however good. Where the plain recipe itself costs
    too much, what is within the limits and provably worse by less than NO_WORSE is accepted: a test of non-inferiority
    with the level of the judge over all candidates. What changes no answer is no worse."""
    if not costs.any:
        return list(judged)
    allowed = may_lose(race, costs)
    beside = race.judged(allowed) if allowed else []
    no_worse = {id(runner) for runner, verdict in beside if verdict.verdict == "accepted"}
    found = []
    for runner, verdict in judged:
        unchanged = runner.complete and verdict.p is None and verdict.low == verdict.high == 0
        good_enough = verdict.verdict == "accepted" or (allowed and (unchanged or id(runner) in no_worse))
        if not good_enough:
            found.append((runner, verdict))
            continue
        over = costs.over(runner.candidate.recipe)
        if over:
            verdict = replace(verdict, verdict="rejected", reason=over)
        elif verdict.verdict != "accepted":
            verdict = replace(
                verdict, verdict="accepted", reason=f"within the limits, and worse by less than {allowed:g}"
            )
        found.append((runner, verdict))
    return found
