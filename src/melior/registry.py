"""What there is, found by looking: every module of a room is imported and its public subclasses collected.

Adding a check, a method or a model is adding a file; nothing lists them. Packages outside this one join through the
entry point group of the room (`melior.checks`, `melior.methods`, `melior.models`), each entry naming a module.
"""

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

T = TypeVar("T")

ROOMS_WITH_FITTED = ("features", "methods", "models")


@cache
def modules(room: str) -> tuple[str, ...]:
    """The names of the modules of a room, files that start with an underscore left out, outsiders last."""
    package = importlib.import_module(f"melior.{room}")
    own = [f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    inside = sorted(name for name in own if not name.rsplit(".", 1)[1].startswith("_"))
    outside = sorted(point.value for point in entry_points(group=f"melior.{room}"))
    return (*inside, *outside)


def discover(room: str, base: type[T]) -> dict[str, type[T]]:
    """Every concrete subclass of `base` defined in the modules of a room, under its `name`, in order of name."""
    found: dict[str, type[T]] = {}
    for module_name in modules(room):
        module = importlib.import_module(module_name)
        for _, member in inspect.getmembers(module, inspect.isclass):
            if not issubclass(member, base) or member is base or inspect.isabstract(member):
                continue
            if member.__module__ != module_name or member.__name__.startswith("_"):
                continue
            name = getattr(member, "name", member.__name__)
            if name in found and found[name] is not member:
                raise ValueError(f"two classes of {room} are called {name!r}: {found[name]} and {member}")
            found[name] = member
    return dict(sorted(found.items()))


@cache
def import_rooms() -> None:
    """Imports every module that defines something that is kept on disk."""
    importlib.import_module("melior.predictor")
    for room in ROOMS_WITH_FITTED:
        for name in modules(room):
            importlib.import_module(name)


def snake(name: str) -> str:
    """ClassImbalance -> class_imbalance, L1Penalty -> l1_penalty."""
    pieces: list[str] = []
    for position, letter in enumerate(name):
        if letter.isupper() and position and not name[position - 1].isupper():
            pieces.append("_")
        pieces.append(letter.lower())
    return "".join(pieces)
