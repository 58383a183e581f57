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

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from melior.errors import UserError
from melior.metrics._base import Codes, Floats, Kernel, Metric, Part, Predictions, one_hot

Function = Callable[..., float]
PREFIX = "python:"  # of the names of such metrics in a recipe
ROUNDING = 1e-9  # of the range: how far beyond an end a mean of numbers within it may come to lie


@dataclass(frozen=True)
class Own:
    """A function and how it is to be read; chosen: whether `from_function` was called with these settings, or the
    function was merely named as a metric."""

    function: Function
    needs: Literal["answers", "scores"] = "answers"
    greater_is_better: bool = True
    low: float = 0.0
    high: float = 1.0
    chosen: bool = True

    @property
    def settings(self) -> tuple[str, bool, float, float]:
        return self.needs, self.greater_is_better, self.low, self.high


_known: dict[str, Own] = {}


@dataclass(frozen=True)
class OwnPart(Part):
    """The function on the rows of each resample, (resamples,): each row as often as it is drawn, by its weight."""

    function: Function
    classes: tuple[str, ...]
    takes: Literal["answers", "scores"]
    called: str

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
            found = self.function(true[drawn], said[drawn], sample_weight=weights[drawn])
        except ValueError:  # undefined there, as an area is where one class is drawn
            return float("nan")
        except Exception as error:
            raise UserError(
                f"metric: {self.called} raised {type(error).__name__}: {error}; it is called as {self.called}(truth, "
                "said, sample_weight=weights) and gives a number, or raises ValueError where it is undefined."
            ) from error
        number = np.asarray(found)
        if number.ndim or number.dtype.kind not in "biuf":
            raise UserError(f"metric: {self.called} gave {_shown(found)}, which is no number; let it return one.")
        return float(number)


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
        found = values[0]
        room = ROUNDING * max(1.0, *(abs(end) for end in (self.low, self.high) if np.isfinite(end)))
        beyond = found[(found < self.low - room) | (found > self.high + room)]
        if len(beyond):
            raise UserError(
                f"metric: {self.part.called} gave {beyond[0]:.4g}, outside {self.low:g} to {self.high:g}: give its "
                f"range with melior.metrics.from_function({self.part.called}, low=..., high=...)."
            )
        return np.clip(found, self.low, self.high)


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
    greater_is_better, low, high  what is better, and the range: a value beyond it is refused

    Under a name that is taken, the same function may be registered again with the same settings. Other settings are
    taken, with a warning, where the function was only named as a metric before, where it was written anew (of the same
    module and name), or where they are another range; else they are refused, and so is another function.

    UserError: the function has no name, the range is none, or the name is taken.
    """
    called = _called(function, name)
    if not low < high:
        raise UserError(f"metric: the range of {called}, {low:g} to {high:g}, is none; give low below high.")
    return _registered(PREFIX + called, Own(function, needs, greater_is_better, float(low), float(high)))


def name_of(function: Function) -> str:
    """The name of a function that is given as a metric itself: with the settings that it has, also where it was written
    anew since, else with the usual ones."""
    for whole, own in _known.items():
        if own.function is function:
            return whole
    usual = PREFIX + _called(function, None)
    for whole in (usual, *_known):
        before = _known.get(whole)
        if before is not None and _kinship(before.function, function) != "another":
            _known[whole] = replace(before, function=function)
            return whole
    return _registered(usual, Own(function, chosen=False))


def _called(function: Function, name: str | None) -> str:
    called = name or getattr(function, "__name__", None)
    if not called or called == "<lambda>":
        raise UserError(
            "metric: this function has no name; give one with melior.metrics.from_function(function, name=...)."
        )
    return str(called).removeprefix(PREFIX)


def _registered(whole: str, own: Own) -> str:
    before, called = _known.get(whole), whole.removeprefix(PREFIX)
    if before is not None:
        kinship = _kinship(before.function, own.function)
        if kinship == "another":
            raise UserError(
                f"metric: another function is called {called} already; give this one a name of its own with "
                "melior.metrics.from_function(function, name=...)."
            )
        if before.settings != own.settings:
            if kinship == "same" and before.chosen and before.settings[:2] != own.settings[:2]:
                raise UserError(
                    f"metric: {called} is known already as {_said(before)}, and not as {_said(own)}; give it another "
                    f"name too, with melior.metrics.from_function({called}, name=...)."
                )
            warnings.warn(f"{called} was {_said(before)}, and is {_said(own)} from here on.", UserWarning, stacklevel=3)
    _known[whole] = own
    return whole


def _said(own: Own) -> str:
    better = "greater is better" if own.greater_is_better else "less is better"
    return f"a metric of {own.needs} from {own.low:g} to {own.high:g}, of which {better}"


def _kinship(one: Any, other: Any) -> Literal["same", "anew", "another"]:
    """Whether two functions are the same; or one was written anew where the other was, as in a notebook. What is made
    inside a function is the same where its code and what it refers to there are: one that makes metrics makes others.
    """
    if one is other:
        return "same"
    places = [(getattr(each, "__module__", ""), getattr(each, "__qualname__", type(each))) for each in (one, other)]
    if places[0] != places[1]:
        return "another"
    if "<locals>" not in str(places[0][1]):
        return "anew"
    parts = [(each.__code__, each.__defaults__, each.__kwdefaults__) for each in (one, other)]
    cells = zip(*([cell.cell_contents for cell in each.__closure__ or ()] for each in (one, other)), strict=False)
    return "same" if parts[0] == parts[1] and all(_alike(*pair) for pair in cells) else "another"


def _alike(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, int | float | str) and one == other)


def own_metrics(measure: Metric) -> list[OwnMetric]:
    """The functions of Python in a metric: itself, or those of a goal."""
    return [one for one in getattr(measure, "metrics", (measure,)) if isinstance(one, OwnMetric)]


def called_once(measure: Metric, truth: Floats) -> None:
    """Calls the functions in a metric once, before any work, with answers that are as often each class as the truth
    (rows, classes) is: UserError where one cannot be called so, or gives no number."""
    codes = np.random.default_rng(0).permutation(truth.argmax(axis=1))
    classes = truth.shape[1]
    scores = (one_hot(codes, classes) + 1 / classes) / 2
    for one in own_metrics(measure):
        one.part.prepare(truth, scores, codes)(np.ones((1, len(codes))))


def must_be_defined(measure: Metric, data: Predictions, what: str) -> None:
    """UserError where a function in a metric is undefined on all these rows, or beyond its range. what: whose they
    are."""
    for one in own_metrics(measure):
        if np.isnan(one.measure(data.truth, data.scores, data.answers)):
            raise UserError(
                f"metric: {one.part.called} is undefined (nan, or it raised ValueError) on all rows of {what}: nothing "
                "can be compared by it; mend it, or name another metric."
            )


def function_metric(name: str, classes: Sequence[str]) -> Metric:
    """The metric of this name that was made here."""
    if name not in _known:
        raise UserError(
            f"There is no metric {name!r} in this process: it was a function of Python; give it again with "
            "metric=FUNCTION, or name another metric."
        )
    own, called = _known[name], name.removeprefix(PREFIX)
    part = OwnPart(own.function, tuple(classes), own.needs, called)
    return OwnMetric(name, called, part, own.greater_is_better, own.low, own.high)


def known(name: str) -> Own | None:
    """The function of a name, and how it is read; None where there is none in this process."""
    return _known.get(name)


def is_here(name: str) -> bool:
    """Whether a name can be measured in this process: every one but a function of another."""
    return not name.startswith(PREFIX) or name in _known


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
