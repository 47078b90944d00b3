"""A JupyterLab with a browser for the tests here; they are skipped where there is no browser."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.jupyterlab import BROWSER, DRIVER, jupyterlab
from selenium.common.exceptions import SessionNotCreatedException

from rga.course import copies
from rga.io.paths import ROOT


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            if not (BROWSER and DRIVER):
                item.add_marker(pytest.mark.skip(reason="needs Chromium and chromedriver"))


@pytest.fixture(scope="session")
def work():
    """A folder with copies as `make lab` makes them, at the same depth; somebody's own work/ stays alone."""
    with tempfile.TemporaryDirectory(prefix="work-", dir=ROOT) as folder:
        copies.work(folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with ExitStack() as stack:
        try:
            started = stack.enter_context(jupyterlab(ROOT, tmp_path_factory.mktemp("home")))
        except SessionNotCreatedException as error:
            pytest.skip(f"the browser does not start: {error.msg}")
        yield started
