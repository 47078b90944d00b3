"""One build of the site for all its tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    pytest.importorskip("furo")
    pytest.importorskip("myst_nb")
    folder = tmp_path_factory.mktemp("built") / "site"
    folder.mkdir()
    (folder / "older.html").touch()
    command = [sys.executable, ROOT / "docs" / "site" / "build.py", folder]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in folder.parent.iterdir()] == ["site"]
    return folder
