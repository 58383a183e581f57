"""How the tests are shared out among the processes that run them."""

import sys

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(config, items):
    """Tests that share a fixture of their file run in one process, which then makes it once."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        shared = [
            fixture
            for fixtures in item._fixtureinfo.name2fixturedefs.values()
            for fixture in fixtures
            if fixture.scope == "module" and fixture.baseid == item.nodeid.partition("::")[0]
        ]
        if shared:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture
def melior_in(monkeypatch, capsys):
    """Runs a command of melior in a folder, on a console so many characters wide: code, standard output and error."""

    def run(folder, *arguments, width=160):
        from melior.cli import main, show

        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(show.out, "width", width)  # the console may have been made by another test
        monkeypatch.setattr(sys, "argv", ["melior", *map(str, arguments)])
        code = 0
        try:
            main.run()
        except SystemExit as end:
            code = 0 if end.code is None else end.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run
