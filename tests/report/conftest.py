"""One run of every kind, and its report."""

from collections.abc import Callable

import pytest
from made_runs import MAKERS, build
from parsed import Page

from melior.report import render
from melior.runs.store import Run


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One finished run of every kind."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: make(folder / name) for name, make in MAKERS.items()}


@pytest.fixture(scope="session")
def pages(runs: dict[str, Run]) -> dict[str, str]:
    """Their reports."""
    return {name: render(run) for name, run in runs.items()}


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Makes a finished run out of JSON files: make_run(folder, verb, findings=..., evidence=..., ...)."""
    return build


@pytest.fixture(scope="session")
def parsed(pages: dict[str, str]) -> dict[str, Page]:
    """The same, parsed and known to be well-formed."""
    return {name: Page(text) for name, text in pages.items()}
