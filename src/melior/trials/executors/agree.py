"""Whether the machines of a cluster have what is installed here: trials are compared with each other, wherever each of
them ran."""

from collections.abc import Mapping
from functools import cache

from melior.trials.executors.porter import look

Installed = Mapping[str, str | None]

EVERYWHERE = ("melior", "python", "numpy", "scipy", "scikit-learn", "lightgbm", "polars")
WHERE_USED = ("torch", "transformers", "pillow")  # a machine without them does what needs none
PACKAGES = tuple(name for name in (*EVERYWHERE, *WHERE_USED) if name not in ("melior", "python"))


def installed() -> dict[str, str | None]:
    """Versions on this machine by name; None for what is not installed."""
    return look(PACKAGES)


@cache
def stamp(*, network: bool = False) -> str:
    """The versions on which the numbers of a trial depend, of a network those of its libraries too: trials of others
    are not compared with these."""
    there = installed()
    return " ".join(f"{name} {_plain(there.get(name))}" for name in (*EVERYWHERE, *(WHERE_USED if network else ())))


def difference(here: Installed, there: Installed, machine: str) -> str:
    """One sentence where the machine cannot run trials beside this one, else empty.

    >>> difference({"melior": "0.2.0"}, {"melior": "0.1.0"}, "node 10.0.0.7")
    'node 10.0.0.7 has melior 0.1.0, and here it is 0.2.0: install the same version on both.'
    """
    for name in (*EVERYWHERE, *WHERE_USED):
        own, other = _plain(here.get(name)), _plain(there.get(name))
        if own == other or (name in WHERE_USED and None in (own, other)):
            continue
        if other is None:
            return f"{machine} has no {name}: install {name} {own} there."
        return f"{machine} has {name} {other}, and here it is {own}: install the same version on both."
    return ""


def _plain(version: str | None) -> str | None:
    """Without what tells one build from another (2.9.1+cpu)."""
    return None if version is None else version.partition("+")[0]
