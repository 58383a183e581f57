"""A metric with conditions: "precision[fraud], recall[fraud]>=0.9" is the precision where the recall is high enough.

Where a condition is missed, what is missing is taken off tenfold: goal = objective - 10 * sum of shortfalls, a penalty
(Nocedal and Wright, Numerical Optimization, 2006, chapter 17). A condition is so missed by a hundredth only where that
brings the objective a tenth, and a comparison and an interval need know nothing of conditions. A threshold that just
meets one misses it on other rows every other time: it leaves room (`methods/threshold.py`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from melior.errors import UserError
from melior.metrics._base import Floats, Metric, Part
from melior.metrics.answers import AnswerMetric

LIMITS = ("latency", "size")  # what a model costs: no metric, though `--goal` names them beside one
PENALTY = 10.0  # what missing one of a condition costs
CONDITION = re.compile(r"^(?P<name>.+?)\s*(?P<sign>>=|<=|≥|≤)\s*(?P<bound>\S+)$")


@dataclass(frozen=True)
class Condition:
    """A metric that must be at least (or at most, for a loss) so much."""

    metric: Metric
    bound: float

    @property
    def said(self) -> str:
        return f"{self.metric.name}{'>=' if self.metric.greater_is_better else '<='}{self.bound:g}"

    def shortfall(self, values: Floats) -> Floats:
        """How much is missing, 0 where the condition is met."""
        missing = self.bound - values if self.metric.greater_is_better else values - self.bound
        return np.asarray(np.maximum(missing, 0.0))


@dataclass(frozen=True)
class Goal(Metric):
    """An objective under conditions, on the objective's scale where all are met. Larger is better, of a loss as well:
    its negative is taken."""

    objective: Metric
    conditions: tuple[Condition, ...]

    @property
    def needs(self) -> Literal["answers", "scores"]:  # type: ignore[override]
        return "scores" if any(one.needs == "scores" for one in self.metrics) else "answers"

    @property
    def slow(self) -> bool:  # type: ignore[override]
        return any(one.slow for one in self.metrics)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The objective and those of the conditions."""
        return (self.objective, *(condition.metric for condition in self.conditions))

    @property
    def low(self) -> float:  # type: ignore[override]
        return -np.inf

    @property
    def high(self) -> float:  # type: ignore[override]
        return self.objective.high if self.objective.greater_is_better else -self.objective.low

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(dict.fromkeys(part for metric in self.metrics for part in metric.parts))

    def combine(self, values: Sequence[Floats]) -> Floats:
        known = dict(zip(self.parts, values, strict=True))
        first, *others = (metric.combine([known[part] for part in metric.parts]) for metric in self.metrics)
        return self.joined(first, others)

    def joined(self, objective: Floats, others: Sequence[Floats]) -> Floats:
        """The goal from the objective's values and those of the conditions."""
        found = objective if self.objective.greater_is_better else -objective
        for condition, values in zip(self.conditions, others, strict=True):
            found = found - PENALTY * condition.shortfall(values)
        return np.asarray(found)

    def from_cells(self, cells: Floats) -> Floats:
        """Of confusion tables (..., truth, answer), where all its metrics are of answers."""
        values = [metric.from_cells(cells) for metric in self.metrics if isinstance(metric, AnswerMetric)]
        return self.joined(values[0], values[1:])

    @property
    def of_answers(self) -> bool:
        """Whether all its metrics are functions of the confusion table."""
        return all(isinstance(metric, AnswerMetric) for metric in self.metrics)


def is_goal(name: str) -> bool:
    """Whether a metric's name has several parts, or a direction."""
    return len(parts_of(name)) > 1 or bool(CONDITION.match(name)) or name.startswith(("max ", "min "))


def parts_of(name: str) -> list[str]:
    """The parts between commas, those in brackets aside: a class may have a comma in its name.

    >>> parts_of("precision[a, b], recall[a, b]>=0.9")
    ['precision[a, b]', 'recall[a, b]>=0.9']
    """
    found, depth, start = [], 0, 0
    for place, letter in enumerate(name):
        depth += (letter == "[") - (letter == "]" and depth > 0)
        if letter == "," and depth == 0:
            found.append(name[start:place].strip())
            start = place + 1
    found.append(name[start:].strip())
    return found


def goal_of(name: str, named: Callable[[str], Metric]) -> Metric:
    """The goal that a name says; `named` gives a single metric. Without conditions it is that metric.

    UserError: no objective, or two; a bound that is no number, out of the metric's range, or from the wrong side.
    """
    objectives: list[Metric] = []
    conditions: list[Condition] = []
    for part in parts_of(name):
        match = CONDITION.match(part)
        if match is None:
            objectives.append(_objective(part, named))
            continue
        if (cost := match["name"].strip()) in LIMITS:
            raise UserError(
                f"metric: {part!r} is a limit on what a model costs and no metric: give it to `melior improve` with "
                f"--goal, or in a recipe as limits: {{{cost}: {match['bound']}}}."
            )
        conditions.append(_condition(part, named(match["name"].strip()), match["sign"], match["bound"]))
    if len(objectives) != 1:
        how = "names nothing to make better" if not objectives else "names two things to make better"
        raise UserError(
            f"goal {name!r} {how}: write one metric, and conditions such as recall[yes]>=0.9 beside it, with commas."
        )
    if not conditions:
        return objectives[0]
    objective = objectives[0]
    said = ", ".join([objective.name, *(one.said for one in conditions)])
    where = " and ".join(
        f"{one.metric.title} is at {'least' if one.metric.greater_is_better else 'most'} {one.bound:g}"
        for one in conditions
    )
    return Goal(said, f"{objective.title} where {where}", objective, tuple(conditions))


def _objective(part: str, named: Callable[[str], Metric]) -> Metric:
    way, space, rest = part.partition(" ")
    if not space or way not in ("max", "min"):
        return named(part)
    found = named(rest.strip())
    if found.greater_is_better != (way == "max"):
        right = "max" if found.greater_is_better else "min"
        raise UserError(f"goal: {part!r} would make it worse; write {right} {found.name}, or {found.name} alone.")
    return found


def _condition(part: str, found: Metric, sign: str, bound: str) -> Condition:
    try:
        value = float(bound)
    except ValueError:
        raise UserError(f"goal: {part!r}: {bound!r} is no number.") from None
    if (sign in (">=", "≥")) != found.greater_is_better:
        right = ">=" if found.greater_is_better else "<="
        raise UserError(f"goal: {part!r} asks for a bad score; write {found.name}{right}{bound}.")
    if not found.low <= value <= found.high:
        raise UserError(f"goal: {part!r}: {found.name} lies between {found.low:g} and {found.high:g}.")
    return Condition(found, value)
