"""What is installed on a machine. Runs where Melior may be missing, so it needs nothing but Python."""

from collections.abc import Sequence


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
