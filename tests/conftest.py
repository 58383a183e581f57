"""How the tests are shared out among the processes that run them."""

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
