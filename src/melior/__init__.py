"""Melior: a messy file in, a better model out, every step proved.

>>> import melior
>>> found = melior.audit("reviews.csv", target="recommended")             # doctest: +SKIP
>>> better = melior.improve("reviews.csv", target="recommended")          # doctest: +SKIP
>>> better.predictor.predict("new.csv")                                   # doctest: +SKIP

Everything below is imported when it is first used, so that `import melior` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melior._version import __version__ as __version__
    from melior.data.fuse import fuse as fuse
    from melior.data.read import read as read
    from melior.data.table import Table as Table
    from melior.errors import UserError as UserError
    from melior.evidence import Evidence as Evidence
    from melior.findings import Finding as Finding
    from melior.predictor import Predictor as Predictor
    from melior.recipe import Recipe as Recipe
    from melior.verbs.audit import audit as audit
    from melior.verbs.diagnose import diagnose as diagnose
    from melior.verbs.evaluate import evaluate as evaluate
    from melior.verbs.improve import improve as improve
    from melior.verbs.improve_plan import plan as plan
    from melior.verbs.judge import judge as judge
    from melior.verbs.predict import predict as predict
    from melior.verbs.train import train as train

_WHERE = {
    "__version__": "melior._version",
    "fuse": "melior.data.fuse",
    "read": "melior.data.read",
    "Table": "melior.data.table",
    "UserError": "melior.errors",
    "Evidence": "melior.evidence",
    "Finding": "melior.findings",
    "Predictor": "melior.predictor",
    "Recipe": "melior.recipe",
    "audit": "melior.verbs.audit",
    "diagnose": "melior.verbs.diagnose",
    "evaluate": "melior.verbs.evaluate",
    "improve": "melior.verbs.improve",
    "judge": "melior.verbs.judge",
    "plan": "melior.verbs.improve_plan",
    "predict": "melior.verbs.predict",
    "train": "melior.verbs.train",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'melior' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
