"""What is sent to a machine as it is: it says what is installed there, and lets Melior's own part in if that is right.
Melior may be missing, so nothing here needs more than Python."""

from collections.abc import Sequence
from typing import Any


def look(packages: Sequence[str]) -> dict[str, str | None]:
    """Versions by name: those of the packages, of melior, and of python without its third number; None where there is
    none."""
    import sys
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {"python": ".".join(map(str, sys.version_info[:2]))}
    try:
        from melior._version import __version__

        found["melior"] = __version__
    except ImportError:
        found["melior"] = None
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


class Porter:
    """Stands before the Node of a machine."""

    def look(self, packages: Sequence[str]) -> dict[str, str | None]:
        return look(packages)

    def start(self, name: str) -> None:
        """Makes the Node, which loads what most trials need."""
        from melior.trials.executors.node import Node

        self.node = Node(name)

    def fit(self, *asked: Any) -> Any:
        """See `Node.fit`."""
        return self.node.fit(*asked)
