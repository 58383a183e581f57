"""Metrics by name. Every file of this folder that has `METRICS` is found by looking; nothing lists them.

Where a row may have several labels the metrics are others, though some have the same names; files have them as
`MULTILABEL`."""

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from melior.errors import UserError
from melior.metrics._base import Family, Metric
from melior.metrics.custom import PREFIX, function_metric
from melior.metrics.goals import goal_of, is_goal


@cache
def families(multilabel: bool = False) -> dict[str, Family]:
    """Every family of metrics, by name, from all modules of the package that define `METRICS` (or `MULTILABEL`)."""
    package = importlib.import_module("melior.metrics")
    kind = "MULTILABEL" if multilabel else "METRICS"
    found: dict[str, Family] = {}
    for module in sorted(entry.name for entry in pkgutil.iter_modules(package.__path__)):
        if module.startswith("_"):
            continue
        for family in getattr(importlib.import_module(f"{package.__name__}.{module}"), kind, ()):
            if family.name in found:
                raise ValueError(f"two families of metrics are called {family.name!r}")
            found[family.name] = family
    return dict(sorted(found.items()))


def names(classes: Sequence[str] = (), *, multilabel: bool = False) -> list[str]:
    """The names of all overall metrics, followed by those of each of these classes; multilabel: a row may have several.

    >>> "macro_f1" in names()
    True
    >>> [name for name in names(["no", "yes"]) if name.startswith("recall")]
    ['recall[no]', 'recall[yes]']
    """
    known = families(multilabel).values()
    overall = [family.name for family in known if family.overall]
    single = [f"{family.name}[{label}]" for family in known if family.per_class for label in map(str, classes)]
    return overall + single


def metric(name: str, classes: Sequence[str], *, multilabel: bool = False) -> Metric:
    """The metric of this name for a model that knows these classes, in the order of their codes; multilabel: of which
    a row may have several. A name may have conditions (`melior.metrics.goals`).

    >>> metric("recall[yes]", ["no", "yes"]).title
    'recall of yes'
    >>> metric("precision[yes], recall[yes]>=0.9", ["no", "yes"]).title
    'precision of yes where recall of yes is at least 0.9'
    >>> metric("makro_f1", ["no", "yes"])
    Traceback (most recent call last):
    melior.errors.UserError: There is no metric 'makro_f1'. The nearest are macro_f1, micro_f1, macro_recall.
    """
    if is_goal(name):
        return goal_of(name, lambda single: metric(single, classes, multilabel=multilabel))
    labels = [str(label) for label in classes]
    if name.startswith(PREFIX):
        if multilabel:
            raise UserError(f"metric: {name}: a function is for rows of one class each; name a metric of labels.")
        return function_metric(name, labels)
    family, bracket, label = name.partition("[")
    found = families(multilabel).get(family)
    if found is not None and not bracket and found.overall:
        return found.make(labels, None)
    if found is not None and bracket and label.endswith("]") and found.per_class and label[:-1] in labels:
        return found.make(labels, labels.index(label[:-1]))
    everything = names(labels, multilabel=multilabel)
    near = difflib.get_close_matches(name, everything, n=3, cutoff=0.3)
    near += [other for other in everything if name in other and other not in near][: 3 - len(near)]
    are = "is" if len(near) == 1 else "are"
    hint = f"The nearest {are} {', '.join(near)}." if near else f"There are {', '.join(names(multilabel=multilabel))}."
    where = " for rows of several labels" if multilabel else ""
    raise UserError(f"There is no metric {name!r}{where}. {hint}")
