"""The version, in one place, readable without importing anything heavy."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("melior")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+unknown"
