"""The report: what people look at when a run is done.

`render` makes the HTML of a run; `write` puts it into the run's folder.
"""

from melior.report.page import render, write

__all__ = ["render", "write"]
