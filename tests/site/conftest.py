"""One build of the site for all its tests, also where several processes share them."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    pytest.importorskip("furo")
    pytest.importorskip("myst_nb")
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "built"
    shared.mkdir(exist_ok=True)
    with (shared.parent / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the one that builds
        if not (shared / "site").exists():
            build(shared / "site")
    return shared / "site"


def build(folder):
    """Into a folder that holds an older one, which is replaced at the end."""
    folder.mkdir()
    (folder / "older.html").touch()
    command = [sys.executable, ROOT / "docs" / "site" / "build.py", folder]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    if (done.returncode, done.stderr) != (0, ""):
        shutil.rmtree(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in folder.parent.iterdir()] == ["site"]
