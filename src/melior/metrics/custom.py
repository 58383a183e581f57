"""A metric of one's own: a function of Python, with the signature of scikit-learn's metrics.

>>> import numpy as np
>>> from melior.metrics import metric, one_hot
>>> def cost(truth, said, sample_weight):
...     costs = np.where(truth == said, 0.0, np.where(truth == "yes", 5.0, 1.0))
...     return float(np.average(costs, weights=sample_weight))
>>> name = from_function(cost, greater_is_better=False, high=5.0)
>>> metric(name, ["no", "yes"]).measure(one_hot([1, 0, 1, 0], 2), None, [0, 0, 1, 1])
1.5
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from melior.errors import UserError
from melior.metrics._base import Codes, Family, Floats, Kernel, Metric, Part

Function = Callable[..., float]
PREFIX = "python:"  # of the names of such metrics in a recipe

_known: dict[str, Family] = {}


@dataclass(frozen=True)
class OwnPart(Part):
    """The function on the rows of each resample, (resamples,): each row as often as it is drawn, by its weight."""

    function: Function
    classes: tuple[str, ...]
    takes: Literal["answers", "scores"]

    def _key(self) -> tuple[Hashable, ...]:
        return (self.function, self.classes, self.takes)

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)

    def prepare(self, truth: Floats, scores: Floats | None, answers: Codes) -> Kernel:
        names = np.array(self.classes)
        weights, true = truth.max(axis=1), names[truth.argmax(axis=1)]
        said: Any = names[answers] if self.takes == "answers" else scores

        def kernel(counts: Floats) -> Floats:
            return np.array([self._of(true, said, one * weights) for one in counts], dtype=np.float64)

        return kernel

    def _of(self, true: Any, said: Any, weights: Floats) -> float:
        drawn = weights > 0
        try:
            return float(self.function(true[drawn], said[drawn], sample_weight=weights[drawn]))
        except ValueError:  # undefined there, as an area is where one class is drawn
            return float("nan")


@dataclass(frozen=True)
class OwnMetric(Metric):
    """A function of Python as a metric."""

    slow: ClassVar[bool] = True

    part: OwnPart
    larger: bool
    least: float
    most: float

    @property
    def needs(self) -> Literal["answers", "scores"]:  # type: ignore[override]
        return self.part.takes

    @property
    def greater_is_better(self) -> bool:  # type: ignore[override]
        return self.larger

    @property
    def low(self) -> float:  # type: ignore[override]
        return self.least

    @property
    def high(self) -> float:  # type: ignore[override]
        return self.most

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.part,)

    def combine(self, values: Sequence[Floats]) -> Floats:
        return np.clip(values[0], self.low, self.high)


def from_function(
    function: Function,
    *,
    name: str | None = None,
    needs: Literal["answers", "scores"] = "answers",
    greater_is_better: bool = True,
    low: float = 0.0,
    high: float = 1.0,
) -> str:
    """Makes a function a metric; returns its name, which `metric=` takes wherever one is named in this process.

    function   called as f(truth, said, sample_weight=weights): truth (rows,) class names; said (rows,) class names, or
               (rows, classes) probabilities in the order of the classes; weights (rows,) > 0, how often each row is
               drawn. So it is that of scikit-learn's metrics. It is asked some hundred times for each candidate: a
               fast one pays. What raises ValueError is undefined on those rows
    name       how recipes and tables call it, after "python:"; the function's own by default
    needs      what `said` is: answers or scores
    greater_is_better, low, high  what is better, and the range that results are clipped to

    UserError: the function has no name, or cannot be called so.
    """
    called = name or getattr(function, "__name__", None)
    if not called or called == "<lambda>":
        raise UserError(
            "metric: this function has no name; give one with melior.metrics.from_function(function, name=...)."
        )
    whole = called if called.startswith(PREFIX) else PREFIX + called

    def make(classes: Sequence[str], code: int | None) -> Metric:
        part = OwnPart(function, tuple(classes), needs)
        return OwnMetric(whole, called, part, greater_is_better, low, high)

    _known[whole] = Family(whole, make)
    return whole


def function_metric(name: str, classes: Sequence[str]) -> Metric:
    """The metric of this name that was made here."""
    if name not in _known:
        raise UserError(
            f"There is no metric {name!r} in this process: it was a function of Python; give it again with "
            "metric=FUNCTION, or name another metric."
        )
    return _known[name].make(classes, None)


def is_here(name: str) -> bool:
    """Whether a name can be measured in this process: every one but a function of another."""
    return not name.startswith(PREFIX) or name in _known
